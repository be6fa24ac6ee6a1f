/**
 * A session with a recogniser's server over a WebSocket. The shell around `socket_flow.ts` (flow control) and the
 * provider's codec (messages): owns the socket and its timers. Opens once; retries are the caller's.
 */
import type { Clock, Meter, PcmFrame, SttError, SttEvent, SttOptions, SttSession } from "../domain/mod.ts";
import type { WebSocketConnection, WebSocketMessage } from "../flow/mod.ts";
import { LIMITS } from "../domain/mod.ts";
import type { SttCodec } from "./codec.ts";
import { cannotOpen, sessionEnded } from "./errors.ts";
import { ForeignProtocol } from "./foreign.ts";
import { SessionEvents } from "./session_events.ts";
import { SocketFlow, type SocketLimits, STALLED_MS } from "./socket_flow.ts";

export interface SocketSessionOptions {
  socket: WebSocketConnection;
  codec: SttCodec;
  /** The provider's. */
  name: string;
  sampleRateHz: number;
  limits: SocketLimits;
  clock: Clock;
  meter: Meter;
  recycle: SttOptions["recycle"];
  signal: AbortSignal;
}

/** A server's own step. */
const FLUSH_CHUNK_MS = 80;
/** Returned by `write` when nothing has to wait, so that a frame costs no promise. */
const WRITTEN = Promise.resolve();

export class SocketSession implements SttSession {
  readonly #options: SocketSessionOptions;
  readonly #socket: WebSocketConnection;
  readonly #codec: SttCodec;
  readonly #clock: Clock;
  readonly #flow: SocketFlow;
  readonly #foreign = new ForeignProtocol();
  readonly #events: SessionEvents;
  readonly #ready = Promise.withResolvers<void>();
  /** Resolves when no more words are expected. */
  readonly #quiet = Promise.withResolvers<void>();
  readonly #closing: Promise<void>;
  /** The one frame that waits. */
  #waiting?: { frame: PcmFrame } & PromiseWithResolvers<void>;
  #timer?: Disposable;
  #keepAlive?: Disposable;
  #sentAtMs: number;
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

  constructor(options: SocketSessionOptions) {
    this.#options = options;
    const { socket, codec, clock, limits, signal } = options;
    this.#socket = socket;
    this.#codec = codec;
    this.#clock = clock;
    this.#flow = new SocketFlow(limits);
    this.#sentAtMs = clock.now();
    this.#events = new SessionEvents(signal, (reason) => this.#release(reason));
    this.#ready.promise.catch(() => {}); // only an opening session is awaited
    socket.receive((message) => this.#receive(message));
    this.#closing = this.#closed();
    this.#sendAll(codec.start?.());
    if (!codec.awaitsReady) this.#becomeReady();
    this.#keepAliveLater();
  }

  /** Resolves when the server takes audio; rejects with why it does not. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get events(): ReadableStream<SttEvent> {
    return this.#events.stream;
  }

  get foreign(): SttError | undefined {
    return this.#foreign.suspicion;
  }

  get stalledUntilMs(): number {
    const nowMs = this.#clock.now();
    const isStalled = this.#pinging !== undefined && nowMs >= this.#pingedAtMs + STALLED_MS;
    return isStalled ? nowMs : this.#stalledUntilMs;
  }

  write(frame: PcmFrame): Promise<void> {
    if (this.#events.endReason !== undefined) return Promise.reject(this.#events.endReason);
    if (this.#finishing) return Promise.reject(sessionEnded());
    if (this.#waiting) throw new Error("Cannot write two frames at once: a session has one writer");
    const { sampleRateHz } = this.#options;
    if (frame.sampleRateHz !== sampleRateHz) {
      throw new RangeError(
        `Cannot write audio at ${frame.sampleRateHz} Hz: the server takes ${sampleRateHz} Hz`,
      );
    }
    const failure = this.#failure();
    if (failure) {
      this.#events.fail(failure);
      return Promise.reject(failure);
    }
    if (this.#send(frame)) return WRITTEN;
    this.#waiting = { frame, ...Promise.withResolvers<void>() };
    const { promise } = this.#waiting;
    this.#flow.waits(this.#clock.now());
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

  /** Sends the frame if it is admitted. */
  #send(frame: PcmFrame): boolean {
    const { samples, voiced } = frame;
    const audio = { durationMs: samples.length / frame.sampleRateHz * 1000, voiced };
    // A closing connection: `#closed` gives the reason.
    if (!this.#socket.isOpen || !this.#flow.admits(audio, this.#socket.bufferedAmount)) return false;
    const bytes = samples.length > 0 ? this.#sendSamples(samples, voiced) : 0;
    this.#flow.sent(audio, this.#sentAtMs = this.#clock.now());
    this.#foreign.sent({ ...audio, bytes });
    this.#options.recycle?.(samples); // the socket has copied them
    this.#ping();
    return true;
  }

  /** Returns the length of the longest message. */
  #sendSamples(samples: Float32Array<ArrayBuffer>, voiced: boolean): number {
    const encoded = this.#codec.encode(samples, voiced);
    if (typeof encoded === "string" || encoded instanceof Uint8Array) {
      this.#socket.send(encoded);
      return encoded.length;
    }
    this.#sendAll(encoded);
    return Math.max(0, ...encoded.map(({ length }) => length));
  }

  #sendAll(messages: readonly WebSocketMessage[] = []): void {
    for (const message of messages) this.#socket.send(message);
  }

  #becomeReady(): void {
    this.#sendAll(this.#codec.configure?.());
    this.#ready.resolve();
  }

  #keepAliveLater(): void {
    const { keepAlive } = this.#codec;
    if (!keepAlive || this.#events.endReason !== undefined) return;
    const dueAtMs = this.#sentAtMs + keepAlive.everyMs;
    this.#keepAlive = this.#clock.timer(Math.max(1, dueAtMs - this.#clock.now()), () => {
      if (this.#finishing) return;
      const nowMs = this.#clock.now();
      if (nowMs >= this.#sentAtMs + keepAlive.everyMs) {
        this.#socket.send(keepAlive.message);
        this.#sentAtMs = nowMs;
      }
      this.#keepAliveLater();
    });
  }

  /** Pings the peer if that is due; when it answers, the waiting frame is tried again. */
  #ping(): void {
    if (this.#pinging || !this.#flow.takePing()) return;
    const { sentMs } = this.#flow;
    this.#pingedAtMs = this.#clock.now();
    this.#pinging = this.#socket.delivered().then(() => {
      this.#stalledUntilMs = this.stalledUntilMs;
      this.#pinging = undefined;
      if (this.#events.endReason !== undefined || this.#finishing) return;
      this.#flow.delivered(sentMs);
      this.#pump();
    });
  }

  #failure(): SttError | undefined {
    return this.#foreign.failure() ?? this.#flow.failure(this.#clock.now());
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
    if (this.#socket.bufferedAmount > LIMITS.sttBufferedBytes && !this.#draining) {
      this.#draining = this.#socket.drained().then(() => {
        this.#draining = undefined;
        this.#pump();
      });
    }
    const deadline = this.#flow.nextDeadline();
    if (deadline !== undefined) {
      this.#timer = this.#clock.timer(Math.max(1, deadline - nowMs), () => this.#pump());
    }
  }

  async #closed(): Promise<void> {
    const { failure, ...close } = await this.#socket.closed;
    const error = failure ?? (this.#finishing ? undefined : this.#flow.closed(close, this.#clock.now()));
    if (error === undefined) this.#settle();
    this.#events.end(error ?? sessionEnded(), error);
  }

  /** The session ends without an error: what was not settled is. */
  #settle(): void {
    if (this.#events.endReason !== undefined) return;
    for (const event of this.#codec.closed?.() ?? []) this.#events.push(event);
  }

  #receive(data: WebSocketMessage): void {
    if (this.#events.endReason !== undefined) return; // the socket is closing
    this.#interpret(data);
    if (this.#finishing) this.#awaitQuiet();
  }

  #interpret(data: WebSocketMessage): void {
    const message = this.#codec.receive(data);
    switch (message.kind) {
      case "events":
        if (message.isBare && this.#foreign.known !== undefined) return this.#ignore(data);
        if (!message.isBare || message.events.length > 0) this.#understood();
        return message.events.forEach((event) => this.#push(event));
      case "ready":
        this.#foreign.understood();
        return this.#becomeReady();
      case "ping":
        this.#understood();
        return this.#events.push({ type: "progress", processedMs: this.#flow.sentMs });
      case "done":
        this.#understood();
        if (this.#finishing) this.#quiet.resolve();
        return;
      case "failed":
        return this.#events.fail(message.error);
      case "ignored":
        return this.#ignore(data);
    }
  }

  #push(event: SttEvent): void {
    if (event.type !== "progress") return this.#events.push(event);
    // The silence of `finish` is not the caller's audio.
    const processedMs = Math.min(event.processedMs, this.#flow.sentMs);
    this.#events.push({ type: "progress", processedMs });
    this.#flow.acknowledged(processedMs);
    this.#pump();
  }

  #understood(): void {
    this.#foreign.understood();
    this.#flow.received();
  }

  #ignore(data: WebSocketMessage): void {
    this.#options.meter.count("tiro_stt_ignored_total", this.#options.name);
    this.#foreign.received(data);
    const failure = this.#foreign.failure();
    if (failure) this.#events.fail(failure);
  }

  async #finish(behindMs: number): Promise<void> {
    if (this.#events.endReason === undefined) {
      this.#waiting?.reject(sessionEnded());
      this.#waiting = undefined;
      const { limits: { flushMs, finishMs } } = this.#options;
      this.#expectedUntilMs = this.#clock.now() + behindMs;
      this.#finishByMs = this.#expectedUntilMs + finishMs;
      if (this.#flow.sentVoice) {
        this.#flush(behindMs + flushMs);
        this.#sendAll(this.#codec.finish?.());
        this.#awaitQuiet();
        await this.#quiet.promise;
      }
      this.#settle();
    }
    this.#events.end(sessionEnded());
    await this.#socket.close();
    await this.#closing;
  }

  /** Sends silence, which makes most servers advance to the last word. */
  #flush(silenceMs: number): void {
    if (this.#options.limits.flushMs === 0) return;
    const chunk = new Float32Array(this.#options.sampleRateHz * FLUSH_CHUNK_MS / 1000);
    for (let sentMs = 0; sentMs < silenceMs; sentMs += FLUSH_CHUNK_MS) this.#sendSamples(chunk, false);
  }

  /** Waits as long as words are expected; after the last one for a short pause. */
  #awaitQuiet(): void {
    if (this.#events.endReason !== undefined) return;
    const nowMs = this.#clock.now();
    const leftMs = Math.max(0, this.#finishByMs - nowMs);
    const { flushQuietMs } = this.#options.limits;
    const quietMs = Math.max(
      flushQuietMs,
      this.#expectedUntilMs - nowMs,
      this.#flow.unansweredUntilMs - nowMs,
    );
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#clock.timer(
      this.#codec.awaitsDone ? leftMs : Math.min(leftMs, quietMs),
      () => this.#quiet.resolve(),
    );
  }

  #release(reason: unknown): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#keepAlive?.[Symbol.dispose]();
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
    this.#ready.reject(
      this.#events.failure ?? cannotOpen("the server closed it at once", "stt_closed", true),
    );
    this.#quiet.resolve();
    void this.#socket.close(); // never rejects; dispose and finish wait for it
  }
}
