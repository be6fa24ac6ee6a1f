/**
 * The recogniser's languages, and which of them a request means: clients may send a language of another recogniser, or
 * none. Where only the recogniser's server knows its languages, it is asked until it answers, then every hour.
 */
import {
  type Clock,
  codeOf,
  ConfigError,
  foldLanguage,
  InvalidRequestError,
  type Language,
  languageCodeOf,
  type Log,
  type Meter,
  type SpeechToText,
  UnavailableError,
} from "../domain/mod.ts";
import { delay, RetryPolicy, type Scope } from "../flow/mod.ts";

export interface SpokenLanguagesOptions {
  stt: Pick<SpeechToText, "languages" | "askLanguages">;
  /** LT_DEFAULT_LANGUAGE. */
  wantedDefault?: string;
  log: Log;
  meter: Meter;
}

/** Used if neither the request nor the operator names a language; some clients send it for no language. */
const DEFAULT = "en";
/** Servers gain languages when somebody installs one. */
const ASK_AGAIN_MS = 60 * 60_000;
/** Named where one is refused: messages and log lines stay short. */
const LISTED_MAX = 40;
/** Nothing can be captioned before the first list. */
const ASK_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };

export class SpokenLanguages {
  readonly #options: SpokenLanguagesOptions;

  /** Throws ConfigError if the default is known not to be recognised. */
  constructor(options: SpokenLanguagesOptions) {
    this.#options = options;
    if (options.stt.askLanguages === undefined) this.#checkDefault();
  }

  /** As far as is known. */
  get languages(): readonly Language[] {
    return this.#options.stt.languages;
  }

  /** For requests that name none. */
  get defaultId(): string {
    const wanted = this.#options.wantedDefault ?? DEFAULT;
    return foldLanguage(wanted, this.#ids) ?? this.#ids.at(0) ?? wanted;
  }

  /** The recogniser's id for a language. Throws InvalidRequestError with a list, UnavailableError while that is unknown. */
  find(languageId: string): string {
    const ids = this.#ids;
    const found = foldLanguage(languageId, ids);
    if (found !== undefined) return found;
    const { log, meter } = this.#options;
    meter.count("transcription_errors_total", "language");
    const known = listed(ids);
    // Clients may show their users only that it failed.
    log.warn("captions refused: the spoken language is not recognised", {
      language: languageCodeOf(languageId),
      known,
    });
    if (ids.length === 0) {
      throw new UnavailableError(
        "Cannot caption: the recogniser has not listed its languages yet; ask again in a moment",
        "languages_unknown",
      );
    }
    throw new InvalidRequestError(
      `not a language speech is recognised in here; known are ${known}: choose one of them`,
      "languageId",
    );
  }

  /** The same for a change during the session, where DEFAULT may mean none. */
  findChosen(languageId: string): string {
    const isNone = languageId === DEFAULT && foldLanguage(DEFAULT, this.#ids) === undefined;
    return isNone ? this.defaultId : this.find(languageId);
  }

  /** Asks the server while the scope lives, if only the server knows. */
  keepAsking({ scope, clock }: { scope: Scope; clock: Clock }): void {
    const { stt, log } = this.#options;
    if (!stt.askLanguages) return;
    const retry = new RetryPolicy({ backoff: ASK_BACKOFF });
    scope.run(async (signal) => {
      for (;;) {
        try {
          await stt.askLanguages?.(signal);
          retry.worked();
          this.#reportDefault();
          await delay(ASK_AGAIN_MS, signal, clock);
        } catch (error) {
          signal.throwIfAborted();
          if (retry.failures === 0) log.warn("recogniser's languages not known", { code: codeOf(error) });
          retry.failed(clock.now(), error);
          await delay(retry.waitMs(clock.now()), signal, clock);
        }
      }
    });
  }

  get #ids(): readonly string[] {
    return this.languages.map(({ id }) => id);
  }

  #checkDefault(): void {
    const { wantedDefault } = this.#options;
    if (wantedDefault === undefined || foldLanguage(wantedDefault, this.#ids) !== undefined) return;
    throw new ConfigError([{
      variable: "LT_DEFAULT_LANGUAGE",
      problem: `is not a language speech is recognised in; known are ${listed(this.#ids)}`,
      example: this.#ids[0],
    }]);
  }

  /** A server's list may change, so the default is only logged. */
  #reportDefault(): void {
    try {
      this.#checkDefault();
    } catch (error) {
      this.#options.log.error("default language not recognised", error);
    }
  }
}

function listed(ids: readonly string[]): string {
  const more = ids.length - LISTED_MAX;
  return ids.slice(0, LISTED_MAX).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
