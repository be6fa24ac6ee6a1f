/**
 * Kyutai speech-to-text: a WebSocket per session, 24 kHz mono float32 little-endian in binary messages, JSON words in
 * return. The shell around `session.ts` (flow control) and `codec.ts` (messages): owns the socket and one timer. Opens
 * once; retries are the caller's.
 */
import {
  type Clock,
  type Language,
  type Meter,
  type PcmFrame,
  type SpeechToText,
  type SttError,
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
import { cannotOpen, requireLanguage, sessionEnded } from "../errors.ts";
import { ForeignProtocol } from "../foreign.ts";
import type { SttParts } from "../provider.ts";
import { SessionEvents } from "../session_events.ts";
import { KyutaiDecoder } from "./codec.ts";
import { KYUTAI_LIMITS, KyutaiSessionState } from "./session.ts";

export interface KyutaiSettings {
  /** wss://... */
  url: string;
  /** Headers Modal-Key and Modal-Secret; a self-hosted server may need none. */
  key?: string;
  secret?: string;
}

type KyutaiOptions = KyutaiSettings & SttParts;

const NAME = "kyutai";
const STREAM_PATH = "/v1/stream";
const HEALTH_PATH = "/health";
export const KYUTAI_SAMPLE_RATE_HZ = 24_000;
export const KYUTAI_LANGUAGES: readonly Language[] = [
  { id: "en", name: "English", metadata: { separator: " ", rtl: false } },
  { id: "fr", name: "Français", metadata: { separator: " ", rtl: false } },
];

/** The model waits half a second after a word. */
export const FEATURES: SttFeatures = {
  acknowledges: false,
  latencyMs: 500,
  partials: true,
  endOfTurn: true,
};
/** The server's own step. */
const FLUSH_CHUNK_MS = 80;
const FLUSH_CHUNK = new Float32Array(KYUTAI_SAMPLE_RATE_HZ * FLUSH_CHUNK_MS / 1000);
/** Returned by `write` when nothing has to wait, so that a frame costs no promise. */
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

/** The health check of a stream's server, which takes the same headers. */
export function healthUrl(streamUrl: string): string {
  const url = new URL(streamUrl);
  url.protocol = url.protocol.replace("ws", "http");
  url.pathname = url.pathname.endsWith(STREAM_PATH)
    ? url.pathname.slice(0, -STREAM_PATH.length) + HEALTH_PATH
    : HEALTH_PATH;
  url.search = "";
  return url.href;
}

/** A request starts a container as a session would, without using one of its channels. Any answer means it runs. */
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
  requireLanguage(NAME, KYUTAI_LANGUAGES, options.languageId);
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
  const problem = "the server refused the credentials (MODAL_KEY, MODAL_SECRET)";
  return cannotOpen(problem, "stt_unauthorized", false, cause);
}

function openError(cause: unknown): SttError {
  if (cause instanceof WebSocketOpenError && isRefusal(cause.status)) return refused(cause);
  return cannotOpen("the server is out of reach", "stt_unreachable", true, cause);
}

class KyutaiSession implements SttSession {
  readonly #socket: WebSocketConnection;
  readonly #clock: Clock;
  readonly #meter: Meter;
  readonly #recycle: SttOptions["recycle"];
  readonly #state = new KyutaiSessionState();
  readonly #decoder = new KyutaiDecoder();
  readonly #foreign = new ForeignProtocol();
  readonly #events: SessionEvents;
  /** Resolves when no more words are expected. */
  readonly #quiet = Promise.withResolvers<void>();
  readonly #closing: Promise<void>;
  /** The one frame that waits. */
  #waiting?: { frame: PcmFrame } & PromiseWithResolvers<void>;
  #timer?: Disposable;
  /** Set while the socket's buffer drains. */
  #draining?: Promise<void>;
  /** Set while a ping is unanswered. */
  #pinging?: Promise<void>;
  #pingedAtMs = 0;
  #stalledUntilMs = -Infinity;
  #finishing?: Promise<void>;
  /** While finishing: until when words are expected even after a pause, and until when at most. */
  #expectedUntilMs = 0;
  #finishByMs = 0;

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
    this.#events = new SessionEvents(signal, (reason) => this.#release(reason));
    socket.receive((message) => this.#receive(message));
    this.#closing = this.#closed();
  }

  get events(): ReadableStream<SttEvent> {
    return this.#events.stream;
  }

  get stalledUntilMs(): number {
    const nowMs = this.#clock.now();
    const isStalled = this.#pinging !== undefined && nowMs >= this.#pingedAtMs + KYUTAI_LIMITS.stalledMs;
    return isStalled ? nowMs : this.#stalledUntilMs;
  }

  write(frame: PcmFrame): Promise<void> {
    if (this.#events.endReason !== undefined) return Promise.reject(this.#events.endReason);
    if (this.#finishing) return Promise.reject(sessionEnded());
    if (this.#waiting) throw new Error("Cannot write two frames at once: a session has one writer");
    if (frame.sampleRateHz !== KYUTAI_SAMPLE_RATE_HZ) {
      throw new RangeError(
        `Cannot write audio at ${frame.sampleRateHz} Hz: the server takes ${KYUTAI_SAMPLE_RATE_HZ} Hz`,
      );
    }
    const failure = this.#failure();
    if (failure) {
      this.#events.fail(failure);
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
    this.#events.end(sessionEnded());
    await this.#socket.close();
    await this.#closing;
  }

  /** Sends the frame if it is admitted. Float32 in the byte order of every machine Deno runs on, which is the server's. */
  #send(frame: PcmFrame): boolean {
    const nowMs = this.#clock.now();
    const { samples, voiced } = frame;
    const audio = { durationMs: samples.length / KYUTAI_SAMPLE_RATE_HZ * 1000, voiced };
    // A closing connection: `#closed` gives the reason.
    if (!this.#socket.isOpen || !this.#state.admits(audio, this.#socket.bufferedAmount)) return false;
    if (samples.length > 0) {
      this.#socket.send(new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
    }
    this.#state.sent(audio, nowMs);
    this.#foreign.sent({ ...audio, bytes: samples.byteLength });
    this.#recycle?.(samples); // the socket has copied them
    this.#ping();
    return true;
  }

  /** Pings the peer if that is due; when it answers, the waiting frame is tried again. */
  #ping(): void {
    if (this.#pinging || !this.#state.takePing()) return;
    const { sentMs } = this.#state;
    this.#pingedAtMs = this.#clock.now();
    this.#pinging = this.#socket.delivered().then(() => {
      this.#stalledUntilMs = this.stalledUntilMs;
      this.#pinging = undefined;
      if (this.#events.endReason !== undefined || this.#finishing) return;
      this.#state.delivered(sentMs);
      this.#pump();
    });
  }

  #failure(): SttError | undefined {
    return this.#foreign.failure() ?? this.#state.failure(this.#clock.now());
  }

  /** Sends the waiting frame, fails the session, or sets the timer for the next attempt. */
  #pump(): void {
    if (this.#finishing) return; // the timer is for the end of the session
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const waiting = this.#waiting;
    if (!waiting || this.#events.endReason !== undefined) return;
    const nowMs = this.#clock.now();
    const failure = this.#failure();
    if (failure) return this.#events.fail(failure);
    if (this.#send(waiting.frame)) {
      this.#waiting = undefined;
      waiting.resolve();
      return;
    }
    // Audio sent before the first pong is not bounded, so one pong may not be enough.
    this.#ping();
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
    this.#events.end(error ?? sessionEnded(), error);
  }

  #receive(data: WebSocketMessage): void {
    if (this.#events.endReason !== undefined) return; // the socket is closing
    this.#interpret(data);
    if (this.#finishing) this.#awaitQuiet();
  }

  #interpret(data: WebSocketMessage): void {
    const message = this.#decoder.receive(data);
    switch (message.kind) {
      case "events":
        if (message.isBare && this.#foreign.known !== undefined) return this.#ignore(data);
        if (!message.isBare || message.events.length > 0) this.#understood();
        return message.events.forEach((event) => this.#events.push(event));
      case "ping":
        this.#understood();
        return this.#events.push({ type: "progress", processedMs: this.#state.sentMs });
      case "failed":
        return this.#events.fail(message.error);
      case "ignored":
        return this.#ignore(data);
    }
  }

  #understood(): void {
    this.#foreign.understood();
    this.#state.received();
  }

  #ignore(data: WebSocketMessage): void {
    this.#meter.count("tiro_stt_ignored_total", NAME);
    this.#foreign.received(data);
    const failure = this.#foreign.failure();
    if (failure) this.#events.fail(failure);
  }

  async #finish(behindMs: number): Promise<void> {
    if (this.#events.endReason === undefined) {
      this.#waiting?.reject(sessionEnded());
      this.#waiting = undefined;
      const flushMs = behindMs + KYUTAI_LIMITS.flushMs;
      this.#expectedUntilMs = this.#clock.now() + behindMs;
      this.#finishByMs = this.#expectedUntilMs + KYUTAI_LIMITS.finishMs;
      if (this.#state.sentVoice) {
        const bytes = new Uint8Array(FLUSH_CHUNK.buffer);
        for (let sentMs = 0; sentMs < flushMs; sentMs += FLUSH_CHUNK_MS) {
          this.#socket.send(bytes);
        }
        this.#awaitQuiet();
        await this.#quiet.promise;
      }
    }
    this.#events.end(sessionEnded());
    await this.#socket.close();
    await this.#closing;
  }

  /** Waits as long as words are expected; after the last one for a short pause. */
  #awaitQuiet(): void {
    if (this.#events.endReason !== undefined) return;
    const nowMs = this.#clock.now();
    const leftMs = Math.max(0, this.#finishByMs - nowMs);
    const quietMs = Math.max(KYUTAI_LIMITS.flushQuietMs, this.#expectedUntilMs - nowMs);
    const waitMs = this.#state.unanswered(nowMs) ? leftMs : Math.min(leftMs, quietMs);
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#clock.timer(waitMs, () => this.#quiet.resolve());
  }

  #release(reason: unknown): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
    this.#quiet.resolve();
    void this.#socket.close(); // never rejects; dispose and finish wait for it
  }
}
