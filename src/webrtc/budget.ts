/** So many a second and no more (a token bucket): what a stranger may cost. Time is an argument. */
export class Budget {
  #left: number;
  #lastMs = -Infinity;

  /** As many as come in a second may come at once. */
  constructor(private readonly perSecond: number) {
    this.#left = perSecond;
  }

  /** Whether one more may be had at a time, monotonic ms. */
  spend(nowMs: number): boolean {
    const gained = Math.max(0, nowMs - this.#lastMs) / 1_000 * this.perSecond;
    this.#left = Math.min(this.perSecond, this.#left + gained);
    this.#lastMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
