/**
 * How much media time there may be. Sequence numbers, timestamps and durations are the sender's to choose; when a packet
 * arrives is not. So media time is held against arrival:
 *
 *     behind                        on time        ahead
 *       |-- BEHIND_MAX: no more is caught up with --|-- GAP_AHEAD_MAX: pauses, lost packets --|-- AHEAD_MAX: packets --|
 *
 * Time that passes moves it to the left, media time to the right. Pauses end before packets do, so that a sender whose
 * timestamps run too fast loses the pauses and no word. All the time since the packet before is there for the next, so
 * that a pause of any length is kept when it was one.
 *
 * Pure: time is an argument. Holds nothing but two numbers.
 */
import { LONGEST_PACKET_TICKS, TICKS_PER_MS } from "./opus_packet.ts";

/** A network that held packets back when the stream began delivers the ones after sooner. */
const AHEAD_MAX_TICKS = 5_000 * TICKS_PER_MS;
/** As much as that for packets, of which the pauses must leave some. */
const GAP_AHEAD_MAX_TICKS = 2_000 * TICKS_PER_MS;
/** What a stalled network delivers in one burst. A sender whose timestamps stood still for longer is not owed the rest. */
const BEHIND_MAX_TICKS = 10_000 * TICKS_PER_MS;
/** Clocks of sound cards differ by some 100 ppm, poor ones by 1,000; ours is steered by 500 at the most (NTP). */
const TICKS_PER_MS_PASSED = TICKS_PER_MS * 1.002;

export class MediaBudget {
  /** How far media time is ahead of arrival. A packet arrives when its last sample was spoken. */
  #aheadTicks = -LONGEST_PACKET_TICKS;
  #arrivedMs: number | undefined;

  /** A packet is to be played that arrived at this time, monotonic ms. */
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

  /** Time that pauses and lost packets may still take. */
  get gapTicks(): number {
    return GAP_AHEAD_MAX_TICKS - this.#aheadTicks;
  }

  /** Time that packets may still take. */
  get packetTicks(): number {
    return AHEAD_MAX_TICKS - this.#aheadTicks;
  }

  /** Media time goes on by this. */
  spend(ticks: number): void {
    this.#aheadTicks += ticks;
  }
}
