/** A token bucket: a rate limit. Time is an argument, monotonic ms. */
export class Budget {
  #left: number;
  #lastMs = -Infinity;

  /** `atOnce`: the size of a burst; default one second's. */
  constructor(private readonly perSecond: number, private readonly atOnce = perSecond) {
    this.#left = atOnce;
  }

  /** Takes a token if there is one. */
  spend(nowMs: number): boolean {
    if (!this.isLeft(nowMs)) return false;
    this.#left--;
    return true;
  }

  /** Whether there is a token. */
  isLeft(nowMs: number): boolean {
    if (nowMs > this.#lastMs) {
      const gained = (nowMs - this.#lastMs) / 1_000 * this.perSecond;
      this.#left = Math.min(this.atOnce, this.#left + gained);
      this.#lastMs = nowMs;
    }
    return this.#left >= 1;
  }

  /** Takes as many, even below zero, which time makes up for. */
  take(amount: number): void {
    this.#left -= amount;
  }
}
