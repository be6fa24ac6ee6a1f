/**
 * What is known of a language by its id alone: how its words are set apart, which way its script runs, and what a
 * provider calls the language spoken. From Unicode CLDR's `characterOrder` and, for scripts without spaces between
 * words, UAX #14 (Complex Context and Ideographic).
 */
import {
  foldLanguage,
  InvalidRequestError,
  isSameLanguage,
  type Language,
  printable,
  tidy,
  type TranslationLanguages,
} from "../domain/mod.ts";

/** TaskProcessing's id for letting the provider find out what it is translating from. */
export const DETECTED_ORIGIN = "detect_language";

/** `iw` and `ji` are the old ids of Hebrew and Yiddish. */
const RTL_LANGUAGES = new Set(
  "ar arc arz ckb dv fa he iw ji ks lrc mzn nqo pnb prs ps sd syr ug ur yi".split(" "),
);
const RTL_SCRIPTS = new Set(["adlm", "arab", "hebr", "mand", "nkoo", "rohg", "samr", "syrc", "thaa"]);
/** `zt` is LibreTranslate's traditional Chinese. */
const SPACELESS_LANGUAGES = new Set("bo dz ja km lo my th wuu yue zh zt".split(" "));
const SPACELESS_SCRIPTS = new Set(["hans", "hant", "jpan", "khmr", "laoo", "mymr", "thai", "tibt"]);

/** An id as `de`, `pt-BR`, `zh_Hans`; where a script is named, it decides. */
export function languageOf(id: string, name: string): Language {
  const [language, ...rest] = id.toLowerCase().split(/[-_]/);
  const script = rest.find((part) => /^[a-z]{4}$/.test(part));
  const rtl = script ? RTL_SCRIPTS.has(script) : RTL_LANGUAGES.has(language);
  const spaceless = script ? SPACELESS_SCRIPTS.has(script) : SPACELESS_LANGUAGES.has(language);
  return { id, name, metadata: { separator: spaceless ? "" : " ", rtl } };
}

/** Past any provider's list: DeepL has 40, NLLB 200. Every request for the languages is answered with all of them. */
const LANGUAGES_MAX = 1_000;
/** The longest BCP 47 tag in use (RFC 5646, section 4.4.1). */
const ID_CHARS_MAX = 35;
const NAME_CHARS_MAX = 100;

/** What a provider lists, as far as it makes sense: it goes to every front end. */
export function boundedLanguages({ origin, target }: TranslationLanguages): TranslationLanguages {
  return { origin: boundedList(origin), target: boundedList(target) };
}

function boundedList(languages: readonly Language[]): Language[] {
  const known = languages.filter(({ id }) => id.length <= ID_CHARS_MAX && printable(id) === id);
  return known.slice(0, LANGUAGES_MAX)
    .map((language) => ({ ...language, name: tidy(language.name.slice(0, NAME_CHARS_MAX)) }));
}

/** The language without its region and script. */
export function baseOf(id: string): string {
  return id.split(/[-_]/)[0].toLowerCase();
}

/** What a provider calls the language spoken; else its own word for finding out; undefined if it has neither. */
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
