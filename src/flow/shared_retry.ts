/**
 * A circuit breaker: one retry policy for all who connect to the same peer, so that a dead one is tried once and not by
 * each of them:
 *
 *     closed     everyone connects at will
 *       |  an attempt fails
 *     open       nobody connects until the policy's wait is over; then one of the waiting becomes the probe
 *       |
 *     half open  the others wait for the probe's result --worked--> closed
 *                                                       --failed--> open, with a longer wait
 *
 * A probe that is pending after a few seconds has reached a peer that starts (a cold container): then the others connect
 * as well, since such a peer scales with demand. When one of those fails, all wait again.
 */
import type { Clock } from "../domain/mod.ts";
import { untilAborted } from "./clock.ts";
import { RetryPolicy, type RetryPolicyOptions } from "./retry.ts";

/** A dead peer refuses sooner. */
const SLOW_PROBE_MS = 5_000;

/** One attempt to connect. Only the first call counts. */
export interface SharedAttempt {
  worked(): void;
  failed(error: unknown): void;
  /** Cancelled by its owner, which is no news of the peer. */
  abandoned(): void;
}

export class SharedRetry {
  readonly #clock: Clock;
  readonly #policy: RetryPolicy;
  /** Called when something changed. */
  readonly #waiting = new Set<() => void>();
  /** The attempt that the others wait for. */
  #probe: { readonly sinceMs: number } | undefined;
  #failedAtMs = -Infinity;

  constructor({ clock, ...options }: RetryPolicyOptions & { clock: Clock }) {
    this.#clock = clock;
    this.#policy = new RetryPolicy(options);
  }

  /** Failures in a row; those of attempts made at the same time count as one. */
  get failures(): number {
    return this.#policy.failures;
  }

  /** How many wait to connect. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Resolves when the caller may connect. Rejects with the signal's reason. */
  async turn(signal: AbortSignal): Promise<SharedAttempt> {
    for (;;) {
      signal.throwIfAborted();
      const waitMs = this.#waitMs();
      if (waitMs <= 0) return this.#attempt();
      await this.#changeWithin(waitMs, signal);
    }
  }

  /** Whether the caller may connect at once, and nobody else tries it out. */
  get isOpen(): boolean {
    if (this.#policy.failures === 0) return true;
    return !this.#probe && this.#policy.waitMs(this.#clock.now()) <= 0;
  }

  /** As `turn` for a caller that does not wait: only while `isOpen`. */
  attempt(): SharedAttempt | undefined {
    return this.isOpen ? this.#attempt() : undefined;
  }

  /** A connection that had opened failed for a reason that concerns everyone. */
  failed(error: unknown): void {
    this.#failedAtMs = this.#clock.now();
    this.#policy.failed(this.#failedAtMs, error);
    this.#changed();
  }

  #waitMs(): number {
    if (this.#policy.failures === 0) return 0;
    if (!this.#probe) return this.#policy.waitMs(this.#clock.now());
    return this.#probe.sinceMs + SLOW_PROBE_MS - this.#clock.now();
  }

  #attempt(): SharedAttempt {
    const startedAtMs = this.#clock.now();
    const probe = this.#policy.failures > 0 && !this.#probe ? { sinceMs: startedAtMs } : undefined;
    if (probe) this.#probe = probe;
    let isSettled = false;
    const settle = (what?: (isProbe: boolean) => void) => {
      if (isSettled) return;
      isSettled = true;
      const isProbe = probe !== undefined && this.#probe === probe;
      if (isProbe) this.#probe = undefined;
      what?.(isProbe);
      this.#changed();
    };
    return {
      worked: () => settle(() => this.#policy.worked()),
      failed: (error) =>
        settle((isProbe) => {
          // Begun before the last failure was known: no news.
          if (!isProbe && startedAtMs <= this.#failedAtMs) return;
          this.#probe = undefined; // one that hangs is not waited for: the peer refuses
          this.#failedAtMs = this.#clock.now();
          this.#policy.failed(this.#failedAtMs, error);
        }),
      abandoned: () => settle(),
    };
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
  }

  async #changeWithin(waitMs: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = this.#clock.timer(waitMs, resolve);
    this.#waiting.add(resolve);
    try {
      await untilAborted(promise, signal);
    } finally {
      this.#waiting.delete(resolve);
    }
  }
}
