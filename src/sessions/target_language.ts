/** The language a viewer's captions are translated into, and what happens if that is not possible. */
import {
  InvalidRequestError,
  isSameLanguage,
  languageCodeOf,
  type Log,
  type Meter,
  TranslationError,
  type Translations,
} from "../domain/mod.ts";

/** Null for captions in the spoken language. */
export interface Target {
  targetId: string | null;
  /** Why captions do not come in the requested language, or not yet. */
  untranslated?: string;
}

/** The translator's id for a language. Throws InvalidRequestError, TranslationError. */
export function targetLanguage(
  translations: Translations | undefined,
  spokenId: string,
  wantedId: string,
): string {
  if (translations) return translations.resolveTarget(spokenId, wantedId);
  throw new TranslationError("Cannot translate captions: no provider", {
    code: "translation_no_provider",
    retryable: false,
  });
}

/** The same, but captions stay in the spoken language where no other is possible or needed. */
export function targetOrSpoken(
  { translations, log, meter }: { translations?: Translations; log: Log; meter: Meter },
  spokenId: string,
  wantedId: string | null,
): Target {
  if (wantedId === null || isSameLanguage(spokenId, wantedId)) return { targetId: null };
  try {
    return { targetId: targetLanguage(translations, spokenId, wantedId) };
  } catch (error) {
    if (!(error instanceof InvalidRequestError) && !(error instanceof TranslationError)) throw error;
    meter.count("transcription_errors_total", "translation_target");
    const fields = { code: error.code, language: languageCodeOf(wantedId) };
    if (error.retryable) {
      // The translator's languages are not known yet: one that starts late must not cost the whole session's translation.
      log.warn("translation requested before the translator's languages are known", fields);
      return { targetId: wantedId, untranslated: error.message };
    }
    log.warn("translation requested into an unavailable language", fields);
    return { targetId: null, untranslated: error.message };
  }
}
