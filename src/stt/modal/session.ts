/**
 * When audio may go to the Kyutai server, and when the server has failed. Sans-IO: it is told what was sent, what was
 * answered and what time it is; the shell in `provider.ts` owns the socket and the timer.
 *
 * The gate: at most two seconds of voice are on their way without an answer, so that a server that falls behind costs
 * audio at the RTP inbox, where loss is counted, and not megabytes in TCP buffers. Any message answers for everything
 * sent before it. But the server says nothing when there is nothing to say, and laughter or music would close the gate
 * for good: so a window of two seconds that nobody answered is given up four seconds after it began.
 *
 * Failure is judged by how long voice has been offered since the last answer: sent, or kept waiting at the gate.
 */
import { LIMITS, SttError } from "../../domain/mod.ts";

export const MODAL_LIMITS = {
  /** Voice sent and not yet answered for. */
  inFlightMs: LIMITS.sttInFlightMs,
  /** Bytes our own socket holds; more means that the kernel takes no more. */
  bufferedBytes: LIMITS.sttBufferedBytes,
  /** From the first voice of a window to giving up on its answer: the model is half a second behind, a loaded one 2. */
  answerWithinMs: 4_000,
  /** A session that never said anything is failed after this much voice: the server swallows "no free channels". */
  neverSpokeMs: 8_000,
  /** Less voice than this may hold no word: such a session may end without having spoken. */
  mayHoldNoWordMs: 1_000,
  /**
   * A session that has spoken is failed after this much voice without an answer. Two seconds go in every four, so at
   * most 38 s of it are really sent; a server that stalls for a minute is still there when it comes back.
   */
  stoppedMs: 75_000,
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

export interface ModalClose {
  code: number;
  clean: boolean;
}

export class ModalSessionState {
  /** The server has sent anything at all. */
  #hasSpoken = false;
  /** Voice of the current window, unanswered. */
  #inFlightMs = 0;
  #windowStartMs = 0;
  /**
   * Time in which voice was sent or kept waiting since the last answer. Time and not audio: what catches up in a burst
   * after a wait was counted while it waited.
   */
  #offeredMs = 0;
  #lastOfferMs = -Infinity;
  /** Set while a frame waits at the gate. */
  #waitingSinceMs: number | undefined;
  #sentMs = 0;
  #voiceMs = 0;

  /** All audio sent, ms: session time. */
  get sentMs(): number {
    return this.#sentMs;
  }

  /** Whether any voice was sent: if not, there are no words to wait for. */
  get sentVoice(): boolean {
    return this.#voiceMs > 0;
  }

  /** Whether this frame may go now. */
  admits(frame: { durationMs: number; voiced: boolean }, bufferedBytes: number, nowMs: number): boolean {
    if (bufferedBytes > MODAL_LIMITS.bufferedBytes) return false;
    if (!frame.voiced || !this.unanswered(nowMs)) return true;
    return this.#inFlightMs + frame.durationMs <= MODAL_LIMITS.inFlightMs;
  }

  sent(frame: { durationMs: number; voiced: boolean }, nowMs: number): void {
    this.#stopWaiting(nowMs);
    this.#sentMs += frame.durationMs;
    if (!frame.voiced) return;
    if (!this.unanswered(nowMs)) {
      this.#windowStartMs = nowMs;
      this.#inFlightMs = 0;
    }
    this.#voiceMs += frame.durationMs;
    this.#inFlightMs += frame.durationMs;
    this.#offeredMs += Math.min(frame.durationMs, nowMs - this.#lastOfferMs);
    this.#lastOfferMs = nowMs;
  }

  /** A frame was not admitted and waits. */
  waits(nowMs: number): void {
    this.#waitingSinceMs ??= nowMs;
  }

  /** Any message came. */
  answered(nowMs: number): void {
    this.#hasSpoken = true;
    this.#inFlightMs = this.#offeredMs = 0;
    if (this.#waitingSinceMs !== undefined) this.#waitingSinceMs = nowMs;
  }

  /** Whether voice is on its way that an answer may still come for. */
  unanswered(nowMs: number): boolean {
    return this.#inFlightMs > 0 && nowMs < this.#windowStartMs + MODAL_LIMITS.answerWithinMs;
  }

  /** When a waiting frame may go or the session has failed, whichever is first; undefined while nothing waits. */
  nextDeadline(nowMs: number): number | undefined {
    if (this.#waitingSinceMs === undefined) return undefined;
    const failsAtMs = this.#waitingSinceMs + this.#patienceMs - this.#offeredMs;
    if (!this.unanswered(nowMs)) return failsAtMs; // only the socket's buffer keeps it waiting
    return Math.min(failsAtMs, this.#windowStartMs + MODAL_LIMITS.answerWithinMs);
  }

  /** The session's failure, once enough voice has gone without an answer. */
  failure(nowMs: number): SttError | undefined {
    const waitedMs = this.#waitingSinceMs === undefined ? 0 : nowMs - this.#waitingSinceMs;
    if (this.#offeredMs + waitedMs < this.#patienceMs) return undefined;
    return this.#hasSpoken
      ? new SttError("Cannot go on with STT session: the server stopped answering", {
        code: "stt_stopped",
        retryable: true,
      })
      : new SttError("Cannot go on with STT session: the server never said anything", {
        code: "stt_silent",
        retryable: true,
      });
  }

  /** The server closed: undefined for a clean end (idle, or ours), else what went wrong. */
  closed({ code, clean }: ModalClose, nowMs: number): SttError | undefined {
    if (!this.#hasSpoken && this.#voiceMs >= MODAL_LIMITS.mayHoldNoWordMs) {
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

  get #patienceMs(): number {
    return this.#hasSpoken ? MODAL_LIMITS.stoppedMs : MODAL_LIMITS.neverSpokeMs;
  }

  #stopWaiting(nowMs: number): void {
    if (this.#waitingSinceMs === undefined) return;
    this.#offeredMs += nowMs - this.#waitingSinceMs;
    this.#lastOfferMs = nowMs;
    this.#waitingSinceMs = undefined;
  }
}
