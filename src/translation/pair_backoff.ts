/**
 * Which language pairs are suspended. A pair that failed three times in a row would fail the next caption too, and delay
 * it for as long as the provider takes to answer:
 *
 *     works --third failure in a row--> suspended --wait is over--> one request --succeeds--> works
 *                                         ^---------- fails: twice as long ----'
 *
 * A wait begins with the last failure. A pair the provider refuses waits minutes, as somebody has to change something;
 * one that fails waits seconds. Sans-IO.
 */
import type { Clock, Log, TranslationError, TranslationRequest } from "../domain/mod.ts";
import { type Backoff, RetryPolicy } from "../flow/mod.ts";

export type Pair = Omit<TranslationRequest, "text">;

/** Two may be a hiccup, or two odd sentences. */
const FREE_FAILURES = 2;
const REFUSED: Backoff = { baseMs: 60_000, maxMs: 10 * 60_000, jitter: 0 };
const FAILING: Backoff = { baseMs: 10_000, maxMs: 60_000, jitter: 0 };
/** Far more than are spoken and read at once; the least recently failed is forgotten first. */
const PAIRS_MAX = 500;

interface State {
  readonly retry: RetryPolicy;
  failedAtMs: number;
  lastError: TranslationError;
  /** Whether the one request after a wait is in flight. */
  isProbed: boolean;
}

export class PairBackoff {
  readonly #options: { clock: Clock; log: Log; provider: string };
  /** Of pairs whose last translation failed. */
  readonly #states = new Map<string, State>();

  constructor(options: { clock: Clock; log: Log; provider: string }) {
    this.#options = options;
  }

  /** The pair's last error if it is suspended: until its wait and the one request after it are over. */
  suspended(pair: Pair): TranslationError | undefined {
    return this.#errorOf(this.#states.get(keyOf(pair)));
  }

  /** Whether the pair is suspended because the provider refuses it. */
  isRefused(pair: Pair): boolean {
    return this.suspended(pair)?.code === "translation_unsupported";
  }

  requested(pair: Pair): void {
    const state = this.#states.get(keyOf(pair));
    if (state && isFailing(state)) state.isProbed = true;
  }

  /** A request ended in a way that shows nothing about the pair. */
  undecided(pair: Pair): void {
    const state = this.#states.get(keyOf(pair));
    if (state) state.isProbed = false;
  }

  worked(pair: Pair): void {
    const key = keyOf(pair);
    const state = this.#states.get(key);
    this.#states.delete(key);
    if (state && isFailing(state)) this.#options.log.info("language pair resumed", this.#fieldsOf(pair));
  }

  failed(pair: Pair, error: TranslationError, requestedAtMs: number): void {
    const nowMs = this.#options.clock.now();
    const key = keyOf(pair);
    const isRefusal = error.code === "translation_unsupported";
    const state: State = this.#states.get(key) ??
      {
        retry: new RetryPolicy({ freeFailures: FREE_FAILURES }),
        failedAtMs: -Infinity,
        lastError: error,
        isProbed: false,
      };
    this.#states.delete(key);
    this.#states.set(key, state);
    if (this.#states.size > PAIRS_MAX) this.#states.delete(this.#states.keys().next().value!);
    state.lastError = error;
    const isConcurrent = requestedAtMs < state.failedAtMs;
    const wasFailing = isFailing(state);
    state.failedAtMs = nowMs;
    // Concurrent requests that fail together count once; those in flight when the pair was suspended not at all.
    if (wasFailing ? !state.isProbed : isConcurrent && !isRefusal) return state.retry.failedToo(nowMs);
    state.isProbed = false;
    state.retry.failed(nowMs, undefined, isRefusal ? REFUSED : FAILING);
    if (!wasFailing && isFailing(state)) {
      this.#options.log.warn("language pair suspended", { ...this.#fieldsOf(pair), code: error.code });
    }
  }

  /** Suspended pairs by reason; a reason without any is absent. */
  counts(): { pair_refused?: number; pair_failing?: number } {
    const counts: { pair_refused?: number; pair_failing?: number } = {};
    for (const state of this.#states.values()) {
      const error = this.#errorOf(state);
      if (!error) continue;
      const reason = error.code === "translation_unsupported" ? "pair_refused" : "pair_failing";
      counts[reason] = (counts[reason] ?? 0) + 1;
    }
    return counts;
  }

  #errorOf(state: State | undefined): TranslationError | undefined {
    if (!state || !isFailing(state)) return undefined;
    return state.isProbed || state.retry.waitMs(this.#options.clock.now()) > 0 ? state.lastError : undefined;
  }

  #fieldsOf({ originId, targetId }: Pair) {
    return { provider: this.#options.provider, origin: originId, target: targetId };
  }
}

function keyOf({ originId, targetId }: Pair): string {
  return `${originId} ${targetId}`;
}

/** Suspended, or due for the one request after it. */
function isFailing({ retry }: State): boolean {
  return retry.failures > FREE_FAILURES;
}
