/**
 * One retry policy for all who connect to the same peer, so that a dead one is tried once and not by each of them:
 *
 *     closed     everyone connects at will
 *       |  an attempt fails
 *     open       nobody connects until the policy's wait is over; then one of those who wait becomes the probe
 *       |
 *     half open  the others wait for what the probe finds --worked--> closed
 *                                                         --failed--> open, with a longer wait
 *
 * A probe that is still on its way after a few seconds has reached something that starts (a cold container): then the
 * others connect as well, since such a peer starts more of itself for more of them. When one of those fails, all wait again.
 */
import type { Clock } from "../domain/mod.ts";
import { RetryPolicy, type RetryPolicyOptions } from "./retry.ts";

/** A dead peer refuses sooner. */
const SLOW_PROBE_MS = 5_000;

/** One attempt to connect. It counts once: by the first call. */
export interface SharedAttempt {
  worked(): void;
  failed(error: unknown): void;
  /** Given up by its owner: it says nothing of the peer. */
  abandoned(): void;
}

export class SharedRetry {
  readonly #clock: Clock;
  readonly #policy: RetryPolicy;
  /** Who is told that something changed. */
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

  /** How many wait for their turn. */
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

  /** A connection that had opened turned out to be of no use, for a reason that concerns everyone. */
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
          // Who set out before the last failure was known brings no news by failing too.
          if (!isProbe && startedAtMs <= this.#failedAtMs) return;
          this.#probe = undefined; // one that hangs is not waited for: the peer refuses
          this.#failedAtMs = this.#clock.now();
          this.#policy.failed(this.#failedAtMs, error);
        }),
      abandoned: () => settle(),
    };
  }

  #changed(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #changeWithin(waitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.delete(wake);
        timer[Symbol.dispose]();
        signal.removeEventListener("abort", onAbort);
      };
      const wake = () => {
        leave();
        resolve();
      };
      const onAbort = () => {
        leave();
        reject(signal.reason);
      };
      const timer = this.#clock.timer(waitMs, wake);
      this.#waiting.add(wake);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
