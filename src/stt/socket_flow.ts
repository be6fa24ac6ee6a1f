/**
 * Flow control towards a recogniser's server over a WebSocket, and the server's failure. Sans-IO; the shell in
 * `socket_session.ts` owns the socket and the timer.
 *
 * Words do not acknowledge audio, and without words most servers send nothing: noise, music and a server that answers
 * sentence by sentence look like a stalled one. So a server that sends nothing neither blocks audio nor fails. A connection
 * that takes no bytes does: our socket's buffer fills, or the peer has not read what was sent (it answers a ping when it
 * has). A stalled server thus leaves at most ten seconds in the buffers of two kernels; the rest waits in the speech
 * buffer, where its loss is counted. A server that acknowledges audio gets no more than `unacknowledgedMs` ahead of it.
 */
import { LIMITS, type SttError } from "../domain/mod.ts";
import { sessionFailed } from "./errors.ts";

/** What depends on the provider; the defaults are those of a streaming server. */
export interface SocketLimits {
  /** From the request to the open connection. */
  openTimeoutMs: number;
  /** From there until the server says that it takes audio, where the protocol has that. */
  readyMs: number;
  /** Audio that may be unacknowledged; for servers that acknowledge it. */
  unacknowledgedMs: number;
  /** Words may still come for this long after the voice. */
  answerWithinMs: number;
  /** A connection that takes no audio for this long has failed. */
  stoppedMs: number;
  /** Trailing silence that flushes the last word. */
  flushMs: number;
  /** After the flush: no word for this long means the last one has arrived. */
  flushQuietMs: number;
  /** Longest wait for the last words. */
  finishMs: number;
  /** A larger message of the server ends the session. */
  messageBytes: number;
}

export const SOCKET_LIMITS: SocketLimits = Object.freeze({
  /** A cold container. */
  openTimeoutMs: LIMITS.sttOpenTimeoutMs,
  /** It may load a model first. */
  readyMs: 20_000,
  unacknowledgedMs: Infinity,
  /** A model is half a second behind, a loaded one 2. */
  answerWithinMs: 4_000,
  /** A server may stall for a minute. */
  stoppedMs: 75_000,
  flushMs: LIMITS.sttFlushMs,
  flushQuietMs: 600,
  finishMs: 2_500,
  /** A message is some words, or an utterance. */
  messageBytes: 64 * 1024,
});

/** Audio sent that the peer has not read. */
const UNDELIVERED_MS = LIMITS.speechMs;
/** Audio between two pings. */
const ASK_EVERY_MS = 1_000;
/** Less voice than this may contain no word, so a session may end without one. */
const MAY_HOLD_NO_WORD_MS = 1_000;
/** The server stalls once audio is unread for longer than any network takes. */
export const STALLED_MS = 2_000;

export class SocketFlow {
  readonly #limits: SocketLimits;
  /** Whether a message was understood. */
  #hasReceived = false;
  #sentMs = 0;
  #voiceMs = 0;
  /** Voice sent since the last message. */
  #unansweredMs = 0;
  #lastVoiceAtMs = -Infinity;
  /** Audio the peer has read; undefined before its first pong. */
  #deliveredMs: number | undefined;
  /** Audio the server has acknowledged. */
  #acknowledgedMs = 0;
  #pingedMs = -Infinity;
  /** Set while a frame waits. */
  #waitingSinceMs: number | undefined;

  constructor(limits: SocketLimits = SOCKET_LIMITS) {
    this.#limits = limits;
  }

  /** All audio sent, ms: session time. */
  get sentMs(): number {
    return this.#sentMs;
  }

  get sentVoice(): boolean {
    return this.#voiceMs > 0;
  }

  /** Whether this frame may be sent now. */
  admits(frame: { durationMs: number }, bufferedBytes: number): boolean {
    if (bufferedBytes > LIMITS.sttBufferedBytes) return false;
    const unacknowledgedMs = this.#sentMs - this.#acknowledgedMs;
    if (unacknowledgedMs > 0 && unacknowledgedMs + frame.durationMs > this.#limits.unacknowledgedMs) {
      return false;
    }
    const undeliveredMs = this.#sentMs - (this.#deliveredMs ?? this.#sentMs);
    return undeliveredMs === 0 || undeliveredMs + frame.durationMs <= UNDELIVERED_MS;
  }

  sent(frame: { durationMs: number; voiced: boolean }, nowMs: number): void {
    this.#waitingSinceMs = undefined;
    this.#sentMs += frame.durationMs;
    if (!frame.voiced) return;
    this.#voiceMs += frame.durationMs;
    this.#unansweredMs += frame.durationMs;
    this.#lastVoiceAtMs = nowMs;
  }

  /** Whether a ping is due; true once for each, which the caller then sends. */
  takePing(): boolean {
    const unpingedMs = this.#sentMs - this.#pingedMs;
    const isBlocked = this.#waitingSinceMs !== undefined && unpingedMs > 0;
    if (unpingedMs < ASK_EVERY_MS && !isBlocked) return false;
    this.#pingedMs = this.#sentMs;
    return true;
  }

  /** The peer has read this much, ms of session time. */
  delivered(sentMs: number): void {
    this.#deliveredMs = sentMs;
  }

  /** The server has acknowledged this much, ms of session time. */
  acknowledged(processedMs: number): void {
    this.#acknowledgedMs = Math.max(this.#acknowledgedMs, Math.min(processedMs, this.#sentMs));
  }

  /** A frame was not admitted. */
  waits(nowMs: number): void {
    this.#waitingSinceMs ??= nowMs;
  }

  /** A message was understood. */
  received(): void {
    this.#hasReceived = true;
    this.#unansweredMs = 0;
  }

  /** Whether words for the voice sent may still arrive. */
  unanswered(nowMs: number): boolean {
    return nowMs < this.unansweredUntilMs;
  }

  /** Until when they may; -Infinity where all voice is answered. */
  get unansweredUntilMs(): number {
    return this.#unansweredMs > 0 ? this.#lastVoiceAtMs + this.#limits.answerWithinMs : -Infinity;
  }

  /** When `failure` is due; undefined while no frame waits. */
  nextDeadline(): number | undefined {
    return this.#waitingSinceMs === undefined ? undefined : this.#waitingSinceMs + this.#limits.stoppedMs;
  }

  failure(nowMs: number): SttError | undefined {
    const deadlineMs = this.nextDeadline();
    if (deadlineMs === undefined || nowMs < deadlineMs) return undefined;
    return sessionFailed("the server has stopped reading", "stt_stopped");
  }

  /** The server closed the session: undefined for a clean end, as of an idle session. */
  closed({ code, clean }: { code: number; clean: boolean }, nowMs: number): SttError | undefined {
    if (!this.#hasReceived && this.#voiceMs >= MAY_HOLD_NO_WORD_MS) {
      return sessionFailed("the server closed it without a word", "stt_silent");
    }
    if (clean && code === 1000 && !this.unanswered(nowMs)) return undefined;
    const problem = !clean
      ? "the connection was lost"
      : code === 1000
      ? "the server closed it with audio unanswered"
      : `the server closed it with code ${code}`;
    return sessionFailed(problem, "stt_closed");
  }
}
