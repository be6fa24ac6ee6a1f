/**
 * When to give up connecting, so that another offer is requested: soon without progress, later with it, however far away
 * the peer is. Pure but for its timer.
 *
 *     waiting --a relay, a pair, a handshake message--> waiting a step longer --connected--> over
 *             '-- a step without any of them --> given up
 */
import type { Clock } from "../domain/mod.ts";

export interface ConnectDeadlineOptions {
  clock: Clock;
  /** Whether a TURN allocation is pending, so that the missing relay may still come. */
  isAllocating: () => boolean;
  onLate: () => void;
}

/** For the first progress: on one continent connecting takes half a second in all. */
const FIRST_STEP_MS = 3_000;
/** For a step besides its round trips: a machine that is busy while a crowd joins. */
const STEP_MS = 2_000;
/** A DTLS flight and its response, lost once and retransmitted. */
const ROUND_TRIPS = 4;
/** Interval of polling `isAllocating`; allocations end within their own limit. */
const POLL_MS = 500;
/** Limit of connecting, with any progress. */
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

  /** Extends the deadline by a step. `roundTripMs` is to the peer, once known. */
  progressed(roundTripMs: number | undefined): void {
    if (!this.#timer) return;
    this.#wait(roundTripMs === undefined ? FIRST_STEP_MS : STEP_MS + ROUND_TRIPS * roundTripMs);
  }

  /** Call when connected or closed. */
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #wait(ms: number): void {
    const { clock, isAllocating, onLate } = this.#options;
    this.#timer?.[Symbol.dispose]();
    this.#timer = clock.timer(Math.max(0, Math.min(ms, this.#endMs - clock.now())), () => {
      if (isAllocating() && clock.now() < this.#endMs) return this.#wait(POLL_MS);
      this.#timer = undefined;
      onLate();
    });
  }
}
