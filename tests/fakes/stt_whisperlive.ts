/**
 * A fake of WhisperLive (whisper-live 0.10.0): a real WebSocket server on loopback that recognises the toy language of
 * `tones.ts`. Again and again it transcribes the audio since the last completed segment, once that is a second long, and
 * sends the last ten completed segments with the standing one. A pause in the words ends a segment, which is completed when
 * another follows it, or when the server has repeated itself ten times. While a tone lasts it guesses a word, which then
 * vanishes. END_OF_AUDIO closes at once.
 */
import type { ServerConnection } from "./websocket_server.ts";
import { rms, VOICED_RMS } from "./stt_recognisers.ts";
import { remember, SttStandIn } from "./stt_stand_in.ts";
import { ToneRecogniser } from "./tones.ts";

export interface FakeWhisperLiveOptions {
  /** Any other key is answered with 401. */
  key?: string;
  /** One more is told to wait. */
  clients?: number;
  /** From one transcription to the next. */
  cycleMs?: number;
  /** A session that lasts longer is disconnected. */
  sessionMs?: number;
}

const SAMPLE_RATE_HZ = 16_000;
/** Less audio than this is not transcribed. */
const CHUNK_MS = 1_000;
/** Between the words of two segments. */
const PAUSE_MS = 600;
const SENT_SEGMENTS = 10;
const REPEATED_MAX = 10;
/** What a tone that lasts sounds like. */
export const GUESS = "uh";

interface Segment {
  start: string;
  end: string;
  text: string;
  completed: boolean;
}

export class FakeWhisperLiveServer extends SttStandIn {
  /** The first message of each session, in the order they opened, the newest 1,000. */
  readonly configurations: Record<string, unknown>[] = [];
  readonly #options: Required<Omit<FakeWhisperLiveOptions, "key">> & Pick<FakeWhisperLiveOptions, "key">;

  private constructor(options: FakeWhisperLiveOptions) {
    super();
    this.#options = { clients: 64, cycleMs: 20, sessionMs: 600_000, ...options };
  }

  static start(options: FakeWhisperLiveOptions = {}): FakeWhisperLiveServer {
    return new FakeWhisperLiveServer(options);
  }

  protected override handshake({ url, headers }: Request): number | undefined {
    const { key } = this.#options;
    if (key !== undefined && headers.get("authorization") !== `Bearer ${key}`) return 401;
    return new URL(url).pathname === "/" ? undefined : 404;
  }

  /** The first message configures the session. */
  protected override open(connection: ServerConnection): void {
    connection.events = { message: (data) => this.#start(connection, String(data)), closed: () => {} };
  }

  #start(connection: ServerConnection, text: string): void {
    const configuration: Record<string, unknown> = JSON.parse(text);
    const { uid, language, task, model } = configuration;
    if ([uid, language, task, model].some((value) => typeof value !== "string")) {
      return connection.close(1011);
    }
    const { clients, cycleMs, sessionMs } = this.#options;
    const send = (members: Record<string, unknown>) => connection.send(JSON.stringify({ uid, ...members }));
    if (this.live >= clients) {
      send({ status: "WAIT", message: 9.5 });
      return connection.close(1000);
    }
    remember(this.configurations, configuration);
    const transcription = new Transcription();
    send({ message: "SERVER_READY", backend: "faster_whisper" });
    const cycle = setInterval(() => {
      const segments = transcription.segments();
      if (segments.length > 0 && connection.open) send({ segments });
    }, cycleMs);
    const end = setTimeout(() => {
      send({ message: "DISCONNECT" });
      connection.close(1000);
    }, sessionMs);
    this.admit(connection, {
      message: (data) => {
        if (typeof data === "string") return;
        if (new TextDecoder().decode(data.subarray(0, 12)) === "END_OF_AUDIO") return connection.close(1000);
        transcription.receive(new Float32Array(data.buffer, data.byteOffset, data.length >> 2));
      },
      closed: () => {
        clearInterval(cycle);
        clearTimeout(end);
      },
    });
  }
}

/** What a session's audio holds. */
class Transcription {
  readonly #recogniser = new ToneRecogniser(SAMPLE_RATE_HZ);
  #receivedMs = 0;
  #isVoiced = false;
  readonly #completed: Segment[] = [];
  #completedMs = 0;
  /** Since the last completed segment. */
  #words: { word: string; startMs: number; endMs: number }[] = [];
  #lastText = "";
  #repeated = 0;

  receive(samples: Float32Array): void {
    this.#receivedMs += samples.length / SAMPLE_RATE_HZ * 1_000;
    this.#isVoiced = rms(samples) >= VOICED_RMS;
    for (const { word, endMs } of this.#recogniser.receive(samples)) {
      this.#words.push({ word, startMs: Math.max(this.#completedMs, endMs - 200), endMs });
    }
  }

  /** Of one transcription. */
  segments(): Segment[] {
    if (this.#receivedMs - this.#completedMs < CHUNK_MS) return [];
    for (let at = 1; at < this.#words.length; at++) {
      if (this.#words[at].startMs - this.#words[at - 1].endMs < PAUSE_MS) continue;
      this.#complete(at);
      at = 0;
    }
    const standing = this.#standing();
    this.#repeated = standing !== undefined && standing.text === this.#lastText ? this.#repeated + 1 : 0;
    this.#lastText = standing?.text ?? "";
    const isRepeated = this.#repeated > REPEATED_MAX;
    if (isRepeated) this.#complete(this.#words.length);
    return [...this.#completed.slice(-SENT_SEGMENTS), ...standing && !isRepeated ? [standing] : []];
  }

  #standing(): Segment | undefined {
    const words = this.#words.map(({ word }) => word);
    if (this.#isVoiced) words.push(GUESS);
    if (words.length === 0) return undefined;
    return segment(words, this.#words[0]?.startMs ?? this.#completedMs, this.#receivedMs, false);
  }

  #complete(count: number): void {
    const words = this.#words.splice(0, count);
    const last = words.at(-1);
    if (!last) return;
    this.#completed.push(segment(words.map(({ word }) => word), words[0].startMs, last.endMs, true));
    this.#completedMs = last.endMs;
    this.#lastText = "";
    this.#repeated = 0;
  }
}

function segment(words: readonly string[], startMs: number, endMs: number, completed: boolean): Segment {
  const [start, end] = [startMs, endMs].map((ms) => (ms / 1_000).toFixed(3));
  return { start, end, text: ` ${words.join(" ")}`, completed };
}
