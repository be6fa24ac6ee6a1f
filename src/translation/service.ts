/**
 * The one place translations are asked for: bounds what a provider is asked, remembers what it said, and leaves it
 * alone while it is of no use. A provider makes one attempt a call; here is everything around that.
 *
 *     translate -> remembered? -> asked already? -> waiting (64) -> under way (4) -> provider
 *
 * Nothing is retried: a caption that comes seconds late is worth less than the original at once. A pair of languages
 * that keeps failing rests (pair_backoff.ts); a provider that refuses us is switched off whole:
 *
 *     works --error that is not retryable--> switched off --a look every minute finds it working--> works
 *
 * A look reads its languages, and translates a word where a translation was what it refused: some servers list their
 * languages for everyone.
 */
import {
  type Clock,
  InvalidRequestError,
  LIMITS,
  type Log,
  type Meter,
  printable,
  TranslationError,
  type TranslationLanguages,
  type TranslationRequest,
  type Translations,
  type TranslationTrouble,
  type Translator,
} from "../domain/mod.ts";
import { RetryPolicy, type Scope, untilAborted } from "../flow/mod.ts";
import { TranslationCache } from "./cache.ts";
import { isAboutText, switchesOff, translationError, unreadableAnswer } from "./errors.ts";
import { boundedLanguages, pairOf } from "./languages.ts";
import { type Pair, PairBackoff } from "./pair_backoff.ts";

export interface TranslationServiceOptions {
  translator: Translator;
  /** A request waits this long for its turn at most, and a call to the provider takes this long at most, ms. */
  timeoutMs: number;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** A provider gains a language when somebody installs one. */
const REFRESH_MS = 60 * 60_000;
/** A provider switched off is looked at this often: somebody may have paid the bill. */
const RECHECK_MS = 60_000;
/** Until the languages are known for the first time nothing can be translated: look soon, then less often. */
const LANGUAGES_BACKOFF = { baseMs: 1_000, maxMs: 60_000 };
const LANGUAGES_TIMEOUT_MS = 10_000;
/** A provider that asks to wait gets this long: about two sentences of one speaker. */
const BUSY_PAUSE_MS = 5_000;
/** What a look translates: nobody's words, and few. */
const TRIAL_TEXT = "Hello";
/**
 * No language needs eight times as many characters as another: that is not a translation. What the HPB takes holds so
 * many, three bytes each or escaped: 24 KB or 48 KB of 64.
 */
const TEXT_CHARS_MAX = 8 * LIMITS.utteranceChars;

/** One request to the provider, for everyone who wants the same. */
interface Flight {
  key: string;
  request: TranslationRequest;
  result: PromiseWithResolvers<string>;
  /** Ends the wait for a turn. */
  timer?: Disposable;
}

export class TranslationService implements Translations {
  readonly #options: TranslationServiceOptions;
  readonly #cache = new TranslationCache({
    entries: LIMITS.translationCacheEntries,
    chars: LIMITS.translationCacheChars,
  });
  /** Waiting and under way, by key; bounded by both. */
  readonly #flights = new Map<string, Flight>();
  readonly #waiting: Flight[] = [];
  #underWay = 0;
  #languages?: TranslationLanguages;
  /** Why the provider is switched off. */
  #fault?: TranslationError;
  /** What it refused to translate then; absent where it refused to list its languages. */
  #refused?: Pair;
  readonly #rests: PairBackoff;
  #pausedUntilMs = -Infinity;
  #lookTimer?: Disposable;
  #looking = false;
  readonly #looks = new RetryPolicy({ backoff: LANGUAGES_BACKOFF, freeFailures: 0 });

  constructor(options: TranslationServiceOptions) {
    this.#options = options;
    const { scope, meter, clock, log, translator } = options;
    this.#rests = new PairBackoff({ clock, log, provider: translator.name });
    scope.use(
      meter.gaugeBy(
        "tiro_translation_resting",
        "What the translation provider is not asked for now, by why: language pairs, or all",
        "reason",
        () => ({ ...this.#rests.counts(), ...(this.#fault && { provider_off: 1 }) }),
      ),
    );
    scope.use(
      meter.gauge("tiro_translation_queue", "Translations waiting or under way", () => this.#flights.size),
    );
    scope.defer(() => {
      this.#lookTimer?.[Symbol.dispose]();
      this.#giveUpWaiting(over());
    });
    scope.run(() => this.#look());
  }

  get isAvailable(): boolean {
    return this.#fault === undefined;
  }

  get trouble(): TranslationTrouble | undefined {
    const { pair_refused, pair_failing } = this.#rests.counts();
    if (this.#fault || pair_refused) return "translator_refused";
    return pair_failing || this.#looks.failures > 0 ? "translator_unreachable" : undefined;
  }

  languages(): TranslationLanguages {
    if (this.#fault) throw this.#fault;
    if (this.#languages) return this.#languages;
    throw translationError("the provider's languages are not known yet", "translation_languages_unknown");
  }

  resolveTarget(originId: string, targetId: string): string {
    const pair = pairOf(this.languages(), originId, targetId);
    if (this.#rests.isRefused(pair)) {
      throw new InvalidRequestError(
        "the provider refuses to translate the language spoken into this one",
        "translationTargetId",
      );
    }
    return pair.targetId;
  }

  translate(asked: TranslationRequest): Promise<string> {
    if (this.#options.scope.signal.aborted) return this.#refuse(over());
    let request: TranslationRequest;
    try {
      request = { ...asked, ...pairOf(this.languages(), asked.originId, asked.targetId) };
    } catch (error) {
      if (error instanceof TranslationError) return this.#refuse(error);
      // The room's language has changed since, or the provider's list.
      return this.#refuse(translationError("not a pair of the provider", "translation_unsupported"));
    }
    const key = JSON.stringify([request.originId, request.targetId, request.text]);
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#count("cached");
      return Promise.resolve(known);
    }
    const underWay = this.#flights.get(key);
    if (underWay) {
      this.#count("cached");
      return underWay.result.promise;
    }
    const why = this.#rests.whyNot(request);
    if (why) return this.#refuse(why);
    if (this.#options.clock.now() < this.#pausedUntilMs) {
      return this.#refuse(translationError("the provider asked to wait", "translation_busy"));
    }
    if (this.#waiting.length >= LIMITS.translationQueue) {
      return this.#refuse(translationError("too many translations are waiting", "translation_refused"));
    }
    this.#rests.asked(request);
    const flight: Flight = { key, request, result: Promise.withResolvers() };
    this.#flights.set(key, flight);
    this.#waiting.push(flight);
    this.#startNext();
    // Those who wait for a turn do so in vain after a while: their readers have the next sentence by then.
    if (this.#waiting.includes(flight)) {
      const { clock, timeoutMs } = this.#options;
      flight.timer = clock.timer(timeoutMs, () => this.#giveUp(flight, tooLate(timeoutMs), "timeout"));
    }
    return flight.result.promise;
  }

  #startNext(): void {
    const { scope } = this.#options;
    while (this.#underWay < LIMITS.translationsAtOnce && this.#waiting.length > 0 && !scope.signal.aborted) {
      const flight = this.#waiting.shift()!;
      flight.timer?.[Symbol.dispose]();
      this.#underWay++;
      scope.run((signal) => this.#call(flight, signal));
    }
  }

  async #call({ key, request, result }: Flight, ending: AbortSignal): Promise<void> {
    const { translator, timeoutMs, clock, meter } = this.#options;
    const startedMs = clock.now();
    try {
      const text = clean(
        await this.#bounded((signal) => translator.translate(request, signal), timeoutMs, ending),
      );
      if (text === "" || text.length > TEXT_CHARS_MAX) throw unreadableAnswer();
      this.#cache.set(key, text);
      this.#rests.worked(request);
      this.#count("ok");
      meter.observe("tiro_translation_ms", clock.now() - startedMs);
      result.resolve(text);
    } catch (error) {
      result.reject(this.#failed(request, error, startedMs, ending));
    } finally {
      this.#flights.delete(key);
      this.#underWay--;
      this.#startNext();
    }
  }

  #failed(
    request: TranslationRequest,
    error: unknown,
    startedMs: number,
    ending: AbortSignal,
  ): TranslationError {
    if (ending.aborted) {
      this.#count("failed");
      return over();
    }
    const known = error instanceof TranslationError ? error : unreadableAnswer();
    this.#count(known.code === "translation_timeout" ? "timeout" : "failed");
    this.#options.meter.count("transcription_errors_total", known.code);
    const saysNothingOfThePair = known.code === "translation_busy" || isAboutText(known) ||
      switchesOff(known);
    if (saysNothingOfThePair) this.#rests.notTried(request);
    else this.#rests.failed(request, known, startedMs);
    if (known.code === "translation_busy") this.#pause(known);
    if (switchesOff(known)) this.#switchOff(known, request);
    return known;
  }

  /** What the provider answers, or TranslationError once it took too long, whether it minds its signal or not. */
  async #bounded<T>(
    work: (signal: AbortSignal) => Promise<T>,
    timeoutMs: number,
    ending: AbortSignal,
  ): Promise<T> {
    const late = new AbortController();
    using _timer = this.#options.clock.timer(timeoutMs, () => late.abort(tooLate(timeoutMs)));
    const signal = AbortSignal.any([ending, late.signal]);
    return await untilAborted(work(signal), signal);
  }

  /** Those waiting would only be told to wait as well. */
  #pause(error: TranslationError): void {
    this.#pausedUntilMs = this.#options.clock.now() + BUSY_PAUSE_MS;
    this.#giveUpWaiting(error);
  }

  /** Those waiting get the fault at once; those under way end by themselves. */
  #switchOff(fault: TranslationError, refused = this.#refused): void {
    const { translator, log } = this.#options;
    if (!this.#fault) log.warn("translation switched off", { provider: translator.name, code: fault.code });
    this.#fault = fault;
    this.#refused = refused && { originId: refused.originId, targetId: refused.targetId };
    this.#giveUpWaiting(fault);
    this.#lookIn(RECHECK_MS);
  }

  #lookIn(delayMs: number): void {
    const { scope, clock } = this.#options;
    this.#lookTimer?.[Symbol.dispose]();
    if (scope.signal.aborted) return;
    this.#lookTimer = clock.timer(delayMs, () => {
      if (!scope.signal.aborted) scope.run(() => this.#look());
    });
  }

  /** Reads the languages: they are wanted, and show whether the provider works. */
  async #look(): Promise<void> {
    const { translator, scope, clock, log } = this.#options;
    if (this.#looking) return;
    this.#looking = true;
    const fault = this.#fault;
    try {
      const languages = boundedLanguages(
        await this.#bounded((signal) => translator.languages(signal), LANGUAGES_TIMEOUT_MS, scope.signal),
      );
      // A server that is still loading its models has none yet.
      if (languages.target.length === 0) throw unreadableAnswer();
      if (fault && this.#refused) await this.#tryOut(this.#refused);
      if (!this.#languages || fault) log.info("translation works", { provider: translator.name });
      this.#languages = languages;
      this.#looks.worked();
      // A fault that came meanwhile is news this look knows nothing of.
      if (this.#fault === fault) {
        this.#fault = this.#refused = undefined;
        this.#lookIn(REFRESH_MS);
      }
    } catch (error) {
      if (scope.signal.aborted) return;
      if (switchesOff(error)) return this.#switchOff(error);
      const code = error instanceof TranslationError ? error.code : "unexpected";
      if (this.#looks.failures === 0) {
        log.warn("translation languages not known", { provider: translator.name, code });
      }
      const nowMs = clock.now();
      if (!this.#fault) this.#looks.failed(nowMs);
      this.#lookIn(this.#fault ? RECHECK_MS : this.#looks.waitMs(nowMs));
    } finally {
      this.#looking = false;
    }
  }

  /** Rejects unless the provider translates again, or minds the pair alone. */
  async #tryOut(pair: Pair): Promise<void> {
    const { translator, timeoutMs, scope } = this.#options;
    const request = { ...pair, text: TRIAL_TEXT };
    try {
      await this.#bounded((signal) => translator.translate(request, signal), timeoutMs, scope.signal);
      this.#rests.worked(pair);
    } catch (error) {
      if (error instanceof TranslationError && error.code === "translation_unsupported") return;
      throw error;
    }
  }

  #giveUpWaiting(error: TranslationError): void {
    while (this.#waiting.length > 0) this.#giveUp(this.#waiting[0], error, "failed");
  }

  #giveUp(flight: Flight, error: TranslationError, outcome: "timeout" | "failed"): void {
    this.#waiting.splice(this.#waiting.indexOf(flight), 1);
    this.#flights.delete(flight.key);
    this.#rests.notTried(flight.request);
    flight.timer?.[Symbol.dispose]();
    this.#count(outcome);
    flight.result.reject(error);
  }

  #refuse(error: TranslationError): Promise<never> {
    this.#count("refused");
    return Promise.reject(error);
  }

  #count(outcome: "ok" | "cached" | "failed" | "timeout" | "refused"): void {
    this.#options.meter.count("tiro_translations_total", outcome);
  }
}

function over(): TranslationError {
  return translationError("the service is shutting down", "translation_refused");
}

function tooLate(timeoutMs: number): TranslationError {
  return translationError(`no translation within ${timeoutMs} ms`, "translation_timeout");
}

function clean(text: string): string {
  return printable(text).replace(/\s+/g, " ").trim();
}
