/**
 * Limits what a recogniser may send for one speaker: events, characters and utterances per second, far past anybody's
 * speech, with a burst for the end of a stall. A session that exceeds them is replaced; they hold across sessions. Pure:
 * time is an argument.
 */
import { Budget, LIMITS, SttError, type SttEvent } from "../domain/mod.ts";

export class RecogniserBudget {
  readonly #events = new Budget(LIMITS.sttEventsPerS, LIMITS.sttEventsAtOnce);
  readonly #chars = new Budget(LIMITS.sttCharsPerS, LIMITS.sttCharsAtOnce);
  readonly #finals = new Budget(LIMITS.sttFinalsPerS, LIMITS.sttFinalsAtOnce);

  /** Throws SttError for an event past the limits, which is then ignored. */
  event(event: SttEvent, nowMs: number): void {
    const chars = "text" in event ? event.text.length : 0;
    const isTaken = chars <= LIMITS.sttTextChars && this.#events.isLeft(nowMs) && this.#chars.isLeft(nowMs);
    if (!isTaken || !this.#finals.isLeft(nowMs)) {
      const message = "Cannot continue STT session: the server sends more than anybody speaks";
      throw new SttError(message, { code: "stt_flood", retryable: true });
    }
    this.#events.take(1);
    this.#chars.take(chars);
  }

  /** Its events ended this many utterances. */
  ended(utterances: number): void {
    this.#finals.take(utterances);
  }
}
