/** How long a SignalingSession waits before it reconnects, and after how many failures it ends. Pure. */
import { STAY_MS } from "./limits.ts";
import { type Backoff, RetryPolicy } from "../../flow/mod.ts";
import { isShutOut } from "./error_codes.ts";

/** In a row. With the backoff's 1, 2, 4, 8, 16 s they span the resume window. */
export const ATTEMPTS_MAX = 5;
/** After ten failures the HPB blocks an address for half an hour; further attempts do not extend that. */
const SHUT_OUT_BACKOFF: Backoff = { baseMs: 5 * 60_000, maxMs: 10 * 60_000 };

export interface AttemptsOptions {
  backoff?: Backoff;
  /** In [0, 1), for jitter. */
  random?: () => number;
}

export class Attempts {
  /** Only STAY_MS in the room resets the backoff: an HPB that admits and ejects is retried less often. */
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

  /** The room was lost, or an attempt to join it failed. Returns ms until the next attempt; undefined for none. */
  failed(code: string, wasJoined: boolean, nowMs: number): number | undefined {
    if (!wasJoined && ++this.#failures >= ATTEMPTS_MAX) return undefined;
    this.#retry.failed(nowMs, undefined, isShutOut(code) ? SHUT_OUT_BACKOFF : undefined);
    return this.#retry.waitMs(nowMs);
  }
}
