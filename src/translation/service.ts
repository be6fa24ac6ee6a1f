/**
 * All translations pass through here: limits the requests to the provider, caches its results, and stops asking while
 * it cannot help. A provider makes one attempt per call; everything around that is here.
 *
 *     translate -> cached? -> already requested? -> queue (64) -> in flight (4) -> provider
 *
 * Nothing is retried: a caption seconds late is worth less than the original at once. A language pair that keeps failing
 * is suspended (pair_backoff.ts); an error that is not retryable disables the provider:
 *
 *     enabled --error that is not retryable--> disabled --a check every minute succeeds--> enabled
 *
 * A check lists the languages, and translates a word where a translation was refused: some servers list their
 * languages without credentials.
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
import { RetryPolicy, type Scope, untilAborted, withTimeout } from "../flow/mod.ts";
import { TranslationCache } from "./cache.ts";
import { isAboutText, isFatal, translationError, unreadableAnswer } from "./errors.ts";
import { boundedLanguages, pairOf } from "./languages.ts";
import { type Pair, PairBackoff } from "./pair_backoff.ts";

export interface TranslationServiceOptions {
  translator: Translator;
  /** Longest wait in the queue, and longest call to the provider, ms. */
  timeoutMs: number;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** A provider gains a language when somebody installs one. */
const REFRESH_MS = 60 * 60_000;
/** How often a disabled provider is checked: somebody may have paid the bill. */
const RECHECK_MS = 60_000;
/** Nothing can be translated until the languages are known: check soon, then less often. */
const LANGUAGES_BACKOFF = { baseMs: 1_000, maxMs: 60_000 };
const LANGUAGES_TIMEOUT_MS = 10_000;
/** Pause after `translation_busy`: about two sentences of one speaker. */
const BUSY_PAUSE_MS = 5_000;
/** Translated by a check: nobody's words, and few. */
const PROBE_TEXT = "Hello";
/**
 * No language needs eight times as many characters as another: more is not a translation. Three bytes each, or escaped,
 * they are 24 or 48 KB of the 64 that the HPB takes.
 */
const TEXT_CHARS_MAX = 8 * LIMITS.utteranceChars;

/** One request to the provider, shared by all callers who want the same. */
interface Pending {
  key: string;
  request: TranslationRequest;
  result: PromiseWithResolvers<string>;
  /** Ends the wait in the queue. */
  timer?: Disposable;
}

export class TranslationService implements Translations {
  readonly #options: TranslationServiceOptions;
  readonly #cache = new TranslationCache({
    entries: LIMITS.translationCacheEntries,
    chars: LIMITS.translationCacheChars,
  });
  /** Queued and in flight, by key; bounded by both. */
  readonly #pending = new Map<string, Pending>();
  readonly #queue: Pending[] = [];
  #inFlight = 0;
  #languages?: TranslationLanguages;
  /** Why the provider is disabled. */
  #fault?: TranslationError;
  /** The pair whose translation was refused with it; absent where listing the languages was refused. */
  #refused?: Pair;
  readonly #pairs: PairBackoff;
  #pausedUntilMs = -Infinity;
  #checkTimer?: Disposable;
  readonly #checks = new RetryPolicy({ backoff: LANGUAGES_BACKOFF, freeFailures: 0 });

  constructor(options: TranslationServiceOptions) {
    this.#options = options;
    const { scope, meter, clock, log, translator } = options;
    this.#pairs = new PairBackoff({ clock, log, provider: translator.name });
    scope.use(
      meter.gaugeBy(
        "tiro_translation_resting",
        "Translations suspended, by reason: language pairs, or the whole provider",
        "reason",
        () => ({ ...this.#pairs.counts(), ...(this.#fault && { provider_off: 1 }) }),
      ),
    );
    scope.use(
      meter.gauge("tiro_translation_queue", "Translations queued or in flight", () => this.#pending.size),
    );
    scope.defer(() => {
      this.#checkTimer?.[Symbol.dispose]();
      this.#rejectQueue(shuttingDown());
    });
    scope.run(() => this.#check());
  }

  get isAvailable(): boolean {
    return this.#fault === undefined;
  }

  get trouble(): TranslationTrouble | undefined {
    const { pair_refused, pair_failing } = this.#pairs.counts();
    if (this.#fault || pair_refused) return "translator_refused";
    return pair_failing || this.#checks.failures > 0 ? "translator_unreachable" : undefined;
  }

  languages(): TranslationLanguages {
    if (this.#fault) throw this.#fault;
    if (this.#languages) return this.#languages;
    throw translationError("the provider's languages are not known yet", "translation_languages_unknown");
  }

  resolveTarget(originId: string, targetId: string): string {
    const pair = pairOf(this.languages(), originId, targetId);
    if (this.#pairs.isRefused(pair)) {
      throw new InvalidRequestError(
        "the provider refuses to translate the language spoken into this one",
        "translationTargetId",
      );
    }
    return pair.targetId;
  }

  translate(asked: TranslationRequest): Promise<string> {
    const { scope, clock, timeoutMs } = this.#options;
    if (scope.signal.aborted) return this.#refuse(shuttingDown());
    let request: TranslationRequest;
    try {
      request = { ...asked, ...pairOf(this.languages(), asked.originId, asked.targetId) };
    } catch (error) {
      if (error instanceof TranslationError) return this.#refuse(error);
      // The session's language or the provider's list has changed since the target was resolved.
      return this.#refuse(translationError("not a pair of the provider", "translation_unsupported"));
    }
    const key = JSON.stringify([request.originId, request.targetId, request.text]);
    const cached = this.#cache.get(key);
    const pending = this.#pending.get(key);
    if (cached !== undefined || pending) {
      this.#count("cached");
      return pending?.result.promise ?? Promise.resolve(cached!);
    }
    const suspended = this.#pairs.suspended(request);
    if (suspended) return this.#refuse(suspended);
    if (clock.now() < this.#pausedUntilMs) {
      return this.#refuse(translationError("the provider asked to wait", "translation_busy"));
    }
    if (this.#queue.length >= LIMITS.translationQueue) {
      return this.#refuse(translationError("too many translations are waiting", "translation_refused"));
    }
    this.#pairs.requested(request);
    const added: Pending = { key, request, result: Promise.withResolvers() };
    this.#pending.set(key, added);
    this.#queue.push(added);
    this.#startNext();
    if (this.#queue.includes(added)) {
      added.timer = clock.timer(timeoutMs, () => this.#reject(added, tooLate(timeoutMs), "timeout"));
    }
    return added.result.promise;
  }

  #startNext(): void {
    const { scope } = this.#options;
    while (this.#inFlight < LIMITS.translationsAtOnce && this.#queue.length > 0 && !scope.signal.aborted) {
      const next = this.#queue.shift()!;
      next.timer?.[Symbol.dispose]();
      this.#inFlight++;
      scope.run((signal) => this.#call(next, signal));
    }
  }

  async #call({ key, request, result }: Pending, ending: AbortSignal): Promise<void> {
    const { translator, timeoutMs, clock, meter } = this.#options;
    const startedMs = clock.now();
    try {
      const answer = await this.#bounded((signal) => translator.translate(request, signal), timeoutMs);
      const text = printable(answer).replace(/\s+/g, " ").trim();
      if (text === "" || text.length > TEXT_CHARS_MAX) throw unreadableAnswer();
      this.#cache.set(key, text);
      this.#pairs.worked(request);
      this.#count("ok");
      meter.observe("tiro_translation_ms", clock.now() - startedMs);
      result.resolve(text);
    } catch (error) {
      result.reject(ending.aborted ? shuttingDown() : this.#failed(request, error, startedMs));
      if (ending.aborted) this.#count("failed");
    } finally {
      this.#pending.delete(key);
      this.#inFlight--;
      this.#startNext();
    }
  }

  #failed(request: TranslationRequest, error: unknown, startedMs: number): TranslationError {
    const known = error instanceof TranslationError ? error : unreadableAnswer();
    const isBusy = known.code === "translation_busy";
    this.#count(known.code === "translation_timeout" ? "timeout" : "failed");
    this.#options.meter.count("transcription_errors_total", known.code);
    if (isBusy || isAboutText(known) || isFatal(known)) this.#pairs.undecided(request);
    else this.#pairs.failed(request, known, startedMs);
    if (isBusy) {
      this.#pausedUntilMs = this.#options.clock.now() + BUSY_PAUSE_MS;
      this.#rejectQueue(known);
    }
    if (isFatal(known)) this.#disable(known, request);
    return known;
  }

  /** The provider's result, or TranslationError after `timeoutMs`, even if the provider ignores its signal. */
  async #bounded<T>(work: (signal: AbortSignal) => Promise<T>, timeoutMs: number): Promise<T> {
    const { scope: { signal }, clock } = this.#options;
    const options = { signal, timeoutMs, late: () => tooLate(timeoutMs), clock };
    return await withTimeout(options, (ending) => untilAborted(work(ending), ending));
  }

  /** Rejects what is queued; calls in flight end on their own. */
  #disable(fault: TranslationError, refused = this.#refused): void {
    const { translator, log } = this.#options;
    if (!this.#fault) log.warn("translation disabled", { provider: translator.name, code: fault.code });
    this.#fault = fault;
    this.#refused = refused && { originId: refused.originId, targetId: refused.targetId };
    this.#rejectQueue(fault);
    this.#checkIn(RECHECK_MS);
  }

  #checkIn(delayMs: number): void {
    const { scope, clock } = this.#options;
    this.#checkTimer?.[Symbol.dispose]();
    this.#checkTimer = clock.timer(delayMs, () => {
      if (!scope.signal.aborted) scope.run(() => this.#check());
    });
  }

  /** Lists the languages, which also shows whether the provider works. Ends before the next check is due. */
  async #check(): Promise<void> {
    const { translator, scope, clock, log } = this.#options;
    const provider = translator.name;
    const fault = this.#fault;
    try {
      const languages = boundedLanguages(
        await this.#bounded((signal) => translator.languages(signal), LANGUAGES_TIMEOUT_MS),
      );
      // A server that is still loading its models has none yet.
      if (languages.target.length === 0) throw unreadableAnswer();
      if (fault && this.#refused) await this.#probe(this.#refused);
      if (!this.#languages || fault) log.info("translation available", { provider });
      this.#languages = languages;
      this.#checks.worked();
      // A fault reported since this check began is not disproved by it.
      if (this.#fault === fault) {
        this.#fault = this.#refused = undefined;
        this.#checkIn(REFRESH_MS);
      }
    } catch (error) {
      if (scope.signal.aborted) return;
      if (isFatal(error)) return this.#disable(error);
      const code = error instanceof TranslationError ? error.code : "unexpected";
      if (this.#checks.failures === 0) log.warn("translation languages unknown", { provider, code });
      const nowMs = clock.now();
      if (!this.#fault) this.#checks.failed(nowMs);
      this.#checkIn(this.#fault ? RECHECK_MS : this.#checks.waitMs(nowMs));
    }
  }

  /** Rejects unless the provider translates again, or refuses this pair only. */
  async #probe(pair: Pair): Promise<void> {
    const { translator, timeoutMs } = this.#options;
    const request = { ...pair, text: PROBE_TEXT };
    try {
      await this.#bounded((signal) => translator.translate(request, signal), timeoutMs);
      this.#pairs.worked(pair);
    } catch (error) {
      if (error instanceof TranslationError && error.code === "translation_unsupported") return;
      throw error;
    }
  }

  #rejectQueue(error: TranslationError): void {
    while (this.#queue.length > 0) this.#reject(this.#queue[0], error, "failed");
  }

  #reject(queued: Pending, error: TranslationError, outcome: "timeout" | "failed"): void {
    this.#queue.splice(this.#queue.indexOf(queued), 1);
    this.#pending.delete(queued.key);
    this.#pairs.undecided(queued.request);
    queued.timer?.[Symbol.dispose]();
    this.#count(outcome);
    queued.result.reject(error);
  }

  #refuse(error: TranslationError): Promise<never> {
    this.#count("refused");
    return Promise.reject(error);
  }

  #count(outcome: "ok" | "cached" | "failed" | "timeout" | "refused"): void {
    this.#options.meter.count("tiro_translations_total", outcome);
  }
}

function shuttingDown(): TranslationError {
  return translationError("the service is shutting down", "translation_refused");
}

function tooLate(timeoutMs: number): TranslationError {
  return translationError(`no translation within ${timeoutMs} ms`, "translation_timeout");
}
