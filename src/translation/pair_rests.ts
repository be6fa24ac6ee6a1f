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

export type Pair = Omit<TranslationRequest, "text">;

/** Two may be a hiccup, or two odd sentences. */
const FAILURES_TO_REST = 3;
const REFUSED_MS = { first: 60_000, longest: 10 * 60_000 };
const FAILING_MS = { first: 10_000, longest: 60_000 };
/** Far more than are spoken and read at once; the longest unused is forgotten first. */
const PAIRS_MAX = 500;

interface State {
  /** In a row. */
  failures: number;
  failedAtMs: number;
  /** Why the pair rests; absent while it does not. */
  rest?: { error: TranslationError; waitMs: number; untilMs: number; isTried: boolean };
}

export class PairRests {
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
    const rest = this.#states.get(keyOf(pair))?.rest;
    if (rest) rest.isTried = true;
  }

  /** What was asked came to no end that says anything of the pair. */
  notTried(pair: Pair): void {
    const rest = this.#states.get(keyOf(pair))?.rest;
    if (rest) rest.isTried = false;
  }

  worked(pair: Pair): void {
    const key = keyOf(pair);
    if (this.#states.get(key)?.rest) {
      this.#log.info("a language pair is translated again", this.#shown(pair));
    }
    this.#states.delete(key);
  }

  /** `askedAtMs` is when the provider was asked. */
  failed(pair: Pair, error: TranslationError, askedAtMs: number): void {
    const nowMs = this.#clock.now();
    const key = keyOf(pair);
    const state = this.#states.get(key) ?? { failures: 0, failedAtMs: -Infinity };
    this.#states.delete(key);
    this.#states.set(key, state);
    if (this.#states.size > PAIRS_MAX) this.#states.delete(this.#states.keys().next().value!);
    // Some that were under way together and fail together are one bad moment of the provider.
    if (isRefusal(error) || askedAtMs >= state.failedAtMs) state.failures++;
    state.failedAtMs = nowMs;
    if (state.failures < FAILURES_TO_REST) return;
    const { first, longest } = isRefusal(error) ? REFUSED_MS : FAILING_MS;
    const { rest } = state;
    if (!rest) {
      this.#log.warn("translations of a language pair rest", { ...this.#shown(pair), code: error.code });
    }
    // Those that were under way when the rest began prolong it, and say nothing new.
    const waitMs = rest?.isTried ? Math.min(rest.waitMs * 2, longest) : rest?.waitMs ?? first;
    state.rest = { error, waitMs, untilMs: nowMs + waitMs, isTried: false };
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
    const rest = state?.rest;
    return rest && (rest.isTried || this.#clock.now() < rest.untilMs) ? rest.error : undefined;
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
