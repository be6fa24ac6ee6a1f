/** How long a SignalingSession waits before it connects again, and after how many attempts in vain it gives up. Pure. */
import { STAY_MS } from "./limits.ts";
import { type Backoff, RetryPolicy } from "../../flow/mod.ts";
import { isShutOut } from "./error_codes.ts";

/** In a row. With the backoff's 1, 2, 4, 8, 16 s they span the resume window. */
export const ATTEMPTS_MAX = 5;
/** After ten failures the HPB shuts an address out for half an hour; asking again does not prolong it. */
const SHUT_OUT_BACKOFF: Backoff = { baseMs: 5 * 60_000, maxMs: 10 * 60_000 };

export interface AttemptsOptions {
  backoff?: Backoff;
  /** In [0, 1), for jitter. */
  random?: () => number;
}

export class Attempts {
  /** Who is let in and thrown out at once waits longer each time: only a stay forgives what was before. */
  readonly #retry: RetryPolicy;
  /** Since the room was last joined. */
  #failures = 0;

  constructor({ backoff, random }: AttemptsOptions) {
    this.#retry = new RetryPolicy({ backoff, random, freeFailures: 0, goodLifeMs: STAY_MS });
  }

  joined(nowMs: number): void {
    this.#retry.opened(nowMs);
    this.#failures = 0;
  }

  /** The room was lost, or an attempt to join it failed. ms until the next attempt; undefined when there is to be none. */
  failed(code: string, wasJoined: boolean, nowMs: number): number | undefined {
    if (!wasJoined && ++this.#failures >= ATTEMPTS_MAX) return undefined;
    this.#retry.failed(nowMs, undefined, isShutOut(code) ? SHUT_OUT_BACKOFF : undefined);
    return this.#retry.waitMs(nowMs);
  }
}
