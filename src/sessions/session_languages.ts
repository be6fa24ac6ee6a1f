/** What the languages a request names mean for a call, and what becomes of those that cannot be had. */
import {
  InvalidRequestError,
  isSameLanguage,
  type Language,
  languageCodeOf,
  type Log,
  type Meter,
  TranslationError,
  type Translations,
} from "../domain/mod.ts";
import type { SpokenLanguages } from "./spoken_languages.ts";

export interface SessionLanguagesOptions {
  spoken: SpokenLanguages;
  /** Without it captions come in the language spoken alone. */
  translations?: Translations;
  log: Log;
  meter: Meter;
}

/** Null for captions as they are said. */
export interface Target {
  targetId: string | null;
  /** Why captions do not come in the language asked for, or not yet. */
  untranslated?: string;
}

export class SessionLanguages {
  readonly #options: SessionLanguagesOptions;

  constructor(options: SessionLanguagesOptions) {
    this.#options = options;
  }

  /** Languages speech can be recognised in. */
  get known(): readonly Language[] {
    return this.#options.spoken.languages;
  }

  /** Language of a request that names none. */
  get defaultId(): string {
    return this.#options.spoken.defaultId;
  }

  /** The recogniser's id for the language of a call. Throws InvalidRequestError. */
  spoken(languageId: string): string {
    return this.#reported(languageId, () => this.#options.spoken.find(languageId));
  }

  /** The same for one that was chosen while the call runs. */
  chosen(languageId: string): string {
    return this.#reported(languageId, () => this.#options.spoken.findChosen(languageId));
  }

  /** The translator's id for a target. Throws InvalidRequestError, TranslationError. */
  target(spokenId: string, wantedId: string): string {
    const { translations } = this.#options;
    if (translations) return translations.resolveTarget(spokenId, wantedId);
    throw new TranslationError("Cannot translate captions: no provider", {
      code: "translation_no_provider",
      retryable: false,
    });
  }

  /**
   * The same for captions that come in any case: the original where nothing else can be had, or is meant. While the
   * provider's languages are not known, the target is kept as it was asked for.
   */
  targetOrOriginal(spokenId: string, wantedId: string | null): Target {
    if (wantedId === null || isSameLanguage(spokenId, wantedId)) return { targetId: null };
    try {
      return { targetId: this.target(spokenId, wantedId) };
    } catch (error) {
      if (!(error instanceof InvalidRequestError) && !(error instanceof TranslationError)) throw error;
      const { log, meter } = this.#options;
      meter.count("transcription_errors_total", "translation_target");
      const why = { code: error.code, language: languageCodeOf(wantedId) };
      if (error.retryable) {
        // Its languages are not known yet: a provider that starts late must not cost the translation of a whole call.
        log.warn("captions asked for in another language before the translator answers", why);
        return { targetId: wantedId, untranslated: error.message };
      }
      log.warn("captions asked for in a language they cannot be translated to", why);
      return { targetId: null, untranslated: error.message };
    }
  }

  /** Talk shows its users only that it failed, so the reason is logged. */
  #reported(languageId: string, find: () => string): string {
    try {
      return find();
    } catch (error) {
      const { log, meter, spoken } = this.#options;
      meter.count("transcription_errors_total", "language");
      log.warn("captions refused: the language of the call is not recognised here", {
        language: languageCodeOf(languageId),
        known: spoken.languages.map(({ id }) => id).join(", "),
      });
      throw error;
    }
  }
}
