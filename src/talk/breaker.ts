/**
 * Whether the HPB is known to be out of reach. Shared by all rooms: when the last attempts to connect failed, whoever
 * made them, new joins are refused at once instead of each finding out for itself. After a while one may try again.
 */
import type { Clock } from "../domain/mod.ts";

/** One failure may be a hiccup. */
const FAILURES_TO_OPEN = 2;
/** Within this a HPB restart is over; a caller who was refused and asks again then is let through. */
const COOL_DOWN_MS = 10_000;

export class Breaker {
  #failures = 0;
  #failedAtMs = -Infinity;

  constructor(private readonly clock: Clock) {}

  /** The outcome of an attempt to connect. */
  record(ok: boolean): void {
    if (ok) {
      this.#failures = 0;
    } else {
      this.#failures++;
      this.#failedAtMs = this.clock.now();
    }
  }

  /** True while the last attempts failed, the latest of them a short while ago. */
  get isOpen(): boolean {
    return this.#failures >= FAILURES_TO_OPEN && this.clock.now() - this.#failedAtMs < COOL_DOWN_MS;
  }
}
