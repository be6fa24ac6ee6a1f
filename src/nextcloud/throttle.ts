/**
 * When to leave Nextcloud in peace. Its brute-force protection slows an address down with every wrong credential, and
 * after ten of them in half an hour answers that address 429 and nothing else; whoever shares the address suffers too.
 * So after a refusal requests wait, longer each time, and then go one at a time until one is welcome again.
 *
 *     open --429, or the second 401 in a row--> waiting --time passed--> probing --welcome--> open
 *                                                  ^---------- refused ----------'
 *
 * Time is an argument; nothing here sends or waits.
 */

import { type Backoff, RetryPolicy } from "../flow/mod.ts";

/** Why requests wait: Nextcloud said 429, or 401 again and again. */
export type Refusal = "throttled" | "unauthorized";

/** How a request that was let through ended. */
export type Outcome =
  /** Any answer that is not a refusal; `welcome` false where it says nothing about us (5xx). */
  | { kind: "answered"; welcome: boolean }
  | { kind: "unauthorized" }
  | { kind: "throttled"; retryAfterMs?: number }
  /** No answer, or given up. */
  | { kind: "lost" };

/** A request on its way; handed back to `settle`. */
export interface Pass {
  /** Who answers, e.g. `app_api`: only the app that refused us can take it back, others answer anyone. */
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
/** What a 429 may ask for: less than a second is no wait, more than an hour is nothing a service can live with. */
const RETRY_AFTER_MS = { min: 1_000, max: 60 * 60_000 };

export class Throttle {
  /** Why requests wait, or one at a time goes. */
  #refusal?: Refusal;
  #probing = false;
  /** One 401 may be the answer to that one question; the second is about us. */
  readonly #unauthorized = new RetryPolicy({ backoff: UNAUTHORIZED });
  /** Who answered the last 401. */
  #unauthorizedApp = "";
  readonly #throttled = new RetryPolicy({ backoff: THROTTLED, freeFailures: 0 });
  /** Grows with every refusal: what was sent before it says nothing new. */
  #epoch = 0;

  /** Lets a request to this app through, or says why not. Every pass must be settled. */
  admit(app: string, nowMs: number): Pass | Refusal {
    const isProbe = this.#refusal !== undefined;
    if (this.#refusal && (this.#probing || this.#policy(this.#refusal).waitMs(nowMs) > 0)) {
      return this.#refusal;
    }
    if (isProbe) this.#probing = true;
    return { app, epoch: this.#epoch, isProbe };
  }

  /** Takes note of how a request ended. Returns what changed: a wait that begins, with its length, or ends. */
  settle(pass: Pass, outcome: Outcome, nowMs: number): { waitMs: number } | "open" | undefined {
    if (pass.isProbe && pass.epoch === this.#epoch) this.#probing = false;
    if (outcome.kind === "lost") return undefined;
    if (outcome.kind === "answered") return outcome.welcome ? this.#welcome(pass) : undefined;
    if (pass.epoch !== this.#epoch) return undefined;
    this.#epoch++;
    if (outcome.kind === "unauthorized") this.#unauthorizedApp = pass.app;
    const policy = this.#policy(outcome.kind);
    policy.failed(nowMs, undefined, outcome.kind === "throttled" ? asAsked(outcome.retryAfterMs) : undefined);
    const waitMs = policy.waitMs(nowMs);
    if (waitMs === 0) return undefined;
    this.#refusal = outcome.kind;
    return { waitMs };
  }

  /** Nextcloud has just shown that it knows us: what it thought of our credentials before is out of date. */
  forgive(): void {
    this.#unauthorized.worked();
    if (this.#refusal !== "unauthorized") return;
    this.#epoch++;
    this.#refusal = undefined;
    this.#probing = false;
  }

  #welcome(pass: Pass): "open" | undefined {
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

/** The wait a 429 asked for, within reason. */
function asAsked(retryAfterMs: number | undefined): Backoff | undefined {
  if (retryAfterMs === undefined) return undefined;
  const waitMs = Math.min(Math.max(retryAfterMs, RETRY_AFTER_MS.min), RETRY_AFTER_MS.max);
  return { baseMs: waitMs, maxMs: waitMs, jitter: 0 };
}
