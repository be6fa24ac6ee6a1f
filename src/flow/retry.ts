/** Trying again: exponential backoff with jitter, for the two places that connect (signalling, speech-to-text). */
import type { Clock } from "../domain/mod.ts";
import { TiroError } from "../domain/mod.ts";
import { delay, systemClock } from "./clock.ts";

export interface Backoff {
  /** First delay, ms; doubles each time. */
  baseMs: number;
  /** Longest delay, ms. */
  maxMs: number;
}

/** 1, 2, 4, 8, 16 s before jitter: five attempts span half a minute, the HPB's resume window. */
export const BACKOFF: Backoff = { baseMs: 1_000, maxMs: 16_000 };

/** Delay before retry number `retry` (0 is the first), ms: between half and all of the doubled base. */
export function backoffMs(
  retry: number,
  backoff: Backoff = BACKOFF,
  random: () => number = Math.random,
): number {
  const full = Math.min(backoff.baseMs * 2 ** retry, backoff.maxMs);
  return full / 2 + random() * full / 2;
}

export interface RetryOptions {
  /** How many times to call, in all. */
  attempts: number;
  signal: AbortSignal;
  backoff?: Backoff;
  clock?: Clock;
  /** Whether this error may go away by itself. Default: TiroError's `retryable`. */
  isRetryable?: (error: unknown) => boolean;
  /** Told before each wait. */
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
