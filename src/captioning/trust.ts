/**
 * Whether sessions of a recogniser are worth opening while another one could serve: shared by all speakers. One whose
 * sessions open and recognise nothing is left alone for a while; then one speaker tries it at a time, until a session
 * recognises something. Pure: time is an argument.
 */
import { type Backoff, RetryPolicy } from "../flow/mod.ts";

/** Each trial may delay somebody's captions by seconds. */
const TRIAL_BACKOFF: Backoff = { baseMs: 5_000, maxMs: 60_000 };
/** A speaker who says nothing does not show whether it works: then another one tries it. */
const TRIAL_MS = 30_000;

/** A session that tries it; disposed without a result when it ends. */
export type Trial = Disposable;

export class Trust {
  readonly #retry = new RetryPolicy({ backoff: TRIAL_BACKOFF, freeFailures: 0 });
  /** Sessions that opened before are no news. */
  #newsAtMs = -Infinity;
  #trial: { sinceMs: number } | undefined;

  /** Whether its last sessions recognised nothing. */
  get isLost(): boolean {
    return this.#retry.failures > 0;
  }

  /** Whether a session may be opened: it is trusted, or a trial is due. */
  admits(nowMs: number): boolean {
    if (!this.isLost) return true;
    const isTried = this.#trial !== undefined && nowMs < this.#trial.sinceMs + TRIAL_MS;
    return !isTried && this.#retry.waitMs(nowMs) <= 0;
  }

  /** A session is being opened; undefined where it is no trial. */
  begin(nowMs: number): Trial | undefined {
    if (!this.isLost || !this.admits(nowMs)) return undefined;
    const trial = this.#trial = { sinceMs: nowMs };
    return {
      [Symbol.dispose]: () => {
        if (this.#trial === trial) this.#trial = undefined;
      },
    };
  }

  /** A session opened at that time ended without having recognised what it was sent. */
  failed(nowMs: number, openedAtMs: number, error?: unknown): void {
    if (openedAtMs < this.#newsAtMs) return;
    this.#newsAtMs = nowMs;
    this.#trial = undefined;
    this.#retry.failed(nowMs, error);
  }

  /** A session opened at that time recognised something. True if it was not trusted before. */
  worked(openedAtMs: number): boolean {
    if (!this.isLost || openedAtMs < this.#newsAtMs) return false;
    this.#newsAtMs = openedAtMs;
    this.#trial = undefined;
    this.#retry.worked();
    return true;
  }
}
