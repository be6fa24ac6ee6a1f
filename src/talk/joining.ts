/**
 * The line in which speakers wait to be subscribed to: setting up a connection costs as much CPU as some
 * seconds of listening, so a crowd that joins at once would starve those who talk, and itself. Only LIMITS.joinsAtOnce are under
 * way, whatever rooms they are in; the others wait, first come, first served. Who is over with it, or takes too long,
 * makes room for the next. Asks nobody for anything itself.
 *
 *     idle --wait--> waiting --turn--> under way --done, or too long--> idle
 */
import { type Clock, LIMITS } from "../domain/mod.ts";

/** One speaker's place: in the line once, or not at all. */
export interface JoinTurn {
  readonly isWaiting: boolean;
  /** To the end of the line, unless it waits already. Its turn may come at once, within this call. */
  wait(): void;
  /** The SFU sent its offer: from here on it costs something, and gets the time that takes. */
  offered(): void;
  /** It has come to its end, good or bad, or waits no more. */
  done(): void;
}

interface Place {
  readonly onTurn: () => void;
}

export class Joining {
  /** In the order they came. Bounded by the speakers of all rooms: each has one place. */
  readonly #waiting = new Set<Place>();
  /** With the timer that ends each. */
  readonly #underWay = new Map<Place, Disposable>();

  constructor(private readonly clock: Clock) {}

  get waiting(): number {
    return this.#waiting.size;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** A place of one's own, not in the line yet. `onTurn` must not throw: others' turns come behind it. */
  turn(onTurn: () => void): JoinTurn {
    const place: Place = { onTurn };
    const isWaiting = () => this.#waiting.has(place);
    return {
      get isWaiting() {
        return isWaiting();
      },
      wait: () => {
        this.#end(place);
        this.#waiting.add(place);
        this.#callNext();
      },
      offered: () => {
        if (this.#underWay.has(place)) this.#allow(place, LIMITS.joinConnectMs);
      },
      done: () => {
        this.#waiting.delete(place);
        this.#end(place);
      },
    };
  }

  #callNext(): void {
    for (const place of this.#waiting) {
      if (this.#underWay.size >= LIMITS.joinsAtOnce) return;
      this.#waiting.delete(place);
      this.#allow(place, LIMITS.joinOfferMs);
      place.onTurn();
    }
  }

  #allow(place: Place, timeMs: number): void {
    this.#underWay.get(place)?.[Symbol.dispose]();
    this.#underWay.set(place, this.clock.timer(timeMs, () => this.#end(place)));
  }

  #end(place: Place): void {
    const timer = this.#underWay.get(place);
    if (!timer) return;
    timer[Symbol.dispose]();
    this.#underWay.delete(place);
    // Not now: those who leave together all leave before one of them would be called.
    queueMicrotask(() => this.#callNext());
  }
}
