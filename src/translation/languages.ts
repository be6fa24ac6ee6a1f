/** Languages as translation providers list them: the bounds of a list, and the ids of a pair. */
import {
  foldLanguage,
  InvalidRequestError,
  isSameLanguage,
  type Language,
  printable,
  tidy,
  type TranslationLanguages,
} from "../domain/mod.ts";

/** TaskProcessing's id for letting the provider detect the source language. */
const DETECTED_ORIGIN = "detect_language";

/** Past any provider's list: DeepL has 40, NLLB 200. Every request for the languages is answered with all of them. */
const LANGUAGES_MAX = 1_000;
/** The longest BCP 47 tag in use (RFC 5646, section 4.4.1). */
const ID_CHARS_MAX = 35;
const NAME_CHARS_MAX = 100;

/** A provider's list, as far as it is safe to send to every front end. */
export function boundedLanguages({ origin, target }: TranslationLanguages): TranslationLanguages {
  return { origin: boundedList(origin), target: boundedList(target) };
}

function boundedList(languages: readonly Language[]): Language[] {
  const known = languages.filter(({ id }) => id.length <= ID_CHARS_MAX && printable(id) === id);
  return known.slice(0, LANGUAGES_MAX)
    .map((language) => ({ ...language, name: tidy(language.name.slice(0, NAME_CHARS_MAX)) }));
}

/** The provider's id for the language spoken; else its id for detection; undefined if it has neither. */
export function originAmong(ids: Iterable<string>, id: string): string | undefined {
  const known = [...ids];
  return foldLanguage(id, known) ?? known.find((each) => each === DETECTED_ORIGIN);
}

/** The provider's ids for a pair. Throws InvalidRequestError that lists the known ones. */
export function pairOf(
  { origin, target }: TranslationLanguages,
  spokenId: string,
  wantedId: string,
): { originId: string; targetId: string } {
  if (isSameLanguage(spokenId, wantedId)) {
    throw new InvalidRequestError("the language spoken needs no translation", "translationTargetId");
  }
  const [origins, targets] = [origin, target].map((languages) => languages.map(({ id }) => id));
  const targetId = foldLanguage(wantedId, targets);
  if (targetId === undefined) {
    throw new InvalidRequestError(
      `not a language the provider translates to; known are ${targets.join(", ")}`,
      "translationTargetId",
    );
  }
  const originId = originAmong(origins, spokenId);
  if (originId === undefined) {
    throw new InvalidRequestError(
      `the provider does not translate the language spoken; known are ${origins.join(", ")}`,
      "languageId",
    );
  }
  return { originId, targetId };
}
