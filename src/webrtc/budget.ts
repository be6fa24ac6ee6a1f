/** So many a second and no more (a token bucket): what a stranger may cost. Time is an argument. */
export class Budget {
  #left: number;
  #lastMs = -Infinity;

  /** `atOnce`: as many may come at once; default a second's. */
  constructor(private readonly perSecond: number, private readonly atOnce = perSecond) {
    this.#left = atOnce;
  }

  /** Whether one more may be had at a time, monotonic ms. */
  spend(nowMs: number): boolean {
    if (nowMs > this.#lastMs) {
      const gained = (nowMs - this.#lastMs) / 1_000 * this.perSecond;
      this.#left = Math.min(this.atOnce, this.#left + gained);
      this.#lastMs = nowMs;
    }
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
