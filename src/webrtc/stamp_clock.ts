/**
 * How long datagrams have waited, by the kernel's time stamps. Those are of the wall clock, the only one the kernel
 * stamps datagrams with; it may be set at any time, while a time of arrival has to be monotonic. So both clocks are
 * read again in each turn, and no datagram is believed to have waited longer than nobody looked for it: a step of the
 * wall clock is wrong by that, 20 ms usually, and in one turn.
 */
export class StampClock {
  readonly #readWallMs: () => number;
  readonly #now: () => number;
  /** The wall clock when the monotonic one began, as of this turn. */
  #epochMs: number | undefined;

  /** `readWallMs`: ms since 1970. `now`: monotonic ms. */
  constructor(readWallMs: () => number, now: () => number = () => performance.now()) {
    this.#readWallMs = readWallMs;
    this.#now = now;
  }

  /** A turn of the event loop begins. Returns its time, monotonic ms. */
  turn(): number {
    this.#epochMs = undefined;
    return this.#now();
  }

  /** For a datagram stamped at a time of the wall clock, of a socket that was empty at a monotonic one; ms. */
  waitedMs(stampMs: number, emptyMs: number): number {
    const nowMs = this.#now();
    this.#epochMs ??= this.#readWallMs() - nowMs;
    return Math.min(Math.max(0, this.#epochMs + nowMs - stampMs), Math.max(0, nowMs - emptyMs));
  }
}
