/**
 * How much a recogniser may say for one speaker, whatever sends it: so many events, characters and utterances a second,
 * far past what anybody speaks, with enough at once for what is caught up with after a stall. A session that says more is
 * replaced; the bounds hold across sessions, so that one after the other brings no more. Pure: time is an argument.
 */
import { LIMITS, SttError, type SttEvent } from "../domain/mod.ts";

export class RecogniserBudget {
  readonly #events = new Allowance(LIMITS.sttEventsPerS, LIMITS.sttEventsAtOnce);
  readonly #chars = new Allowance(LIMITS.sttCharsPerS, LIMITS.sttCharsAtOnce);
  readonly #finals = new Allowance(LIMITS.sttFinalsPerS, LIMITS.sttFinalsAtOnce);

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

/** Fills up with time; what is taken at once may go below nothing, and is made up for. */
class Allowance {
  #left: number;
  #atMs = -Infinity;

  constructor(private readonly perS: number, private readonly atOnce: number) {
    this.#left = atOnce;
  }

  isLeft(nowMs: number): boolean {
    const passedS = Math.max(0, nowMs - this.#atMs) / 1_000;
    this.#left = Math.min(this.atOnce, this.#left + passedS * this.perS);
    this.#atMs = nowMs;
    return this.#left > 0;
  }

  take(amount: number): void {
    this.#left -= amount;
  }
}

function flood(): SttError {
  return new SttError("Cannot go on with STT session: the server says more than anybody speaks", {
    code: "stt_flood",
    retryable: true,
  });
}
