/**
 * The languages the recogniser has, and which of them a request means. Talk sends what a moderator chose, which may be
 * what another recogniser had, and nothing for a conversation without a language.
 */
import { ConfigError, foldLanguage, InvalidRequestError, type Language } from "../domain/mod.ts";

/** Used where neither the request nor the operator names a language; what Talk sends to `set-language` for none. */
const TALKS_DEFAULT = "en";

export class SpokenLanguages {
  /** What the recogniser has. */
  readonly languages: readonly Language[];
  readonly #ids: readonly string[];
  /** Of a request that names none. */
  readonly defaultId: string;

  /** `wantedDefault` is LT_DEFAULT_LANGUAGE. Throws ConfigError where it is not recognised. */
  constructor(languages: readonly Language[], wantedDefault: string | undefined) {
    this.languages = languages;
    this.#ids = languages.map(({ id }) => id);
    const found = foldLanguage(wantedDefault ?? TALKS_DEFAULT, this.#ids);
    if (found === undefined && wantedDefault !== undefined) {
      throw new ConfigError([{
        variable: "LT_DEFAULT_LANGUAGE",
        problem: `is not a language speech is recognised in; known are ${this.#ids.join(", ")}`,
        example: this.#ids[0],
      }]);
    }
    this.defaultId = found ?? this.#ids[0];
  }

  /** The recogniser's id for a language. Throws InvalidRequestError that lists those there are. */
  find(languageId: string): string {
    const found = foldLanguage(languageId, this.#ids);
    if (found !== undefined) return found;
    throw new InvalidRequestError(
      `not a language speech is recognised in here; known are ${this.#ids.join(", ")}: ` +
        "a moderator can choose one of them in the settings of the conversation",
      "languageId",
    );
  }

  /** The same for `set-language`, where Talk's word for no language cannot be told from English. */
  findChosen(languageId: string): string {
    const isNone = languageId === TALKS_DEFAULT && foldLanguage(TALKS_DEFAULT, this.#ids) === undefined;
    return isNone ? this.defaultId : this.find(languageId);
  }
}
