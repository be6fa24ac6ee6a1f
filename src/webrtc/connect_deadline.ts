/**
 * When a connection that is being made is given up, and another offer asked for: soon where nothing goes on, and not
 * while something does, however far away the other end is. Pure but for its timer.
 *
 *     waiting --a relay, a pair, a handshake message--> waiting a step longer --connected--> over
 *             '-- a step without any of them --> given up
 */
import type { Clock } from "../domain/mod.ts";

export interface ConnectDeadlineOptions {
  clock: Clock;
  /** Whether a relay is still being asked for, and could be what is missing. */
  isAsking: () => boolean;
  onLate: () => void;
}

/** To the first sign of the other end: on one continent everything is over in half a second. */
const FIRST_STEP_MS = 3_000;
/** A step beside its round trips: a machine that is busy with a crowd that joins. */
const STEP_MS = 2_000;
/** A flight of DTLS there and back, lost once and repeated. */
const ROUND_TRIPS = 4;
/** Time between two looks whether relays are still being asked for; that ends by itself. */
const LOOK_MS = 500;
/** Whoever is not connected by then will not be, whatever goes on. */
const TOTAL_MS = 15_000;

export class ConnectDeadline implements Disposable {
  readonly #options: ConnectDeadlineOptions;
  readonly #endMs: number;
  #timer: Disposable | undefined;

  constructor(options: ConnectDeadlineOptions) {
    this.#options = options;
    this.#endMs = options.clock.now() + TOTAL_MS;
    this.#wait(FIRST_STEP_MS);
  }

  /** It came a step further. `roundTripMs`: to the other end, once it is known. */
  progressed(roundTripMs: number | undefined): void {
    if (!this.#timer) return;
    this.#wait(roundTripMs === undefined ? FIRST_STEP_MS : STEP_MS + ROUND_TRIPS * roundTripMs);
  }

  /** It is connected, or nobody waits for it. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #wait(ms: number): void {
    const { clock, isAsking, onLate } = this.#options;
    this.#timer?.[Symbol.dispose]();
    this.#timer = clock.timer(Math.max(0, Math.min(ms, this.#endMs - clock.now())), () => {
      if (isAsking() && clock.now() < this.#endMs) return this.#wait(LOOK_MS);
      this.#timer = undefined;
      onLate();
    });
  }
}
