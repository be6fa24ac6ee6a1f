/**
 * Flow control towards the Kyutai server, and its failure. Sans-IO; the shell in `speech_to_text.ts` owns the socket and
 * the timer.
 *
 * The server's words do not acknowledge audio, and without words it sends nothing: noise, music and a server that answers
 * sentence by sentence look like a stalled one. So a server that sends nothing neither blocks audio nor fails. A connection
 * that takes no bytes does: our socket's buffer fills, or the peer has not read what was sent (it answers a ping when it
 * has). A stalled server thus leaves at most ten seconds in the buffers of two kernels; the rest waits in the speech
 * buffer, where its loss is counted.
 */
import { LIMITS, type SttError } from "../../domain/mod.ts";
import { sessionFailed } from "../errors.ts";

export const KYUTAI_LIMITS = {
  /** Audio sent that the peer has not read. */
  undeliveredMs: LIMITS.speechMs,
  /** Audio between two pings. */
  askEveryMs: 1_000,
  /** In our own socket; more means that the kernel takes no more. */
  bufferedBytes: LIMITS.sttBufferedBytes,
  /** Words may still come for this long after the voice: the model is half a second behind, a loaded one 2. */
  answerWithinMs: 4_000,
  /** Less voice than this may contain no word, so a session may end without one. */
  mayHoldNoWordMs: 1_000,
  /** A connection that takes no bytes for this long has failed; a server may stall for a minute. */
  stoppedMs: 75_000,
  /** The server stalls once audio is unread for longer than any network takes. */
  stalledMs: 2_000,
  /** A cold container. */
  openTimeoutMs: LIMITS.sttOpenTimeoutMs,
  /** Trailing silence that flushes the last word. */
  flushMs: LIMITS.sttFlushMs,
  /** After the flush: no word for this long means the last one has arrived. */
  flushQuietMs: 600,
  /** Longest wait for the last words. */
  finishMs: 2_500,
  /** A message is some words, or an utterance. */
  messageBytes: 64 * 1024,
} as const;

export class KyutaiSessionState {
  /** Whether a message was understood. */
  #hasReceived = false;
  #sentMs = 0;
  #voiceMs = 0;
  /** Voice sent since the last message. */
  #unansweredMs = 0;
  #lastVoiceAtMs = -Infinity;
  /** Audio the peer has read; undefined before its first pong. */
  #deliveredMs: number | undefined;
  #pingedMs = -Infinity;
  /** Set while a frame waits. */
  #waitingSinceMs: number | undefined;

  /** All audio sent, ms: session time. */
  get sentMs(): number {
    return this.#sentMs;
  }

  get sentVoice(): boolean {
    return this.#voiceMs > 0;
  }

  /** Whether this frame may be sent now. */
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

  /** Whether a ping is due; true once for each, which the caller then sends. */
  takePing(): boolean {
    const unpingedMs = this.#sentMs - this.#pingedMs;
    const isBlocked = this.#waitingSinceMs !== undefined && unpingedMs > 0;
    if (unpingedMs < KYUTAI_LIMITS.askEveryMs && !isBlocked) return false;
    this.#pingedMs = this.#sentMs;
    return true;
  }

  /** The peer has read this much, ms of session time. */
  delivered(sentMs: number): void {
    this.#deliveredMs = sentMs;
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
    return this.#unansweredMs > 0 && nowMs < this.#lastVoiceAtMs + KYUTAI_LIMITS.answerWithinMs;
  }

  /** When `failure` is due; undefined while no frame waits. */
  nextDeadline(): number | undefined {
    return this.#waitingSinceMs === undefined ? undefined : this.#waitingSinceMs + KYUTAI_LIMITS.stoppedMs;
  }

  failure(nowMs: number): SttError | undefined {
    const deadlineMs = this.nextDeadline();
    if (deadlineMs === undefined || nowMs < deadlineMs) return undefined;
    return sessionFailed("the server has stopped reading", "stt_stopped");
  }

  /** The server closed the session: undefined for a clean end, as of an idle session. */
  closed({ code, clean }: { code: number; clean: boolean }, nowMs: number): SttError | undefined {
    if (!this.#hasReceived && this.#voiceMs >= KYUTAI_LIMITS.mayHoldNoWordMs) {
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
