/**
 * A fake of the streaming WebSocket of faster-whisper-server and speaches 0.7: a real server on loopback that recognises
 * the toy language of `tones.ts`. It transcribes a second of audio at a time, confirms words at the next time, and sends
 * all confirmed words since the connection began. It closes after a second without audio, or two and a half without
 * speech in the last five, and sends before that the words it has not confirmed. Audio that arrives in between is unread.
 */
import type { ServerConnection } from "./websocket_server.ts";
import { rms, VOICED_RMS } from "./stt_recognisers.ts";
import { remember, SttStandIn } from "./stt_stand_in.ts";
import { ToneRecogniser } from "./tones.ts";

export interface FakeWhisperWsOptions {
  /** Any other is answered with 403. */
  key?: string;
  /** Without audio for so long it closes. */
  noDataMs?: number;
  /** From the end of the audio to the last words. */
  transcriptionMs?: number;
  /** Every handshake is answered with this status. */
  refuse?: number;
}

type Optional = "key" | "refuse";
type Options = Required<Omit<FakeWhisperWsOptions, Optional>> & Pick<FakeWhisperWsOptions, Optional>;

/** A connection, as the server has seen it. */
export interface FakeWhisperConnection {
  query: Record<string, string>;
  /** Audio it has read, and what came when it no longer did, ms. */
  readMs: number;
  unreadMs: number;
  text: string;
}

interface Word {
  word: string;
  start: number;
  end: number;
  probability: number;
}

const PATH = "/v1/audio/transcriptions";
const RATE_HZ = 16_000;
const WINDOW_SAMPLES = RATE_HZ / 50;
const CHUNK_MS = 1_000;
const INACTIVITY_WINDOW_MS = 5_000;
const INACTIVITY_MS = 2_500;
const WORD_MS = 220;

export class FakeWhisperWsServer extends SttStandIn {
  /** In the order they opened, the newest 1,000. */
  readonly connections: FakeWhisperConnection[] = [];
  readonly #options: Options;
  /** Of handshakes whose connection is not open yet. */
  readonly #queries: Record<string, string>[] = [];

  private constructor(options: FakeWhisperWsOptions) {
    super();
    this.#options = { noDataMs: 1_000, transcriptionMs: 0, ...options };
  }

  static start(options: FakeWhisperWsOptions = {}): FakeWhisperWsServer {
    return new FakeWhisperWsServer(options);
  }

  /** Without a path, as operators write it. */
  override get url(): string {
    return super.url.replace("ws:", "http:");
  }

  protected override handshake({ url, headers }: Request): number | undefined {
    const { key, refuse } = this.#options;
    const { pathname, searchParams } = new URL(url);
    if (refuse !== undefined) return refuse;
    if (key !== undefined && headers.get("authorization") !== `Bearer ${key}`) return 403;
    if (pathname !== PATH) return 404;
    this.#queries.push(Object.fromEntries(searchParams));
    return undefined;
  }

  protected override open(connection: ServerConnection): void {
    const { noDataMs, transcriptionMs } = this.#options;
    const record: FakeWhisperConnection = {
      query: this.#queries.shift() ?? {},
      readMs: 0,
      unreadMs: 0,
      text: "",
    };
    remember(this.connections, record);
    const transcriber = new Transcriber();
    let isReading = true;
    const send = (words: readonly Word[]) => {
      record.text = words.map(({ word }) => word).join(" ").trim();
      const message = record.query.response_format === "verbose_json"
        ? { task: "transcribe", language: "english", duration: 0, text: record.text, words, segments: [] }
        : { text: record.text };
      connection.send(JSON.stringify(message));
    };
    const end = () => {
      isReading = false;
      clearTimeout(timer);
      timer = setTimeout(() => {
        send(transcriber.end());
        connection.close();
      }, transcriptionMs);
    };
    let timer = setTimeout(end, noDataMs);
    this.admit(connection, {
      message(data) {
        if (typeof data === "string") return connection.drop(); // it takes bytes alone, and fails on text
        const samples = samplesOf(data);
        const durationMs = samples.length / RATE_HZ * 1_000;
        if (!isReading) return void (record.unreadMs += durationMs);
        clearTimeout(timer);
        timer = setTimeout(end, noDataMs);
        record.readMs += durationMs;
        if (transcriber.receive(samples)) send(transcriber.confirmed);
        if (transcriber.isInactive) end();
      },
      closed: () => clearTimeout(timer),
    });
  }
}

/** Local agreement, and the detection of silence. */
class Transcriber {
  readonly confirmed: Word[] = [];
  readonly #recogniser = new ToneRecogniser(RATE_HZ);
  #transcribed: Word[] = [];
  #untranscribed: Word[] = [];
  #chunkMs = 0;
  #totalMs = 0;
  #silentMs = 0;

  /** True if words were confirmed. */
  receive(samples: Float32Array): boolean {
    for (const { word, endMs } of this.#recogniser.receive(samples)) {
      const times = { start: Math.max(0, endMs - WORD_MS) / 1_000, end: endMs / 1_000 };
      this.#untranscribed.push({ word: ` ${word}`, ...times, probability: 0.9 });
    }
    for (let at = 0; at < samples.length; at += WINDOW_SAMPLES) {
      const window = samples.subarray(at, at + WINDOW_SAMPLES);
      const isVoiced = rms(window) >= VOICED_RMS;
      this.#silentMs = isVoiced ? 0 : this.#silentMs + window.length / RATE_HZ * 1_000;
    }
    const durationMs = samples.length / RATE_HZ * 1_000;
    this.#totalMs += durationMs;
    this.#chunkMs += durationMs;
    if (this.#chunkMs < CHUNK_MS) return false;
    this.#chunkMs = 0;
    const confirmed = this.#transcribed;
    this.#transcribed = this.#untranscribed;
    this.#untranscribed = [];
    this.confirmed.push(...confirmed);
    return confirmed.length > 0;
  }

  get isInactive(): boolean {
    return this.#totalMs >= INACTIVITY_WINDOW_MS && this.#silentMs >= INACTIVITY_MS;
  }

  /** All words, also those that are not confirmed. */
  end(): readonly Word[] {
    this.receive(new Float32Array(RATE_HZ / 10)); // ends the last tone
    this.confirmed.push(...this.#transcribed.splice(0), ...this.#untranscribed.splice(0));
    return this.confirmed;
  }
}

function samplesOf(bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, at) => view.getInt16(2 * at, true) / 32_768);
}
