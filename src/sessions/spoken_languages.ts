/**
 * The languages the recogniser has, and which of them a request means. A front end sends what somebody chose, which may be
 * what another recogniser had, and nothing where nobody chose. Where only the recogniser's server knows its languages, it
 * is asked until it says, and every hour from then on.
 */
import {
  type Clock,
  codeOf,
  ConfigError,
  foldLanguage,
  InvalidRequestError,
  type Language,
  type Log,
  type SpeechToText,
  UnavailableError,
} from "../domain/mod.ts";
import { delay, RetryPolicy, type Scope } from "../flow/mod.ts";

/** Used where neither the request nor the operator names a language; what Talk sends to `set-language` for none. */
const DEFAULT = "en";
/** A server gains a language when somebody installs one. */
const ASK_AGAIN_MS = 60 * 60_000;
/** Until the first list nothing can be captioned: ask soon, then less often. */
const ASK_BACKOFF = { baseMs: 1_000, maxMs: 30_000 };

export class SpokenLanguages {
  readonly #stt: Pick<SpeechToText, "languages" | "askLanguages">;
  readonly #wantedDefault: string | undefined;

  /** `wantedDefault` is LT_DEFAULT_LANGUAGE. Throws ConfigError where it is known not to be recognised. */
  constructor(stt: Pick<SpeechToText, "languages" | "askLanguages">, wantedDefault: string | undefined) {
    this.#stt = stt;
    this.#wantedDefault = wantedDefault;
    if (stt.askLanguages === undefined) this.#checkDefault();
  }

  /** What the recogniser has, as far as is known. */
  get languages(): readonly Language[] {
    return this.#stt.languages;
  }

  /** Of a request that names none. */
  get defaultId(): string {
    const wanted = this.#wantedDefault ?? DEFAULT;
    return foldLanguage(wanted, this.#ids) ?? this.#ids.at(0) ?? wanted;
  }

  /** The recogniser's id for a language. Throws InvalidRequestError that lists those there are; UnavailableError before. */
  find(languageId: string): string {
    const ids = this.#ids;
    if (ids.length === 0) {
      throw new UnavailableError(
        "Cannot caption: the recogniser has not listed its languages yet; ask again in a moment",
        "languages_unknown",
      );
    }
    const found = foldLanguage(languageId, ids);
    if (found !== undefined) return found;
    throw new InvalidRequestError(
      `not a language speech is recognised in here; known are ${ids.join(", ")}: ` +
        "a moderator can choose one of them in the settings of the conversation",
      "languageId",
    );
  }

  /** The same for one that was chosen, where the word for no language cannot be told from English. */
  findChosen(languageId: string): string {
    const isNone = languageId === DEFAULT && foldLanguage(DEFAULT, this.#ids) === undefined;
    return isNone ? this.defaultId : this.find(languageId);
  }

  /** Asks the server for as long as the scope lives, where only that knows. */
  keepAsking({ scope, clock, log }: { scope: Scope; clock: Clock; log: Log }): void {
    const stt = this.#stt;
    if (!stt.askLanguages) return;
    const retry = new RetryPolicy({ backoff: ASK_BACKOFF });
    scope.run(async (signal) => {
      for (;;) {
        try {
          await stt.askLanguages?.(signal);
          retry.worked();
          this.#reportDefault(log);
          await delay(ASK_AGAIN_MS, signal, clock);
        } catch (error) {
          signal.throwIfAborted();
          if (retry.failures === 0) {
            log.warn("the recogniser does not list its languages", { code: codeOf(error) });
          }
          retry.failed(clock.now(), error);
          await delay(retry.waitMs(clock.now()), signal, clock);
        }
      }
    });
  }

  get #ids(): readonly string[] {
    return this.#stt.languages.map(({ id }) => id);
  }

  #checkDefault(): void {
    const wanted = this.#wantedDefault;
    if (wanted === undefined || foldLanguage(wanted, this.#ids) !== undefined) return;
    throw new ConfigError([{
      variable: "LT_DEFAULT_LANGUAGE",
      problem: `is not a language speech is recognised in; known are ${this.#ids.join(", ")}`,
      example: this.#ids[0],
    }]);
  }

  /** A server's list may change, so a default that is not in it ends nothing. */
  #reportDefault(log: Log): void {
    try {
      this.#checkDefault();
    } catch (error) {
      log.error("the default language is not recognised", error);
    }
  }
}
