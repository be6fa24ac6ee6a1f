/**
 * A fake of the Kyutai server on Modal: a real WebSocket server on loopback that recognises the toy language of
 * `tones.ts`, or recites a script to whatever voice comes. It speaks both wire shapes, and it can be made to do what
 * servers do on bad days: stop reading, start cold, hang up, refuse, say nothing, report an error.
 */
import { Happenings } from "./happenings.ts";
import { delay } from "../../src/flow/mod.ts";
import { ServerConnection, WebSocketServer } from "./websocket_server.ts";
import { FOREIGN } from "./foreign_stt.ts";
import {
  Behind,
  BySentence,
  type Recogniser,
  rms,
  SAMPLE_RATE_HZ,
  ScriptRecogniser,
  VOICED_RMS,
} from "./stt_recognisers.ts";
import { ToneRecogniser } from "./tones.ts";

/** Everything a connection remembers is bounded by this much audio: 10 minutes. */
const REMEMBERED_SAMPLES = SAMPLE_RATE_HZ * 600;
const REMEMBERED_FRAMES = 10_000;
const REMEMBERED_CONNECTIONS = 1_000;
/** The design's server ends an utterance after this much silence in the audio. */
const TURN_END_MS = 700;

export interface FakeKyutaiOptions {
  /** `deployed`: `{type:"token"}`. `design`: `{text, final, vad_end}`. */
  shape?: "deployed" | "design";
  /** What the design's `text` holds: the hypothesis so far, settled as a whole; or one word a message. */
  design?: "hypotheses" | "words";
  /** What it recognises: the toy language; or nothing: for any voice it sends a script, one for all sessions or one each. */
  recogniser?: "tones" | { script: readonly string[] | ((session: number) => readonly string[]) };
  /** Answers as a server of another protocol does, instead of recognising: a name of foreign_stt.ts. */
  foreign?: keyof typeof FOREIGN;
  /** Any other credentials are answered with 401. */
  requireHeaders?: { key: string; secret: string };
  /** The server closes with 1000 after this long without audio. */
  closeAfterIdleMs?: number;
  /** From recognising a word to sending it: the fake's own delay. */
  delayMs?: number;
  /** Words are sent when this much more audio has arrived: the fake's latency, which advances only while audio arrives. */
  behindMs?: number;
  /** Sends nothing before a pause ends a sentence, and then all of it at once: a Whisper. */
  bySentence?: boolean;
}

export interface FakeWord {
  word: string;
  /** Where the word ended in the audio of its session, ms. */
  endMs: number;
  /** performance.now() when the audio came that told the word, and when the word was sent: between them the stand-in's delay. */
  receivedAtMs: number;
  sentAtMs: number;
}

/** One session, as the server saw it. */
export class FakeKyutaiConnection {
  /** The newest ten minutes of audio, as it came. */
  readonly samples: Float32Array[] = [];
  /** Length of each binary message, bytes, the newest 10,000. */
  readonly frameBytes: number[] = [];
  /** Text messages: the protocol has none. */
  textMessages = 0;
  /** All audio received, ms. */
  receivedMs = 0;
  /** Words sent. */
  readonly words: FakeWord[] = [];
  /** performance.now() when it opened. */
  readonly openedAtMs = performance.now();
  /** The client's close code once it is over, 1006 when it gave none. */
  closeCode: number | undefined;
  #rememberedSamples = 0;

  /** @internal */
  remember(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
    this.frameBytes.push(bytes.length);
    if (this.frameBytes.length > REMEMBERED_FRAMES) this.frameBytes.shift();
    const samples = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
    this.samples.push(samples);
    this.#rememberedSamples += samples.length;
    while (this.#rememberedSamples > REMEMBERED_SAMPLES) {
      this.#rememberedSamples -= this.samples.shift()!.length;
    }
    this.receivedMs += samples.length / SAMPLE_RATE_HZ * 1000;
    return samples;
  }
}

export class FakeKyutaiServer implements AsyncDisposable {
  /** Sessions in the order they opened, the newest 1,000. */
  readonly connections: FakeKyutaiConnection[] = [];
  /** Handshakes that reached the server, whatever became of them. */
  handshakes = 0;
  /** Closes every connection. */
  refuseConnections = false;
  /** Accepts audio and never sends a word: what the deployed server does when every channel is taken. */
  silent = false;
  delayMs: number;

  readonly #options: FakeKyutaiOptions;
  readonly #server: WebSocketServer;
  readonly #live = new Set<ServerConnection>();
  readonly #happenings = new Happenings();
  /** Requests for /health: what wakes a container. */
  healthRequests = 0;
  #coldMs = 0;
  /** The container sleeps, or starts until then. */
  #starting: { ms: number; done?: Promise<void> } | undefined;
  #stopped = false;

  private constructor(options: FakeKyutaiOptions) {
    this.#options = options;
    this.delayMs = options.delayMs ?? 0;
    this.#server = new WebSocketServer({
      handshake: (request, signal) => this.#handshake(request, signal),
      request: (request, signal) => this.#health(request, signal),
      open: (connection) => this.#open(connection),
    });
  }

  static start(options: FakeKyutaiOptions = {}): FakeKyutaiServer {
    return new FakeKyutaiServer(options);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#server.port}/v1/stream`;
  }

  /** Sessions open now. */
  get live(): number {
    return this.#live.size;
  }

  /** Leaves what comes in the kernel's buffers, on every connection, also on new ones. */
  stopReading(): void {
    this.#stopped = true;
    for (const connection of this.#live) connection.stopReading();
  }

  resumeReading(): void {
    this.#stopped = false;
    for (const connection of this.#live) connection.resumeReading();
  }

  /** From now on, the handshake is answered this late. */
  coldFor(ms: number): void {
    this.#coldMs = ms;
  }

  /** The container sleeps: whatever is asked first starts it, which takes so long, and all are answered then. */
  sleep(startMs: number): void {
    this.#starting = { ms: startMs };
  }

  /** Cuts every connection without a word. */
  dropConnections(): void {
    for (const connection of this.#live) connection.drop();
  }

  /** Closes every connection in good order. */
  closeConnections(code = 1000): void {
    for (const connection of this.#live) connection.close(code);
  }

  sendError(message = "no free channels"): void {
    this.sendRaw(JSON.stringify({ type: "error", message }));
  }

  /** Sends this on every connection, whatever it is. */
  sendRaw(data: string | Uint8Array): void {
    for (const connection of this.#live) connection.send(data);
  }

  /** Resolves once `matches` holds, which is checked whenever something happens here. */
  until(matches: () => boolean, deadlineMs?: number): Promise<void> {
    return this.#happenings.until(matches, deadlineMs);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }

  async #handshake(request: Request, signal: AbortSignal): Promise<number | "hang_up" | undefined> {
    this.handshakes++;
    this.#happenings.happened();
    if (this.refuseConnections) return "hang_up";
    if (!this.#isAllowed(request)) return 401;
    if (new URL(request.url).pathname !== "/v1/stream") return 404;
    await this.#started(signal);
    if (this.#coldMs > 0) await delay(this.#coldMs, signal).catch(() => {}); // a server that ends answers at once
    return undefined;
  }

  async #health(request: Request, signal: AbortSignal): Promise<number> {
    this.healthRequests++;
    this.#happenings.happened();
    if (!this.#isAllowed(request)) return 401;
    await this.#started(signal);
    return new URL(request.url).pathname === "/health" ? 200 : 404;
  }

  #isAllowed({ headers }: Request): boolean {
    const { requireHeaders } = this.#options;
    return !requireHeaders ||
      (headers.get("modal-key") === requireHeaders.key &&
        headers.get("modal-secret") === requireHeaders.secret);
  }

  async #started(signal: AbortSignal): Promise<void> {
    const starting = this.#starting;
    if (!starting) return;
    starting.done ??= delay(starting.ms, signal).catch(() => {});
    await starting.done;
  }

  #open(connection: ServerConnection): void {
    const record = new FakeKyutaiConnection();
    this.connections.push(record);
    if (this.connections.length > REMEMBERED_CONNECTIONS) this.connections.shift();
    const { recogniser = "tones", shape = "deployed", design = "hypotheses", closeAfterIdleMs = 30_000 } =
      this.#options;
    const quick: Recogniser = recogniser === "tones"
      ? new ToneRecogniser(SAMPLE_RATE_HZ)
      : new ScriptRecogniser(
        typeof recogniser.script === "function"
          ? recogniser.script(this.connections.length - 1)
          : recogniser.script,
      );
    const { behindMs = 0, bySentence = false } = this.#options;
    const whole = bySentence ? new BySentence(quick) : quick;
    const ears = behindMs > 0 ? new Behind(whole, behindMs) : whole;
    const foreign = this.#options.foreign === undefined ? undefined : FOREIGN[this.#options.foreign];
    const voice = shape === "deployed" ? deployedVoice() : designVoice(design);
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const later = (ms: number, work: () => void) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        work();
      }, ms);
      timers.add(timer);
      return timer;
    };
    const say = (
      messages: readonly unknown[],
      word?: { word: string; endMs: number; receivedAtMs: number },
    ) => {
      const send = () => {
        for (const message of messages) connection.send(JSON.stringify(message));
        if (word) record.words.push({ ...word, sentAtMs: performance.now() });
        this.#happenings.happened();
      };
      if (this.silent) return;
      if (this.delayMs > 0) later(this.delayMs, send);
      else send();
    };
    let idleTimer: ReturnType<typeof setTimeout> | undefined;
    const rearm = () => {
      clearTimeout(idleTimer);
      if (idleTimer !== undefined) timers.delete(idleTimer);
      idleTimer = later(closeAfterIdleMs, () => this.#stopped ? rearm() : connection.close(1000));
    };
    connection.events = {
      message: (data) => {
        if (typeof data === "string") {
          record.textMessages++;
          return this.#happenings.happened();
        }
        rearm();
        const receivedAtMs = performance.now();
        const samples = record.remember(data);
        if (foreign) {
          for (const reply of foreign(data, record.frameBytes.length - 1)) connection.send(reply);
          return this.#happenings.happened();
        }
        for (const word of ears.receive(samples)) say(voice.word(word.word), { ...word, receivedAtMs });
        const turnEnd = voice.audio(samples);
        if (turnEnd.length > 0) say(turnEnd);
        this.#happenings.happened();
      },
      closed: (code) => {
        record.closeCode = code;
        for (const timer of timers) clearTimeout(timer);
        this.#live.delete(connection);
        this.#happenings.happened();
      },
    };
    this.#live.add(connection);
    if (this.#stopped) connection.stopReading();
    rearm();
    this.#happenings.happened();
  }
}

/** How a shape sends a word, and what it sends when the audio falls silent. */
interface Voice {
  word(word: string): unknown[];
  audio(samples: Float32Array): unknown[];
}

function deployedVoice(): Voice {
  return { word: (text) => [{ type: "token", text }], audio: () => [] };
}

function designVoice(design: "hypotheses" | "words"): Voice {
  let hypothesis = "";
  let silentMs = 0;
  return {
    word(word) {
      hypothesis = hypothesis === "" ? word : `${hypothesis} ${word}`;
      return [{ text: design === "words" ? word : hypothesis, final: false, vad_end: false }];
    },
    audio(samples) {
      silentMs = rms(samples) < VOICED_RMS ? silentMs + samples.length / SAMPLE_RATE_HZ * 1000 : 0;
      if (hypothesis === "" || silentMs < TURN_END_MS) return [];
      const text = design === "words" ? "" : hypothesis;
      hypothesis = "";
      return [{ text, final: true, vad_end: true }];
    },
  };
}
