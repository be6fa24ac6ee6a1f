/**
 * Retrying. Everything in the service that waits after a failure waits by a `RetryPolicy`; `SharedRetry`
 * (shared_retry.ts) is one for all who use the same peer. `retry` calls a function a few times and gives up.
 */
import { type Clock, TiroError } from "../domain/mod.ts";
import { delay, systemClock } from "./clock.ts";

export interface Backoff {
  /** First delay, ms; doubles each time. */
  baseMs: number;
  /** Longest delay, ms. */
  maxMs: number;
  /** The random share of a delay, 0 to 1, so that those who failed together do not retry together. Default a half. */
  jitter?: number;
}

/** 1, 2, 4, 8, 16 s before jitter: five waits are 15 to 31 s, about as long as a signaling server keeps a lost session. */
export const BACKOFF: Backoff = { baseMs: 1_000, maxMs: 16_000 };
/** After an error that only a person can fix (a wrong key, a missing package). */
const HOPELESS_WAIT_MS = 60_000;
/** A peer that accepts and drops connections does so at once; one that lasted this long was good. */
export const GOOD_LIFE_MS = 5_000;

/** Delay before retry number `retry` (0 is the first), ms: the doubled base, less up to its random share. */
export function backoffMs(
  retry: number,
  { baseMs, maxMs, jitter = 0.5 }: Backoff = BACKOFF,
  random: () => number = Math.random,
): number {
  const full = Math.min(baseMs * 2 ** retry, maxMs);
  return full * (1 - jitter) + random() * full * jitter;
}

export interface RetryPolicyOptions {
  backoff?: Backoff;
  /** Failures in a row without a wait. Default 1. */
  freeFailures?: number;
  /** A connection that lasted this long resets the failures before it. Default 5 s. */
  goodLifeMs?: number;
  random?: () => number;
}

/** When to retry. A wait is counted from the failure: once it is over, the next attempt is made at once. */
export class RetryPolicy {
  readonly #options: RetryPolicyOptions;
  #failures = 0;
  #retryAtMs = -Infinity;
  #lastWaitMs = 0;
  #openedAtMs: number | undefined;

  constructor(options: RetryPolicyOptions = {}) {
    this.#options = options;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Time until the next attempt may be made, ms; 0 when it may be made now. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#retryAtMs - nowMs);
  }

  /** The connection is open, which alone resets nothing. */
  opened(nowMs: number): void {
    this.#openedAtMs = nowMs;
  }

  /** The peer works: resets the failures. */
  worked(): void {
    this.#failures = 0;
    this.#retryAtMs = -Infinity;
  }

  /** An attempt failed, or the open connection was lost. `backoff` overrides the option for this failure. */
  failed(nowMs: number, error?: unknown, backoff = this.#options.backoff): void {
    const { freeFailures = 1, random, goodLifeMs = GOOD_LIFE_MS } = this.#options;
    const livedMs = this.#openedAtMs === undefined ? 0 : nowMs - this.#openedAtMs;
    this.#openedAtMs = undefined;
    if (livedMs >= goodLifeMs) this.#failures = 0;
    const paid = ++this.#failures - freeFailures;
    const isHopeless = error instanceof TiroError && !error.retryable;
    const waitMs = isHopeless ? HOPELESS_WAIT_MS : paid > 0 ? backoffMs(paid - 1, backoff, random) : 0;
    this.#lastWaitMs = waitMs;
    this.#retryAtMs = nowMs + waitMs;
  }

  /** An attempt that was pending at the last failure failed too: not counted, but the wait restarts. */
  failedToo(nowMs: number): void {
    this.#retryAtMs = nowMs + this.#lastWaitMs;
  }
}

export interface RetryOptions {
  /** How many times to call, in all. */
  attempts: number;
  signal: AbortSignal;
  backoff?: Backoff;
  clock?: Clock;
  /** Default: TiroError's `retryable`. */
  isRetryable?: (error: unknown) => boolean;
  /** Called before each wait. */
  onRetry?: (error: unknown, delayMs: number) => void;
}

/** Calls `attempt` until it succeeds; throws its last error, one that is not retryable, or the signal's reason. */
export async function retry<T>(attempt: (number: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { attempts, signal, backoff = BACKOFF, clock = systemClock } = options;
  const isRetryable = options.isRetryable ?? ((error) => error instanceof TiroError && error.retryable);
  for (let number = 0;; number++) {
    signal.throwIfAborted();
    try {
      return await attempt(number);
    } catch (error) {
      signal.throwIfAborted();
      if (number + 1 >= attempts || !isRetryable(error)) throw error;
      const delayMs = backoffMs(number, backoff);
      options.onRetry?.(error, delayMs);
      await delay(delayMs, signal, clock);
    }
  }
}
