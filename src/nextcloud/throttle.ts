/**
 * Backs off from Nextcloud. Its brute-force protection delays an address with every wrong credential, and after ten of
 * them in half an hour responds with 429 only, to all who share the address. So after a refusal requests wait, longer
 * each time, and are then sent one at a time until one is accepted.
 *
 *     open --429, or the second 401 in a row--> waiting --time passed--> probing --accepted--> open
 *                                                  ^---------- refused ----------'
 *
 * Pure: time is an argument.
 */
import { type Backoff, RetryPolicy } from "../flow/mod.ts";

/** Why requests wait: 429, or repeated 401. */
export type Refusal = "throttled" | "unauthorized";

/** How an admitted request ended. */
export type Outcome =
  /** Any other response; one of 5xx does not mean that the credentials were accepted. */
  | { kind: "answered"; accepted: boolean }
  | { kind: "unauthorized" }
  | { kind: "throttled"; retryAfterMs?: number }
  /** No response, or aborted. */
  | { kind: "lost" };

/** A pending request; passed to `settle`. */
export interface Pass {
  /** Who serves it, e.g. `app_api`: only the app that refused can accept again, others need no credentials. */
  readonly app: string;
  readonly epoch: number;
  readonly isProbe: boolean;
}

/**
 * Waits after 401: 15 s doubling to 10 min, which makes 8 attempts in the first half hour and 3 in each that follows.
 * No jitter: it would make them ten.
 */
const UNAUTHORIZED: Backoff = { baseMs: 15_000, maxMs: 10 * 60_000, jitter: 0 };
/** Waits after a 429 that does not say how long: 1 min doubling to the half hour Nextcloud looks back. */
const THROTTLED: Backoff = { baseMs: 60_000, maxMs: 30 * 60_000, jitter: 0 };
/** Bounds of the Retry-After of a 429. */
const RETRY_AFTER_MS = { min: 1_000, max: 60 * 60_000 };

export class Throttle {
  /** Why requests wait, or are sent one at a time. */
  #refusal?: Refusal;
  #probing = false;
  /** One 401 may concern that request alone; the second concerns the credentials. */
  readonly #unauthorized = new RetryPolicy({ backoff: UNAUTHORIZED });
  /** Who sent the last 401. */
  #unauthorizedApp = "";
  readonly #throttled = new RetryPolicy({ backoff: THROTTLED, freeFailures: 0 });
  /** Grows with every refusal: the result of a request sent before it is outdated. */
  #epoch = 0;

  /** Admits a request to this app, or returns why not. Every pass must be settled. */
  admit(app: string, nowMs: number): Pass | Refusal {
    const isProbe = this.#refusal !== undefined;
    if (this.#refusal && (this.#probing || this.#policy(this.#refusal).waitMs(nowMs) > 0)) {
      return this.#refusal;
    }
    if (isProbe) this.#probing = true;
    return { app, epoch: this.#epoch, isProbe };
  }

  /** Returns what changed: a wait begins, or ends. */
  settle(pass: Pass, outcome: Outcome, nowMs: number): { waitMs: number } | "open" | undefined {
    if (pass.isProbe && pass.epoch === this.#epoch) this.#probing = false;
    if (outcome.kind === "lost") return undefined;
    if (outcome.kind === "answered") return outcome.accepted ? this.#accepted(pass) : undefined;
    if (pass.epoch !== this.#epoch) return undefined;
    this.#epoch++;
    if (outcome.kind === "unauthorized") this.#unauthorizedApp = pass.app;
    const policy = this.#policy(outcome.kind);
    policy.failed(
      nowMs,
      undefined,
      outcome.kind === "throttled" ? boundedWait(outcome.retryAfterMs) : undefined,
    );
    const waitMs = policy.waitMs(nowMs);
    if (waitMs === 0) return undefined;
    this.#refusal = outcome.kind;
    return { waitMs };
  }

  /** Nextcloud knows the shared secret: earlier 401 are outdated. */
  forgive(): void {
    this.#unauthorized.worked();
    if (this.#refusal !== "unauthorized") return;
    this.#epoch++;
    this.#refusal = undefined;
    this.#probing = false;
  }

  #accepted(pass: Pass): "open" | undefined {
    if (this.#refusal && pass.epoch !== this.#epoch) return undefined;
    const wasRefused = this.#refusal;
    if (wasRefused !== "throttled" && this.#unauthorizedApp !== pass.app) return undefined;
    this.#refusal = undefined;
    this.#throttled.worked();
    if (this.#unauthorizedApp === pass.app) this.#unauthorized.worked();
    return wasRefused && "open";
  }

  #policy(refusal: Refusal): RetryPolicy {
    return refusal === "throttled" ? this.#throttled : this.#unauthorized;
  }
}

function boundedWait(retryAfterMs: number | undefined): Backoff | undefined {
  if (retryAfterMs === undefined) return undefined;
  const waitMs = Math.min(Math.max(retryAfterMs, RETRY_AFTER_MS.min), RETRY_AFTER_MS.max);
  return { baseMs: waitMs, maxMs: waitMs, jitter: 0 };
}
