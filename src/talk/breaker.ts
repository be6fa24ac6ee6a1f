/**
 * Whether joining a call is known to be hopeless just now. Shared by all rooms: when the last attempts to connect
 * failed, whoever made them, new joins are refused at once instead of each finding out for itself. After a while one
 * may try again.
 */
import type { Clock } from "../domain/mod.ts";
import type { AttemptOutcome } from "./signaling/mod.ts";

/** One failure may be a hiccup. */
const FAILURES_TO_OPEN = 2;
/** Within this a HPB restart is over; a caller who was refused and asks again then is let through. */
const FAILED_COOL_DOWN_MS = 10_000;
/**
 * A refused secret stays refused until somebody changes it, and the HPB shuts an address out for half an hour after
 * ten refusals in half an hour, then even with the right secret. One attempt in five minutes stays below that.
 */
const REFUSED_COOL_DOWN_MS = 5 * 60_000;

export class Breaker {
  #failures = 0;
  #openUntilMs = -Infinity;

  constructor(private readonly clock: Clock) {}

  record(outcome: AttemptOutcome): void {
    const nowMs = this.clock.now();
    switch (outcome) {
      case "accepted":
        this.#failures = 0;
        this.#openUntilMs = -Infinity;
        return;
      case "failed":
        if (++this.#failures < FAILURES_TO_OPEN) return;
        this.#openUntilMs = Math.max(this.#openUntilMs, nowMs + FAILED_COOL_DOWN_MS);
        return;
      case "refused":
        this.#openUntilMs = nowMs + REFUSED_COOL_DOWN_MS;
    }
  }

  get isOpen(): boolean {
    return this.clock.now() < this.#openUntilMs;
  }
}
