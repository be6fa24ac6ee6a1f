/**
 * Speakers who have a place of the host and were asked for in vain, by no fault of it: whoever publishes and sends
 * nothing would otherwise take places from who speaks. They keep theirs while there are others, since what they may
 * send arrives at once; where there are none, the one that has been silent longest gives it up, and asks for another
 * after a while, so that in the end each of them has had one. Pure.
 */
export class SilentPlaces {
  /** What gives each up, the oldest first. Bounded by the host's places. */
  readonly #releases = new Set<() => void>();

  get size(): number {
    return this.#releases.size;
  }

  add(release: () => void): void {
    this.#releases.add(release);
  }

  delete(release: () => void): void {
    this.#releases.delete(release);
  }

  /** Frees a place, soon, where there is one of these. */
  makeWay(): void {
    for (const release of this.#releases) {
      this.#releases.delete(release);
      return release();
    }
  }
}
