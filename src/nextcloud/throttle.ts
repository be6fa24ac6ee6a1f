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

/** Waits after 401: 15 s doubling to 10 min, which makes 8 attempts in the first half hour and 3 in each that follows. */
const UNAUTHORIZED_WAIT_MS = { base: 15_000, max: 10 * 60_000 };
/** Waits after a 429 that does not say how long: 1 min doubling to the half hour Nextcloud looks back. */
const THROTTLED_WAIT_MS = { base: 60_000, max: 30 * 60_000 };
/** What a 429 may ask for: less than a second is no wait, more than an hour is nothing a service can live with. */
const RETRY_AFTER_MS = { min: 1_000, max: 60 * 60_000 };

export class Throttle {
  #waiting?: { refusal: Refusal; untilMs: number };
  #probing = false;
  /** 401 in a row, and from whom the last one came. */
  #unauthorized = { count: 0, app: "" };
  /** 429 in a row. */
  #throttled = 0;
  /** Grows with every refusal: what was sent before it says nothing new. */
  #epoch = 0;

  /** Lets a request to this app through, or says why not. Every pass must be settled. */
  admit(app: string, nowMs: number): Pass | Refusal {
    if (this.#waiting && (nowMs < this.#waiting.untilMs || this.#probing)) return this.#waiting.refusal;
    const isProbe = this.#waiting !== undefined;
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
    if (outcome.kind === "throttled") {
      const { retryAfterMs } = outcome;
      const waitMs = retryAfterMs === undefined
        ? doubled(THROTTLED_WAIT_MS, this.#throttled)
        : Math.min(Math.max(retryAfterMs, RETRY_AFTER_MS.min), RETRY_AFTER_MS.max);
      this.#throttled++;
      return this.#wait(outcome.kind, waitMs, nowMs);
    }
    const { count } = this.#unauthorized;
    this.#unauthorized = { count: count + 1, app: pass.app };
    // One 401 may be the answer to this one question; the second is about us.
    return count === 0
      ? undefined
      : this.#wait(outcome.kind, doubled(UNAUTHORIZED_WAIT_MS, count - 1), nowMs);
  }

  /** Nextcloud has just shown that it knows us: what it thought of our credentials before is out of date. */
  forgive(): void {
    this.#unauthorized = { count: 0, app: "" };
    if (this.#waiting?.refusal !== "unauthorized") return;
    this.#epoch++;
    this.#waiting = undefined;
    this.#probing = false;
  }

  #welcome(pass: Pass): "open" | undefined {
    if (this.#waiting && pass.epoch !== this.#epoch) return undefined;
    const wasWaiting = this.#waiting;
    if (wasWaiting?.refusal !== "throttled" && this.#unauthorized.app !== pass.app) return undefined;
    this.#waiting = undefined;
    this.#throttled = 0;
    if (this.#unauthorized.app === pass.app) this.#unauthorized = { count: 0, app: "" };
    return wasWaiting && "open";
  }

  #wait(refusal: Refusal, waitMs: number, nowMs: number): { waitMs: number } {
    this.#waiting = { refusal, untilMs: nowMs + waitMs };
    return { waitMs };
  }
}

function doubled({ base, max }: { base: number; max: number }, times: number): number {
  return Math.min(base * 2 ** times, max);
}
