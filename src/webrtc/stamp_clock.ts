/**
 * How long datagrams have waited, from the kernel's timestamps. Those are wall-clock time, which may be set at any time,
 * while arrival times have to be monotonic. So both clocks are read again in each iteration of the event loop, and no
 * wait is longer than the time since the socket was last empty: a step of the wall clock causes an error of at most that,
 * usually 20 ms, for one iteration.
 */
export class StampClock {
  /** Wall-clock time at monotonic 0, as of this iteration. */
  #epochMs: number | undefined;

  /** `readWallMs`: ms since 1970. `now`: monotonic ms. */
  constructor(
    private readonly readWallMs: () => number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Begins an iteration of the event loop. Returns its time, monotonic ms. */
  tick(): number {
    this.#epochMs = undefined;
    return this.now();
  }

  /** `stampMs`: wall clock. `emptyMs`: when the socket was last empty, monotonic. */
  waitedMs(stampMs: number, emptyMs: number): number {
    const nowMs = this.now();
    this.#epochMs ??= this.readWallMs() - nowMs;
    return Math.min(Math.max(0, this.#epochMs + nowMs - stampMs), Math.max(0, nowMs - emptyMs));
  }
}
