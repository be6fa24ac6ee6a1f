/**
 * When audio may go to the Kyutai server, and when the server has failed. Sans-IO: its input is what was sent, what came
 * and the time; the shell in `provider.ts` owns the socket and the timer.
 *
 * The server's words do not acknowledge audio, and it says nothing when there is nothing to say: noise, music, laughter
 * and a server that answers sentence by sentence all look like one that has stopped. So silence holds no audio back and
 * fails no session. What does is a connection that takes no bytes: our own socket's buffer fills, or the peer has not
 * read what was sent (it answers a ping when it has), so that a server that stalls leaves at most ten seconds in the
 * buffers of two kernels, and the rest waits where its loss is counted.
 */
import { LIMITS, SttError } from "../../domain/mod.ts";

export const KYUTAI_LIMITS = {
  /** Audio sent that the peer has not read. */
  undeliveredMs: LIMITS.speechMs,
  /** After this much audio the peer is asked whether it has read it, beginning with the first. */
  askEveryMs: 1_000,
  /** Bytes our own socket holds; more means that the kernel takes no more. */
  bufferedBytes: LIMITS.sttBufferedBytes,
  /** Words may still come for this long after the voice: the model is half a second behind, a loaded one 2. */
  answerWithinMs: 4_000,
  /** Less voice than this may hold no word: such a session may end without having spoken. */
  mayHoldNoWordMs: 1_000,
  /** A connection that takes no bytes for this long has failed; a server that stalls for a minute is still there. */
  stoppedMs: 75_000,
  /** Audio unread for this long was not on its way: the server stalls. */
  stalledMs: 2_000,
  /** A cold container. */
  openTimeoutMs: LIMITS.sttOpenTimeoutMs,
  /** Silence that pushes the last word out. */
  flushMs: LIMITS.sttFlushMs,
  /** After the flush: no word for this long means that there are no more. */
  flushQuietMs: 600,
  /** The last words get this long, quiet or not. */
  finishMs: 2_500,
  /** A message is some words; the design's may carry an utterance. */
  messageBytes: 64 * 1024,
} as const;

export interface KyutaiClose {
  code: number;
  clean: boolean;
}

export class KyutaiSessionState {
  /** The server has said anything at all. */
  #hasSpoken = false;
  #sentMs = 0;
  #voiceMs = 0;
  /** Voice sent since the server last said something. */
  #unansweredMs = 0;
  #lastVoiceAtMs = -Infinity;
  /** Audio the peer has read; undefined until it answers a ping for the first time. */
  #deliveredMs: number | undefined;
  #askedMs = -Infinity;
  /** Set while a frame waits at the gate. */
  #waitingSinceMs: number | undefined;

  /** All audio sent, ms: session time. */
  get sentMs(): number {
    return this.#sentMs;
  }

  /** Whether any voice was sent: if not, there are no words to wait for. */
  get sentVoice(): boolean {
    return this.#voiceMs > 0;
  }

  /** Whether this frame may go now. */
  admits(frame: { durationMs: number }, bufferedBytes: number): boolean {
    if (bufferedBytes > KYUTAI_LIMITS.bufferedBytes) return false;
    const undeliveredMs = this.#sentMs - (this.#deliveredMs ?? this.#sentMs);
    return undeliveredMs === 0 || undeliveredMs + frame.durationMs <= KYUTAI_LIMITS.undeliveredMs;
  }

  sent(frame: { durationMs: number; voiced: boolean }, nowMs: number): void {
    this.#waitingSinceMs = undefined;
    this.#sentMs += frame.durationMs;
    if (!frame.voiced) return;
    this.#voiceMs += frame.durationMs;
    this.#unansweredMs += frame.durationMs;
    this.#lastVoiceAtMs = nowMs;
  }

  /** Whether it is time to ask the peer what it has read. True once for each question: the caller asks. */
  asks(): boolean {
    const unaskedMs = this.#sentMs - this.#askedMs;
    const isWaitingForIt = this.#waitingSinceMs !== undefined && unaskedMs > 0;
    if (unaskedMs < KYUTAI_LIMITS.askEveryMs && !isWaitingForIt) return false;
    this.#askedMs = this.#sentMs;
    return true;
  }

  /** The peer has read this much, ms of session time. */
  delivered(sentMs: number): void {
    this.#deliveredMs = sentMs;
  }

  /** A frame was not admitted and waits. */
  waits(nowMs: number): void {
    this.#waitingSinceMs ??= nowMs;
  }

  /** The server said something that was understood. */
  spoke(): void {
    this.#hasSpoken = true;
    this.#unansweredMs = 0;
  }

  /** Whether voice was sent that words may still come for. */
  unanswered(nowMs: number): boolean {
    return this.#unansweredMs > 0 && nowMs < this.#lastVoiceAtMs + KYUTAI_LIMITS.answerWithinMs;
  }

  /** When the session has failed if nothing changes; undefined while nothing waits. */
  nextDeadline(): number | undefined {
    return this.#waitingSinceMs === undefined ? undefined : this.#waitingSinceMs + KYUTAI_LIMITS.stoppedMs;
  }

  /** The session's failure: its connection takes nothing any more. */
  failure(nowMs: number): SttError | undefined {
    const deadlineMs = this.nextDeadline();
    if (deadlineMs === undefined || nowMs < deadlineMs) return undefined;
    return new SttError("Cannot go on with STT session: the server has stopped reading", {
      code: "stt_stopped",
      retryable: true,
    });
  }

  /** The server closed: undefined for a clean end (idle, or ours), else what went wrong. */
  closed({ code, clean }: KyutaiClose, nowMs: number): SttError | undefined {
    if (!this.#hasSpoken && this.#voiceMs >= KYUTAI_LIMITS.mayHoldNoWordMs) {
      return new SttError("Cannot go on with STT session: the server closed it without a word", {
        code: "stt_silent",
        retryable: true,
      });
    }
    if (clean && code === 1000 && !this.unanswered(nowMs)) return undefined;
    const cause = !clean
      ? "the connection was lost"
      : code === 1000
      ? "the server closed it with audio unanswered"
      : `the server closed it with code ${code}`;
    return new SttError(`Cannot go on with STT session: ${cause}`, { code: "stt_closed", retryable: true });
  }
}
