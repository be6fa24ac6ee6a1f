/** The socket and the timer around a SignalingSession: one room's connection to the HPB. */
import { SignalingError } from "./error_codes.ts";
import { BUFFERED_BYTES_MAX, RECEIVED_BYTES_MAX } from "./limits.ts";
import { type Clock, type Log, type Meter } from "../../domain/mod.ts";
import {
  type Backoff,
  type Scope,
  systemClock,
  type TlsOptions,
  WebSocketConnection,
  type WebSocketMessage,
  WebSocketOpenError,
} from "../../flow/mod.ts";
import { decode, type ServerMessage } from "./codec.ts";
import { type ClientMessage, encode } from "./encode.ts";
import type { IdentitiesWanted, SignalingEvent } from "./events.ts";
import type { HelloAttempt, HelloGate } from "./hello_gate.ts";
import { SignalingSession } from "./session.ts";
import type { SessionOutput } from "./session_state.ts";

export interface SignalingOptions {
  /** The HPB: http(s) or ws(s), with or without `/spreed`. */
  url: string;
  /** Shared with the HPB. */
  secret: string;
  nextcloudUrl: string;
  roomToken: string;
  /** Whether display names are reported. */
  namesWanted?: boolean;
  identitiesWanted?: IdentitiesWanted;
  tls?: TlsOptions;
  /** Ends the connection without a bye and without further events. */
  scope: Scope;
  /** Called in order, never from within a method of this class but `start` and `bye`. */
  onEvent: (event: SignalingEvent) => void;
  /** Of full hellos, shared by all rooms. */
  gate: HelloGate;
  log: Log;
  meter: Meter;
  clock?: Clock;
  backoff?: Backoff;
}

/** TCP, TLS and the upgrade; a HPB under load takes a second. */
const OPEN_TIMEOUT_MS = 10_000;
/** Placeholder for a message that is too large, compared by identity. */
const TOO_LARGE = new Uint8Array(0);

export class SignalingConnection {
  readonly #options: SignalingOptions;
  readonly #clock: Clock;
  readonly #session: SignalingSession;
  readonly #scope: Scope;
  readonly #ended = Promise.withResolvers<void>();
  #socket?: WebSocketConnection;
  #timer?: Disposable;
  #lostAtMs?: number;
  #hasJoined = false;
  #hasSkipped = false;
  /** Why the last attempt opened no socket, if it did not. */
  #notOpened?: string;
  /** The attempt under way, until its outcome is reported to the gate. */
  #attempt?: HelloAttempt;
  /** Whether that attempt may send a full hello. */
  #mayGreet = false;

  constructor(options: SignalingOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#session = new SignalingSession({
      roomToken: options.roomToken,
      namesWanted: options.namesWanted,
      identitiesWanted: options.identitiesWanted,
      secret: options.secret,
      backendUrl: backendUrl(options.nextcloudUrl),
      backoff: options.backoff,
      mayGreet: () => this.#enterNow(),
    });
    this.#scope = options.scope.child("signaling");
    this.#scope.signal.addEventListener("abort", () => this.#stop(), { once: true });
    // An unexpected error, in here or in `onEvent`, ends the owner's scope.
    void this.#scope.failed.then((error) => {
      if (!options.scope.signal.aborted) options.scope.run(() => Promise.reject(error));
    });
  }

  /** Connects, and reconnects until `closed`. Called once. */
  start(): void {
    this.#apply(this.#session.start());
  }

  /** In the room, as far as is known. */
  get isJoined(): boolean {
    return this.#session.isJoined && !this.#scope.signal.aborted;
  }

  /** Whether captions can be sent: not while the socket is full or closing. */
  get canSend(): boolean {
    const socket = this.#socket;
    return this.isJoined && socket !== undefined && socket.isOpen &&
      socket.bufferedAmount <= BUFFERED_BYTES_MAX;
  }

  /** Asks the SFU for an offer: `offer` or `offer_failed` follows, or `joined` without `resumed`. */
  requestOffer(sessionId: string): void {
    this.#apply(this.#session.requestOffer(sessionId, this.#clock.now()));
  }

  /** Answers the offer `sid`. Not sent when not in the room, where the offer is void. */
  sendAnswer(sessionId: string, sid: string, sdp: string): void {
    this.#apply(this.#session.sendAnswer(sessionId, sid, sdp));
  }

  /** Sends a caption to one listener; false when not in the room or too large. */
  sendTranscript(
    to: string,
    transcript: { text: string; languageId: string; speakerSessionId: string; final: boolean },
  ): boolean {
    return this.isJoined && this.#send({ kind: "transcript", to, ...transcript });
  }

  /** Sends bye, so that the HPB drops the session. Resolves within two seconds, or when the signal is aborted. */
  async bye(signal?: AbortSignal): Promise<void> {
    const socket = this.#socket;
    const hangUp = () => socket?.terminate();
    if (!this.#scope.signal.aborted) this.#apply(this.#session.leave(this.#clock.now()));
    if (signal?.aborted) hangUp();
    else signal?.addEventListener("abort", hangUp, { once: true });
    try {
      await this.#ended.promise;
      await this.#scope[Symbol.asyncDispose]();
    } finally {
      signal?.removeEventListener("abort", hangUp);
    }
  }

  #send(message: ClientMessage, id?: string): boolean {
    try {
      return this.#socket?.send(encode(message, id)) ?? false;
    } catch (error) {
      if (!(error instanceof SignalingError)) throw error;
      this.#options.meter.count("transcription_errors_total", error.code);
      this.#options.log.error("message not sent", error);
      return false;
    }
  }

  #apply(outputs: readonly SessionOutput[]): void {
    if (this.#scope.signal.aborted) return;
    for (const output of outputs) {
      switch (output.type) {
        case "connect":
          this.#scope.run((signal) => this.#connect(output.resuming, signal));
          break;
        case "send":
          this.#send(output.message, output.id);
          break;
        case "drop":
          this.#drop();
          break;
        case "attempt":
          this.#attempt?.settle(output.outcome, output.code, this.#notOpened);
          this.#abandon();
          break;
        case "ignored":
          this.#ignored(output.reason, output.code, output.count);
          break;
        case "event":
          this.#report(output.event);
      }
    }
    this.#arm();
  }

  /** One attempt: opens a socket and reads until it is closed. */
  async #connect(resuming: boolean, signal: AbortSignal): Promise<void> {
    const { log, tls, url, gate } = this.#options;
    this.#abandon();
    this.#notOpened = undefined;
    if (resuming) this.#attempt = gate.resume();
    else if (!await this.#enter(signal)) return;
    let socket: WebSocketConnection;
    try {
      socket = await WebSocketConnection.open(signalingUrl(url), {
        signal,
        openTimeoutMs: OPEN_TIMEOUT_MS,
        maxMessageSize: RECEIVED_BYTES_MAX,
        onTooLarge: (bytes) => {
          this.#skipped(bytes);
          return TOO_LARGE;
        },
        tls,
      });
    } catch (error) {
      if (signal.aborted) return;
      this.#notOpened = error instanceof WebSocketOpenError ? error.failure : undefined;
      log.debug("signalling not opened", { reason: error instanceof Error ? error.message : "unknown" });
      return this.#apply(this.#session.lost("unreachable", this.#clock.now()));
    }
    await using _closing = socket;
    if (signal.aborted || this.#session.state !== "connecting") return;
    this.#socket = socket;
    this.#apply(this.#session.opened(this.#clock.now()));
    socket.receive((message) => this.#receive(socket, message));
    const { failure } = await socket.closed;
    if (failure !== undefined) throw failure; // an unexpected error
    if (this.#socket !== socket) return; // dropped: the session knows
    this.#socket = undefined;
    this.#apply(this.#session.lost("connection_lost", this.#clock.now()));
  }

  /** Waits until a full hello may be sent; false when none may, which the session was given. */
  async #enter(signal: AbortSignal): Promise<boolean> {
    let attempt: HelloAttempt;
    try {
      attempt = await this.#options.gate.enter(signal);
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof SignalingError)) throw error;
      this.#apply(this.#session.heldBack(error.code, this.#clock.now()));
      return false;
    }
    if (signal.aborted || this.#session.state !== "connecting") {
      attempt[Symbol.dispose]();
      return false;
    }
    this.#attempt = attempt;
    this.#mayGreet = true;
    return true;
  }

  /** Whether a full hello may be sent on the open socket. */
  #enterNow(): boolean {
    if (this.#mayGreet) return true;
    const attempt = this.#options.gate.enterNow();
    if (!attempt) return false;
    this.#abandon();
    this.#attempt = attempt;
    return this.#mayGreet = true;
  }

  /** Ends the attempt, with or without an outcome. */
  #abandon(): void {
    this.#attempt?.[Symbol.dispose]();
    this.#attempt = undefined;
    this.#mayGreet = false;
  }

  #receive(socket: WebSocketConnection, data: WebSocketMessage): void {
    if (this.#socket !== socket) return; // dropped
    const message: ServerMessage = data === TOO_LARGE ? { kind: "too_large" } : decode(data);
    if (message.kind === "ignored") this.#ignored(message.reason);
    if ("invalidEntries" in message) this.#ignored("entry", undefined, message.invalidEntries);
    this.#apply(this.#session.receive(message, this.#clock.now()));
  }

  /** Closes the socket; the task that opened it waits for the close. */
  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    void socket?.close();
  }

  #report(event: SignalingEvent): void {
    const { log, meter, onEvent } = this.#options;
    if (event.type === "disconnected") {
      this.#lostAtMs = this.#clock.now();
      log.warn(
        this.#hasJoined ? "signalling lost" : "signalling not connected yet",
      );
    } else if (event.type === "joined") {
      if (this.#lostAtMs !== undefined) {
        meter.count("tiro_signaling_reconnects_total", event.resumed ? "resumed" : "rejoined");
        log.info(this.#hasJoined ? "signalling reconnected" : "signalling connected", {
          resumed: event.resumed,
          afterMs: Math.round(this.#clock.now() - this.#lostAtMs),
        });
      }
      this.#lostAtMs = undefined;
      this.#hasJoined = true;
    }
    onEvent(event);
    if (event.type === "closed") this.#stop();
  }

  #ignored(reason: string, code?: string, count = 1): void {
    this.#options.meter.count("tiro_signaling_ignored_total", reason, count);
    this.#options.log.debug("HPB message ignored", { reason, code });
  }

  /** Logged once a room: others are likely to follow. */
  #skipped(bytes: number): void {
    const { meter, log } = this.#options;
    meter.count("tiro_signaling_ignored_total", "too_large");
    log[this.#hasSkipped ? "debug" : "warn"]("HPB message skipped: too large", {
      code: "signaling_message_too_large",
      bytes,
      limit: RECEIVED_BYTES_MAX,
      check: "the lists of participants replace it; look for clients with oversized hello features",
    });
    this.#hasSkipped = true;
  }

  #arm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    const deadline = this.#session.nextDeadline();
    if (deadline === undefined || this.#scope.signal.aborted) return;
    const delayMs = Math.max(0, deadline - this.#clock.now());
    this.#timer = this.#clock.timer(delayMs, () => {
      this.#scope.run(() => Promise.resolve().then(() => this.#apply(this.#session.due(this.#clock.now()))));
    });
  }

  #stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#abandon();
    this.#drop();
    this.#ended.resolve();
  }
}

/** `http` becomes `ws`, and the path ends with `/spreed`. */
export function signalingUrl(hpbUrl: string): string {
  const url = new URL(hpbUrl);
  url.protocol = url.protocol.replace("http", "ws");
  const path = url.pathname.replace(/\/+$/, "");
  url.pathname = path.endsWith("/spreed") ? path : `${path}/spreed`;
  return url.href;
}

function backendUrl(nextcloudUrl: string): string {
  return `${nextcloudUrl.replace(/\/+$/, "")}/ocs/v2.php/apps/spreed/api/v3/signaling/backend`;
}
