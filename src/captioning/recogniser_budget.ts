/**
 * How much a recogniser may say for one speaker, whatever sends it: so many events, characters and utterances a second,
 * far past what anybody speaks, with enough at once for what is caught up with after a stall. A session that says more is
 * replaced; the bounds hold across sessions, so that one after the other brings no more. Pure: time is an argument.
 */
import { Budget, LIMITS, SttError, type SttEvent } from "../domain/mod.ts";

export class RecogniserBudget {
  readonly #events = new Budget(LIMITS.sttEventsPerS, LIMITS.sttEventsAtOnce);
  readonly #chars = new Budget(LIMITS.sttCharsPerS, LIMITS.sttCharsAtOnce);
  readonly #finals = new Budget(LIMITS.sttFinalsPerS, LIMITS.sttFinalsAtOnce);

  /** It says this. Throws SttError when it has said too much: then nothing is to be made of the event. */
  event(event: SttEvent, nowMs: number): void {
    const chars = "text" in event ? event.text.length : 0;
    const isTaken = chars <= LIMITS.sttTextChars && this.#events.isLeft(nowMs) && this.#chars.isLeft(nowMs);
    if (!isTaken || !this.#finals.isLeft(nowMs)) throw flood();
    this.#events.take(1);
    this.#chars.take(chars);
  }

  /** What it said ended so many utterances. */
  ended(utterances: number): void {
    this.#finals.take(utterances);
  }
}

function flood(): SttError {
  return new SttError("Cannot go on with STT session: the server says more than anybody speaks", {
    code: "stt_flood",
    retryable: true,
  });
}
