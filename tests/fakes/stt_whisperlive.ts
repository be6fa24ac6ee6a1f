/**
 * A fake of WhisperLive (whisper-live 0.10.0): a real WebSocket server on loopback that recognises the toy language of
 * `tones.ts`. Again and again it transcribes the audio since the last completed segment, once that is a second long, and
 * sends the last ten completed segments with the standing one. A pause in the words ends a segment, which is completed when
 * another follows it, or when the server has repeated itself ten times. While a tone lasts it guesses a word, which then
 * vanishes. END_OF_AUDIO closes at once.
 */
import { type ServerConnection, WebSocketServer } from "./websocket_server.ts";
import { rms, VOICED_RMS } from "./stt_recognisers.ts";
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
const REMEMBERED_CONNECTIONS = 1_000;

interface Segment {
  start: string;
  end: string;
  text: string;
  completed: boolean;
}

export class FakeWhisperLiveServer implements AsyncDisposable {
  /** The first message of each session, in the order they opened, the newest 1,000. */
  readonly configurations: Record<string, unknown>[] = [];
  readonly #options: Required<Omit<FakeWhisperLiveOptions, "key">> & Pick<FakeWhisperLiveOptions, "key">;
  readonly #server: WebSocketServer;
  readonly #live = new Set<ServerConnection>();

  private constructor(options: FakeWhisperLiveOptions) {
    this.#options = { clients: 64, cycleMs: 20, sessionMs: 600_000, ...options };
    this.#server = new WebSocketServer({
      handshake: ({ url, headers }) => {
        const { key } = this.#options;
        if (key !== undefined && headers.get("authorization") !== `Bearer ${key}`) {
          return Promise.resolve(401);
        }
        return Promise.resolve(new URL(url).pathname === "/" ? undefined : 404);
      },
      open: (connection) => this.#open(connection),
    });
  }

  static start(options: FakeWhisperLiveOptions = {}): FakeWhisperLiveServer {
    return new FakeWhisperLiveServer(options);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#server.port}`;
  }

  get live(): number {
    return this.#live.size;
  }

  dropConnections(): void {
    for (const connection of this.#live) connection.drop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }

  #open(connection: ServerConnection): void {
    let stop: (() => void) | undefined;
    let transcription: Transcription | undefined;
    connection.events = {
      message: (data) => {
        if (!transcription) {
          transcription = new Transcription();
          stop = this.#start(connection, String(data), transcription);
        } else if (typeof data !== "string") {
          if (new TextDecoder().decode(data.subarray(0, 12)) === "END_OF_AUDIO") {
            return connection.close(1000);
          }
          transcription.receive(new Float32Array(data.buffer, data.byteOffset, data.length >> 2));
        }
      },
      closed: () => {
        stop?.();
        this.#live.delete(connection);
      },
    };
  }

  #start(connection: ServerConnection, text: string, transcription: Transcription): (() => void) | undefined {
    const configuration: Record<string, unknown> = JSON.parse(text);
    const { uid, language, task, model } = configuration;
    if ([uid, language, task, model].some((value) => typeof value !== "string")) {
      connection.close(1011);
      return undefined;
    }
    const { clients, cycleMs, sessionMs } = this.#options;
    const send = (members: Record<string, unknown>) => connection.send(JSON.stringify({ uid, ...members }));
    if (this.#live.size >= clients) {
      send({ status: "WAIT", message: 9.5 });
      connection.close(1000);
      return undefined;
    }
    this.#live.add(connection);
    this.configurations.push(configuration);
    if (this.configurations.length > REMEMBERED_CONNECTIONS) this.configurations.shift();
    send({ message: "SERVER_READY", backend: "faster_whisper" });
    const cycle = setInterval(() => {
      const segments = transcription.segments();
      if (segments.length > 0 && connection.open) send({ segments });
    }, cycleMs);
    const end = setTimeout(() => {
      send({ message: "DISCONNECT" });
      connection.close(1000);
    }, sessionMs);
    return () => {
      clearInterval(cycle);
      clearTimeout(end);
    };
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
