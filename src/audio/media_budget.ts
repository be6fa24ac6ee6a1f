/**
 * How much media time there may be. A sender chooses sequence numbers, timestamps and durations, but not when a packet
 * arrives. So media time is compared with arrival:
 *
 *     behind                        on time        ahead
 *       |-- BEHIND_MAX: no more is caught up with --|-- GAP_AHEAD_MAX: pauses, lost packets --|-- AHEAD_MAX: packets --|
 *
 * Passing time moves it to the left, media time to the right. The limit for pauses is the lower one, so that a sender
 * whose timestamps run too fast loses pauses and no words. A real pause of any length is kept: its time has passed.
 */
import { LONGEST_PACKET_TICKS, TICKS_PER_MS } from "./opus_packet.ts";

/** A network that delayed the first packets delivers the later ones sooner. */
const AHEAD_MAX_TICKS = 5_000 * TICKS_PER_MS;
/** Below that, so that pauses leave time for packets. */
const GAP_AHEAD_MAX_TICKS = 2_000 * TICKS_PER_MS;
/** What a stalled network delivers in one burst; timestamps that stood still for longer do not catch up the rest. */
const BEHIND_MAX_TICKS = 10_000 * TICKS_PER_MS;
/** Sound cards' clocks differ by some 100 ppm, poor ones by 1,000; ours is slewed by 500 at most (NTP). */
const TICKS_PER_MS_PASSED = TICKS_PER_MS * 1.002;

export class MediaBudget {
  /** How far media time is ahead of arrival. A packet arrives when its last sample was spoken. */
  #aheadTicks = -LONGEST_PACKET_TICKS;
  #arrivedMs: number | undefined;

  /** To be called before a packet is played, with its arrival, monotonic ms. */
  arrived(arrivedMs: number): void {
    const passedMs = this.#arrivedMs === undefined ? 0 : arrivedMs - this.#arrivedMs;
    if (this.#arrivedMs !== undefined && !(passedMs > 0)) return;
    this.#arrivedMs = arrivedMs;
    this.#aheadTicks = Math.max(this.#aheadTicks, -BEHIND_MAX_TICKS) - passedMs * TICKS_PER_MS_PASSED;
  }

  /** How far media time is behind arrival; negative when it is ahead. */
  get behindTicks(): number {
    return -this.#aheadTicks;
  }

  /** Left for pauses and lost packets. */
  get gapTicks(): number {
    return GAP_AHEAD_MAX_TICKS - this.#aheadTicks;
  }

  /** Left for packets. */
  get packetTicks(): number {
    return AHEAD_MAX_TICKS - this.#aheadTicks;
  }

  /** Media time advances by this. */
  spend(ticks: number): void {
    this.#aheadTicks += ticks;
  }
}
