/** How long a SignalingSession waits before it connects again, and after how many attempts in vain it gives up. Pure. */
import { LIMITS } from "../../domain/mod.ts";
import { BACKOFF, type Backoff, backoffMs } from "../../flow/mod.ts";
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
  readonly #options: AttemptsOptions;
  /** Since the room was last joined. */
  #failures = 0;
  /** Begun since it was last joined for a while. */
  #waits = 0;
  #joinedAtMs = 0;

  constructor(options: AttemptsOptions) {
    this.#options = options;
  }

  joined(nowMs: number): void {
    this.#joinedAtMs = nowMs;
    this.#failures = 0;
  }

  /** The room was lost, or an attempt to join it failed. ms until the next attempt; undefined when there is to be none. */
  failed(code: string, wasJoined: boolean, nowMs: number): number | undefined {
    if (!wasJoined && ++this.#failures >= ATTEMPTS_MAX) return undefined;
    // Who is let in and thrown out at once waits longer each time: only a stay forgives what was before.
    if (wasJoined && nowMs - this.#joinedAtMs >= LIMITS.signalingStayMs) this.#waits = 0;
    const backoff = isShutOut(code) ? SHUT_OUT_BACKOFF : this.#options.backoff ?? BACKOFF;
    return backoffMs(this.#waits++, backoff, this.#options.random);
  }
}
