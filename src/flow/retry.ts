/**
 * Trying again. `RetryPolicy` is the one set of rules for a peer that is connected to for as long as it is needed;
 * `SharedRetry` (shared_retry.ts) puts all who need the same peer behind one of them. `retry` calls a function a few
 * times and gives up.
 */
import type { Clock } from "../domain/mod.ts";
import { TiroError } from "../domain/mod.ts";
import { delay, systemClock } from "./clock.ts";

export interface Backoff {
  /** First delay, ms; doubles each time. */
  baseMs: number;
  /** Longest delay, ms. */
  maxMs: number;
}

/** 1, 2, 4, 8, 16 s before jitter: five waits are 15 to 31 s, about as long as the HPB keeps a dropped session. */
export const BACKOFF: Backoff = { baseMs: 1_000, maxMs: 16_000 };
/** An error that does not get better by itself (a wrong key, a missing package) is tried again this seldom. */
const HOPELESS_WAIT_MS = 60_000;
/** A peer that admits and ejects does so at once; a connection that lasted this long was a good one. */
export const GOOD_LIFE_MS = 5_000;

/** Delay before retry number `retry` (0 is the first), ms: between half and all of the doubled base. */
export function backoffMs(
  retry: number,
  backoff: Backoff = BACKOFF,
  random: () => number = Math.random,
): number {
  const full = Math.min(backoff.baseMs * 2 ** retry, backoff.maxMs);
  return full / 2 + random() * full / 2;
}

export interface RetryPolicyOptions {
  clock: Clock;
  backoff?: Backoff;
  /** After an error that is not retryable. Default a minute. */
  hopelessWaitMs?: number;
  /** A connection that lasted this long forgives the failures before it. Default 5 s. */
  goodLifeMs?: number;
  random?: () => number;
}

/**
 * When to connect again. The attempt after a first failure is made at once, those after it wait longer and longer. A
 * wait begins with the failure, whether anybody waits or not: once its time is over, the next attempt is made at once.
 */
export class RetryPolicy {
  readonly #options: RetryPolicyOptions;
  #failures = 0;
  #retryAtMs = -Infinity;
  #openedAtMs: number | undefined;

  constructor(options: RetryPolicyOptions) {
    this.#options = options;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Time until the next attempt may be made, ms; 0 when it may be made now. */
  get waitMs(): number {
    return Math.max(0, this.#retryAtMs - this.#options.clock.now());
  }

  /** The connection is open. That alone forgives nothing. */
  opened(): void {
    this.#openedAtMs = this.#options.clock.now();
  }

  /** The peer does what it is for: whatever failed before is forgiven. */
  worked(): void {
    this.#failures = 0;
    this.#retryAtMs = -Infinity;
  }

  /** An attempt failed, or the open connection was lost. */
  failed(error: unknown): void {
    const { clock, backoff, random, hopelessWaitMs = HOPELESS_WAIT_MS, goodLifeMs = GOOD_LIFE_MS } =
      this.#options;
    const nowMs = clock.now();
    const livedMs = this.#openedAtMs === undefined ? 0 : nowMs - this.#openedAtMs;
    this.#openedAtMs = undefined;
    if (livedMs >= goodLifeMs) this.#failures = 0;
    this.#failures++;
    if (error instanceof TiroError && !error.retryable) this.#retryAtMs = nowMs + hopelessWaitMs;
    else if (this.#failures === 1) this.#retryAtMs = nowMs;
    else this.#retryAtMs = nowMs + backoffMs(this.#failures - 2, backoff, random);
  }
}

export interface RetryOptions {
  /** How many times to call, in all. */
  attempts: number;
  signal: AbortSignal;
  backoff?: Backoff;
  clock?: Clock;
  /** Whether this error may go away by itself. Default: TiroError's `retryable`. */
  isRetryable?: (error: unknown) => boolean;
  /** Called before each wait. */
  onRetry?: (error: unknown, delayMs: number) => void;
}

/** Calls `attempt` until it succeeds; throws its last error, an error that cannot get better, or the signal's reason. */
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
