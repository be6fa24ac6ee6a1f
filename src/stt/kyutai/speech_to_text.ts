/**
 * Kyutai speech-to-text: one WebSocket a session, 24 kHz mono float32 little-endian in binary messages, JSON
 * words back. The shell around `session.ts` (when audio may go) and `codec.ts` (what comes back): it owns the socket
 * and one timer. A single attempt to open; trying again is the caller's.
 */
import {
  type Clock,
  type Language,
  LIMITS,
  type Meter,
  OverflowError,
  type PcmFrame,
  type SpeechToText,
  SttError,
  type SttEvent,
  type SttFeatures,
  type SttOptions,
  type SttSession,
} from "../../domain/mod.ts";
import {
  httpRequest,
  WebSocketConnection,
  type WebSocketMessage,
  WebSocketOpenError,
} from "../../flow/mod.ts";
import { sttEventQueue } from "../event_queue.ts";
import { ForeignProtocol } from "../foreign.ts";
import type { SttParts } from "../provider.ts";
import { KyutaiDecoder } from "./codec.ts";
import { KYUTAI_LIMITS, KyutaiSessionState } from "./session.ts";

export interface KyutaiSettings {
  /** wss://... */
  url: string;
  /** Headers Modal-Key and Modal-Secret; a server of one's own may want none. */
  key?: string;
  secret?: string;
}

export interface KyutaiOptions extends KyutaiSettings, SttParts {}

const NAME = "kyutai";
const STREAM_PATH = "/v1/stream";
const HEALTH_PATH = "/health";
export const KYUTAI_SAMPLE_RATE_HZ = 24_000;
export const KYUTAI_LANGUAGES: readonly Language[] = [
  { id: "en", name: "English", metadata: { separator: " ", rtl: false } },
  { id: "fr", name: "Français", metadata: { separator: " ", rtl: false } },
];

/** The model waits half a second for what comes after a word. */
export const FEATURES: SttFeatures = { acknowledges: false, latencyMs: 500 };
/** Silence goes out in the server's own step, 80 ms. */
const FLUSH_CHUNK_MS = 80;
const FLUSH_CHUNK = new Float32Array(KYUTAI_SAMPLE_RATE_HZ * FLUSH_CHUNK_MS / 1000);
/** What `write` returns when nothing has to wait, so that a frame costs no promise. */
const DONE = Promise.resolve();

export function kyutaiStt(settings: KyutaiOptions): SpeechToText {
  return {
    name: NAME,
    sampleRateHz: KYUTAI_SAMPLE_RATE_HZ,
    languages: KYUTAI_LANGUAGES,
    features: FEATURES,
    open: (options, signal) => open(settings, options, signal),
    wake: (signal) => wake(settings, signal),
  };
}

/** Where the server of a stream says how it is, behind the same headers. */
export function healthUrl(streamUrl: string): string {
  const url = new URL(streamUrl);
  url.protocol = url.protocol.replace("ws", "http");
  url.pathname = url.pathname.endsWith(STREAM_PATH)
    ? url.pathname.slice(0, -STREAM_PATH.length) + HEALTH_PATH
    : HEALTH_PATH;
  url.search = "";
  return url.href;
}

/** A request has a container started as a session would, but takes none of its channels. Any answer is one that woke. */
async function wake(settings: KyutaiOptions, signal: AbortSignal): Promise<void> {
  let status: number;
  try {
    ({ status } = await httpRequest(healthUrl(settings.url), {
      signal,
      headers: headersOf(settings),
      timeoutMs: KYUTAI_LIMITS.openTimeoutMs,
      bodyBytesMax: KYUTAI_LIMITS.messageBytes,
      tls: settings.tls,
    }));
  } catch (error) {
    signal.throwIfAborted();
    throw openError(error);
  }
  if (isRefusal(status)) throw refused();
}

function headersOf({ key, secret }: KyutaiSettings): Record<string, string> {
  return {
    ...key !== undefined && { "Modal-Key": key },
    ...secret !== undefined && { "Modal-Secret": secret },
  };
}

async function open(settings: KyutaiOptions, options: SttOptions, signal: AbortSignal): Promise<SttSession> {
  signal.throwIfAborted();
  if (!KYUTAI_LANGUAGES.some(({ id }) => id === options.languageId)) {
    throw new SttError(`Cannot open STT session: "${NAME}" does not know the language`, {
      code: "stt_language",
      retryable: false,
    });
  }
  try {
    const socket = await WebSocketConnection.open(settings.url, {
      signal,
      headers: headersOf(settings),
      openTimeoutMs: KYUTAI_LIMITS.openTimeoutMs,
      maxMessageSize: KYUTAI_LIMITS.messageBytes,
      tls: settings.tls,
    });
    if (!signal.aborted) return new KyutaiSession(socket, settings, options.recycle, signal);
    await socket.close();
    throw signal.reason;
  } catch (error) {
    signal.throwIfAborted();
    throw openError(error);
  }
}

function isRefusal(status: number | undefined): boolean {
  return status === 401 || status === 403;
}

function refused(cause?: unknown): SttError {
  return new SttError(
    "Cannot open STT session: the server refused the credentials (MODAL_KEY, MODAL_SECRET)",
    { code: "stt_unauthorized", retryable: false, cause },
  );
}

function openError(cause: unknown): SttError {
  if (cause instanceof WebSocketOpenError && isRefusal(cause.status)) return refused(cause);
  return new SttError("Cannot open STT session: the server is out of reach", {
    code: "stt_unreachable",
    retryable: true,
    cause,
  });
}

class KyutaiSession implements SttSession {
  readonly events: ReadableStream<SttEvent>;
  readonly #socket: WebSocketConnection;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #recycle: SttOptions["recycle"];
  readonly #signal: AbortSignal;
  readonly #state = new KyutaiSessionState();
  readonly #decoder = new KyutaiDecoder();
  readonly #foreign = new ForeignProtocol();
  readonly #events = sttEventQueue();
  /** Settles when the last words are in, or will not come. */
  readonly #quiet = Promise.withResolvers<void>();
  readonly #closing: Promise<void>;
  /** The one frame that waits at the gate. */
  #waiting?: { frame: PcmFrame } & PromiseWithResolvers<void>;
  #timer?: Disposable;
  /** Set while the socket's buffer is over its bound: it drains, or the connection ends. */
  #draining?: Promise<void>;
  /** Set while the peer is asked what it has read: it answers, or the connection ends. */
  #asking?: Promise<void>;
  #askedAtMs = 0;
  #stalledUntilMs = -Infinity;
  #finishing?: Promise<void>;
  /** While finishing: words may come until then even after a quiet, and until then at most. */
  #owedUntilMs = 0;
  #finishByMs = 0;
  /** Why nothing can be written any more. */
  #over: unknown;

  constructor(
    socket: WebSocketConnection,
    settings: KyutaiOptions,
    recycle: SttOptions["recycle"],
    signal: AbortSignal,
  ) {
    this.#recycle = recycle;
    this.#socket = socket;
    this.#clock = settings.clock;
    this.#meter = settings.meter;
    this.#signal = signal;
    this.events = this.#events.readable();
    signal.addEventListener("abort", this.#onAbort, { once: true });
    socket.receive((message) => this.#receive(message));
    this.#closing = this.#closed();
  }

  get stalledUntilMs(): number {
    const nowMs = this.#clock.now();
    const isStalled = this.#asking !== undefined && nowMs >= this.#askedAtMs + KYUTAI_LIMITS.stalledMs;
    return isStalled ? nowMs : this.#stalledUntilMs;
  }

  write(frame: PcmFrame): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    if (this.#finishing) return Promise.reject(sessionOver());
    if (this.#waiting) throw new Error("Cannot write two frames at once: a session has one writer");
    if (frame.sampleRateHz !== KYUTAI_SAMPLE_RATE_HZ) {
      throw new RangeError(
        `Cannot write audio at ${frame.sampleRateHz} Hz: the server takes ${KYUTAI_SAMPLE_RATE_HZ} Hz`,
      );
    }
    const failure = this.#failure();
    if (failure) {
      this.#end(failure, failure);
      return Promise.reject(failure);
    }
    if (this.#send(frame)) return DONE;
    this.#waiting = { frame, ...Promise.withResolvers<void>() };
    const { promise } = this.#waiting;
    this.#state.waits(this.#clock.now());
    this.#pump();
    return promise;
  }

  finish({ behindMs = 0 } = {}): Promise<void> {
    return this.#finishing ??= this.#finish(behindMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(sessionOver());
    await this.#socket.close();
    await this.#closing;
  }

  /** Sends if the gate lets it; float32 in the byte order of every machine Deno runs on, which is the server's. */
  #send(frame: PcmFrame): boolean {
    const nowMs = this.#clock.now();
    const { samples, voiced } = frame;
    const audio = { durationMs: samples.length / KYUTAI_SAMPLE_RATE_HZ * 1000, voiced };
    // A connection that is ending takes nothing: whoever reads it says why in a moment.
    if (!this.#socket.isOpen || !this.#state.admits(audio, this.#socket.bufferedAmount)) return false;
    if (samples.length > 0) {
      this.#socket.send(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
    }
    this.#state.sent(audio, nowMs);
    this.#foreign.sent({ ...audio, bytes: samples.byteLength });
    this.#recycle?.(samples); // the socket has copied them
    this.#ask();
    return true;
  }

  /** Asks the peer what it has read, if it is time to, and looks again at what waits when it answers. */
  #ask(): void {
    if (this.#asking || !this.#state.asks()) return;
    const { sentMs } = this.#state;
    this.#askedAtMs = this.#clock.now();
    this.#asking = this.#socket.delivered().then(() => {
      this.#stalledUntilMs = this.stalledUntilMs;
      this.#asking = undefined;
      if (this.#over !== undefined || this.#finishing) return;
      this.#state.delivered(sentMs);
      this.#pump();
    });
  }

  #failure(): SttError | undefined {
    return this.#foreign.failure() ?? this.#state.failure(this.#clock.now());
  }

  /** Looks again whether the waiting frame may go, the session has failed, or when to look next. */
  #pump(): void {
    if (this.#finishing) return; // the timer is for its end now
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const waiting = this.#waiting;
    if (!waiting || this.#over !== undefined) return;
    const nowMs = this.#clock.now();
    const failure = this.#failure();
    if (failure) return this.#end(failure, failure);
    if (this.#send(waiting.frame)) {
      this.#waiting = undefined;
      waiting.resolve();
      return;
    }
    // Before its first answer a peer is sent more than it may leave unread: then one answer is not enough.
    this.#ask();
    if (this.#socket.bufferedAmount > KYUTAI_LIMITS.bufferedBytes && !this.#draining) {
      this.#draining = this.#socket.drained().then(() => {
        this.#draining = undefined;
        this.#pump();
      });
    }
    const deadline = this.#state.nextDeadline();
    if (deadline !== undefined) {
      this.#timer = this.#clock.timer(Math.max(1, deadline - nowMs), () => this.#pump());
    }
  }

  async #closed(): Promise<void> {
    const { failure, ...close } = await this.#socket.closed;
    const error = failure ?? (this.#finishing ? undefined : this.#state.closed(close, this.#clock.now()));
    this.#end(error ?? sessionOver(), error);
  }

  #receive(data: WebSocketMessage): void {
    if (this.#over !== undefined) return; // nobody listens; the socket is closing
    this.#interpret(data);
    if (this.#finishing) this.#awaitQuiet();
  }

  #interpret(data: WebSocketMessage): void {
    const message = this.#decoder.receive(data);
    switch (message.kind) {
      case "events":
        if (message.isBare && this.#foreign.known !== undefined) return this.#ignore(data);
        if (!message.isBare || message.events.length > 0) this.#understood();
        return message.events.forEach((event) => this.#emit(event));
      case "ping":
        this.#understood();
        return this.#emit({ type: "progress", processedMs: this.#state.sentMs });
      case "failed":
        return this.#end(message.error, message.error);
      case "ignored":
        return this.#ignore(data);
    }
  }

  #understood(): void {
    this.#foreign.understood();
    this.#state.spoke();
  }

  #ignore(data: WebSocketMessage): void {
    this.#meter.count("tiro_stt_ignored_total", NAME);
    this.#foreign.received(data);
    const failure = this.#foreign.failure();
    if (failure) this.#end(failure, failure);
  }

  #emit(event: SttEvent): void {
    if (this.#events.push(event) || this.#over !== undefined) return;
    if (this.#events.dropped === 0) return; // its reader cancelled: the owner will dispose
    const overflow = new OverflowError("stt_events", LIMITS.sttEvents);
    this.#end(overflow, overflow);
  }

  async #finish(behindMs: number): Promise<void> {
    if (this.#over === undefined) {
      this.#waiting?.reject(sessionOver());
      this.#waiting = undefined;
      const flushMs = behindMs + KYUTAI_LIMITS.flushMs;
      this.#owedUntilMs = this.#clock.now() + behindMs;
      this.#finishByMs = this.#owedUntilMs + KYUTAI_LIMITS.finishMs;
      if (this.#state.sentVoice) {
        const bytes = new Uint8Array(FLUSH_CHUNK.buffer);
        for (let sentMs = 0; sentMs < flushMs; sentMs += FLUSH_CHUNK_MS) {
          this.#socket.send(bytes);
        }
        this.#awaitQuiet();
        await this.#quiet.promise;
      }
    }
    this.#end(sessionOver());
    await this.#socket.close();
    await this.#closing;
  }

  /** Words that are owed get all the time there is; after the last one a short quiet is enough. */
  #awaitQuiet(): void {
    if (this.#over !== undefined) return;
    const nowMs = this.#clock.now();
    const leftMs = Math.max(0, this.#finishByMs - nowMs);
    const quietMs = Math.max(KYUTAI_LIMITS.flushQuietMs, this.#owedUntilMs - nowMs);
    const waitMs = this.#state.unanswered(nowMs) ? leftMs : Math.min(leftMs, quietMs);
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#clock.timer(waitMs, () => this.#quiet.resolve());
  }

  /** The one way out. `reason` is what a writer gets; `failure`, if any, what the reader of `events` does. */
  #end(reason: unknown, failure?: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
    this.#quiet.resolve();
    this.#events.close({ error: failure });
    void this.#socket.close(); // never rejects; whoever disposes or finishes waits for it
  }

  readonly #onAbort = () => this.#end(this.#signal.reason);
}

function sessionOver(): SttError {
  return new SttError("Cannot write to STT session: it is over", { code: "stt_over", retryable: true });
}
