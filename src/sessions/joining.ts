/**
 * The line in which speakers wait to be subscribed to: setting up a connection costs as much CPU as some
 * seconds of listening, so a crowd that joins at once would starve those who talk, and itself. Only LIMITS.joinsAtOnce are under
 * way, whatever rooms they are in; the others wait. Who is over with it, or takes too long, makes room for the next.
 * Asks nobody for anything itself.
 *
 *     idle --wait--> waiting --turn--> under way --connected, done, or too long--> idle
 *
 * Whose turn comes: who was never asked for, then who was received before, then who was asked for in vain; each of them
 * now and then, however many the others are. Among those the rooms by turns (`join_line.ts`).
 */
import { type Clock, LIMITS } from "../domain/mod.ts";
import { JoinLine } from "./join_line.ts";
import { SilentPlaces } from "./silent_places.ts";

/** Why somebody waits for a turn, in the order in which they are called. */
const JOIN_REASONS = [
  /** Was never asked for. */
  "first",
  /** Was received since the last turn. */
  "lost",
  /** The last turn brought no audio. */
  "in_vain",
] as const;
export type JoinReason = (typeof JOIN_REASONS)[number];

/** So often in a row those behind are passed over. */
const PASSED_OVER_MAX = 3;

/** One speaker's place: in the line once, or not at all. */
export interface JoinTurn {
  readonly isWaiting: boolean;
  /** To the line, unless it waits for as good a reason already. Its turn may come at once, within this call. */
  wait(reason: JoinReason): void;
  /** The SFU sent its offer: from here on it costs something, and gets the time that takes. */
  offered(): void;
  /** The connection stands: whether audio comes over it costs nobody else anything. */
  connected(): void;
  /** It has come to its end, good or bad, or waits no more. */
  done(): void;
}

interface Place {
  readonly room: object;
  readonly onTurn: () => void;
}

interface Line {
  readonly reason: JoinReason;
  readonly places: JoinLine<Place>;
  /** Turns of those before it since its last, while somebody waited. */
  passedOver: number;
}

export class Joining {
  /** Of those who wait to be asked for again. */
  readonly silent = new SilentPlaces();
  /** Bounded by the speakers of all rooms: each has one place. */
  readonly #lines: readonly Line[] = JOIN_REASONS.map((reason) => ({
    reason,
    places: new JoinLine(),
    passedOver: 0,
  }));
  /** Who waits, and in which line. */
  readonly #waiting = new Map<Place, Line>();
  /** With the timer that ends each. */
  readonly #underWay = new Map<Place, Disposable>();

  constructor(private readonly clock: Clock) {}

  get waiting(): number {
    return this.#waiting.size;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /**
   * A place of one's own, not in the line yet. `room` is the same for all who are in one. `onTurn` must not throw:
   * others' turns come behind it.
   */
  turn(room: object, onTurn: () => void): JoinTurn {
    const place: Place = { room, onTurn };
    const isWaiting = () => this.#waiting.has(place);
    return {
      get isWaiting() {
        return isWaiting();
      },
      wait: (reason) => {
        this.#end(place);
        this.#enter(place, reason);
        this.#callNext();
      },
      offered: () => {
        if (this.#underWay.has(place)) this.#allow(place, LIMITS.joinConnectMs);
      },
      connected: () => this.#end(place),
      done: () => {
        this.#leave(place);
        this.#end(place);
      },
    };
  }

  #enter(place: Place, reason: JoinReason): void {
    for (const line of this.#lines) {
      if (line === this.#waiting.get(place)) return; // as good a reason, or a better one
      if (line.reason !== reason) continue;
      this.#leave(place);
      line.places.add(place.room, place);
      this.#waiting.set(place, line);
      return;
    }
  }

  #leave(place: Place): void {
    this.#waiting.get(place)?.places.delete(place.room, place);
    this.#waiting.delete(place);
  }

  #callNext(): void {
    while (this.#underWay.size < LIMITS.joinsAtOnce) {
      const line = this.#nextLine();
      const place = line?.places.take();
      if (!line || !place) return;
      this.#waiting.delete(place);
      this.#allow(place, line.reason === "in_vain" ? LIMITS.joinOfferAgainMs : LIMITS.joinOfferMs);
      place.onTurn();
    }
  }

  #nextLine(): Line | undefined {
    const lines = this.#lines.filter(({ places }) => places.size > 0);
    const next = lines.findLast(({ passedOver }) => passedOver >= PASSED_OVER_MAX) ?? lines[0];
    if (!next) return undefined;
    for (const line of lines.slice(lines.indexOf(next) + 1)) line.passedOver++;
    next.passedOver = 0;
    return next;
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
