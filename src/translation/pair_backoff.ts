/**
 * Which language pairs a provider is not asked for at the moment. One that fails three times in a row would fail the
 * next caption too, after holding it back for as long as the provider takes to say so:
 *
 *     works --third failure in a row--> rests --its time is over--> one try --works--> works
 *                                         ^--------- fails: twice as long ----'
 *
 * A rest is counted from the last failure. What the provider refuses rests for a minute and more, what fails for
 * seconds: the first changes when somebody changes something, the second by itself. Sans IO.
 */
import type { Clock, Log, TranslationError, TranslationRequest } from "../domain/mod.ts";
import { type Backoff, RetryPolicy } from "../flow/mod.ts";

export type Pair = Omit<TranslationRequest, "text">;

/** Two may be a hiccup, or two odd sentences. */
const FREE_FAILURES = 2;
const REFUSED: Backoff = { baseMs: 60_000, maxMs: 10 * 60_000, jitter: 0 };
const FAILING: Backoff = { baseMs: 10_000, maxMs: 60_000, jitter: 0 };
/** Far more than are spoken and read at once; the longest unused is forgotten first. */
const PAIRS_MAX = 500;

interface State {
  readonly retry: RetryPolicy;
  failedAtMs: number;
  /** What the provider said last. */
  error: TranslationError;
  /** Whether the one try after a rest is under way. */
  isTried: boolean;
}

export class PairBackoff {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #provider: string;
  /** Of pairs whose last translation failed. */
  readonly #states = new Map<string, State>();

  constructor({ clock, log, provider }: { clock: Clock; log: Log; provider: string }) {
    this.#clock = clock;
    this.#log = log;
    this.#provider = provider;
  }

  /** Why the pair is not to be asked for now, which is what the provider said last. */
  whyNot(pair: Pair): TranslationError | undefined {
    return this.#whyRests(this.#states.get(keyOf(pair)));
  }

  /** The pair is asked for: where it rested, this is the one try. */
  asked(pair: Pair): void {
    const state = this.#states.get(keyOf(pair));
    if (state && hasRested(state)) state.isTried = true;
  }

  /** What was asked came to no end that says anything of the pair. */
  notTried(pair: Pair): void {
    const state = this.#states.get(keyOf(pair));
    if (state) state.isTried = false;
  }

  worked(pair: Pair): void {
    const key = keyOf(pair);
    const state = this.#states.get(key);
    if (state && hasRested(state)) this.#log.info("a language pair is translated again", this.#shown(pair));
    this.#states.delete(key);
  }

  /** `askedAtMs` is when the provider was asked. */
  failed(pair: Pair, error: TranslationError, askedAtMs: number): void {
    const nowMs = this.#clock.now();
    const key = keyOf(pair);
    const known = this.#states.get(key);
    const isRefused = isRefusal(error);
    const state = known ?? {
      retry: new RetryPolicy({ freeFailures: FREE_FAILURES }),
      failedAtMs: -Infinity,
      ...{ error, isTried: false },
    };
    this.#states.delete(key);
    this.#states.set(key, state);
    if (this.#states.size > PAIRS_MAX) this.#states.delete(this.#states.keys().next().value!);
    state.error = error;
    const isLate = askedAtMs < state.failedAtMs;
    const rested = hasRested(state);
    state.failedAtMs = nowMs;
    // Some that were under way together and fail together are one bad moment; those the rest found under way, no news.
    if (rested ? !state.isTried : isLate && !isRefused) return state.retry.failedToo(nowMs);
    state.isTried = false;
    state.retry.failed(nowMs, undefined, isRefused ? REFUSED : FAILING);
    if (!rested && hasRested(state)) {
      this.#log.warn("translations of a language pair rest", { ...this.#shown(pair), code: error.code });
    }
  }

  /** Whether the provider refuses the pair, and it is not time to try again. */
  isRefused(pair: Pair): boolean {
    const error = this.whyNot(pair);
    return error !== undefined && isRefusal(error);
  }

  /** Pairs that rest, by why; empty where none does. A pair nobody has asked for since its rest ended is not counted. */
  counts(): { pair_refused?: number; pair_failing?: number } {
    const counts: { pair_refused?: number; pair_failing?: number } = {};
    for (const state of this.#states.values()) {
      const error = this.#whyRests(state);
      if (!error) continue;
      const why = isRefusal(error) ? "pair_refused" : "pair_failing";
      counts[why] = (counts[why] ?? 0) + 1;
    }
    return counts;
  }

  /** A rest lasts until its time is over and the one try after it has ended. */
  #whyRests(state: State | undefined): TranslationError | undefined {
    if (!state || !hasRested(state)) return undefined;
    return state.isTried || state.retry.waitMs(this.#clock.now()) > 0 ? state.error : undefined;
  }

  #shown({ originId, targetId }: Pair) {
    return { provider: this.#provider, origin: originId, target: targetId };
  }
}

function keyOf({ originId, targetId }: Pair): string {
  return `${originId} ${targetId}`;
}

function isRefusal({ code }: TranslationError): boolean {
  return code === "translation_unsupported";
}

/** Whether it rests, or is tried after a rest. */
function hasRested({ retry }: State): boolean {
  return retry.failures > FREE_FAILURES;
}
