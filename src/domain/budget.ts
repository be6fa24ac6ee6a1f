/** So many a second and no more (a token bucket): what somebody may cost. Time is an argument, monotonic ms. */
export class Budget {
  #left: number;
  #lastMs = -Infinity;

  /** `atOnce`: as many may come at once; default a second's. */
  constructor(private readonly perSecond: number, private readonly atOnce = perSecond) {
    this.#left = atOnce;
  }

  /** Takes one where there is one. */
  spend(nowMs: number): boolean {
    if (!this.isLeft(nowMs)) return false;
    this.#left--;
    return true;
  }

  /** Whether there is one. */
  isLeft(nowMs: number): boolean {
    if (nowMs > this.#lastMs) {
      const gained = (nowMs - this.#lastMs) / 1_000 * this.perSecond;
      this.#left = Math.min(this.atOnce, this.#left + gained);
      this.#lastMs = nowMs;
    }
    return this.#left >= 1;
  }

  /** Takes as many, whether there are so many or not: those there are not are made up for with time. */
  take(amount: number): void {
    this.#left -= amount;
  }
}
