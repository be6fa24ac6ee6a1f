/**
 * Matching of language ids. API clients and users write `de_DE`, `DE` or `zh_CN`; recognisers and translators have `de`,
 * `EN-GB` or `zh-Hans`. Ids are compared as BCP 47 locales with their likely script and region (`Intl.Locale.maximize`,
 * Unicode CLDR); a result is spelled as offered.
 *
 * A script never matches another one offered by name: traditional Chinese is not simplified, but `zh` may be either.
 */

/** Script and region are the likely ones where the id has none. */
interface Locale {
  language: string;
  script?: string;
  region?: string;
  /** Whether the id has them. */
  hasScript: boolean;
  hasRegion: boolean;
}

interface Known {
  /** Lower case, with hyphens. */
  plain: string;
  /** Absent where the id is no locale. */
  locale?: Locale;
}

/** Ids that are no locales: LibreTranslate had its own for two variants. */
const OWN_IDS: Readonly<Record<string, string>> = { pb: "pt-br", zt: "zh-hant" };

/** Regions nearer to another region's variety than to the most spoken one (CLDR parentLocales). */
const LATIN_AMERICA = "AR BO BR BZ CL CO CR CU DO EC GT HN MX NI PA PE PR PY SV US UY VE";
const US_ENGLISH = "AS GU MH MP PH PR UM US VI";

/** Scripts without spaces between words (ISO 15924). */
const SPACELESS_SCRIPTS = new Set(
  "Hans Hant Hani Jpan Hira Kana Bopo Yiii Thai Laoo Khmr Mymr Tibt".split(" "),
);

/** Ids come from clients: the cache is bounded, at some hundred bytes each. */
const CACHED_MAX = 500;
const cache = new Map<string, Known>();

/** The id among `offered` that means `wanted`; undefined where none does. */
export function foldLanguage(wanted: string, offered: Iterable<string>): string | undefined {
  const { plain, locale } = known(wanted);
  let found: string | undefined;
  let best = Infinity;
  for (const id of offered) {
    const offer = known(id);
    if (offer.plain === plain) return id;
    const distance = locale && offer.locale ? distanceOf(locale, offer.locale) : Infinity;
    if (distance < best) [found, best] = [id, distance];
  }
  return found;
}

/** Whether readers of one can read the other: the same language in the same script. */
export function isSameLanguage(one: string, two: string): boolean {
  if (one === two) return true;
  const [a, b] = [known(one), known(two)];
  if (!a.locale || !b.locale) return a.plain === b.plain;
  return a.locale.language === b.locale.language && a.locale.script === b.locale.script;
}

/** Whether both are one variety of a language, with the likely script and region where they have none: `de` and `de_DE`. */
export function isSameVariety(one: string, two: string): boolean {
  const [a, b] = [known(one), known(two)];
  if (!a.locale || !b.locale) return a.plain === b.plain;
  return isSameLanguage(one, two) && a.locale.region === b.locale.region;
}

/** Between two words of a language, by its likely script. */
export function separatorOf(id: string): string {
  return SPACELESS_SCRIPTS.has(known(id).locale?.script ?? "") ? "" : " ";
}

/** By the direction of its script (Unicode CLDR); false for an id that is no locale. */
export function isRightToLeft(id: string): boolean {
  const { locale } = known(id);
  if (!locale) return false;
  return new Intl.Locale(locale.language, { script: locale.script }).getTextInfo().direction === "rtl";
}

/** What the id names: the language, with the script and region only where it has them. */
export function localePartsOf(id: string): { language: string; script?: string; region?: string } {
  const { plain, locale } = known(id);
  if (!locale) return { language: plain };
  const { language, script, region, hasScript, hasRegion } = locale;
  return { language, ...(hasScript && { script }), ...(hasRegion && { region }) };
}

/** The two or three letters of the language, for logs: the rest of an id may be anything. */
export function languageCodeOf(id: string): string | undefined {
  return known(id).locale?.language;
}

/** Smaller is nearer; Infinity for another language. */
function distanceOf(wanted: Locale, offer: Locale): number {
  if (wanted.language !== offer.language) return Infinity;
  if (wanted.script !== offer.script) return offer.hasScript || offer.hasRegion ? Infinity : 5;
  if (!offer.hasRegion) return wanted.hasRegion ? (offer.hasScript ? 2 : 2.5) : 0;
  if (wanted.region === offer.region) return wanted.hasRegion ? 0 : 1;
  if (nearestRegion(wanted) === offer.region) return 1;
  return known(wanted.language).locale?.region === offer.region ? 3 : 4;
}

function nearestRegion({ language, region = "", hasRegion }: Locale): string | undefined {
  if (!hasRegion) return undefined;
  if (language === "en") return US_ENGLISH.includes(region) ? "US" : "GB";
  if (language === "es") return LATIN_AMERICA.includes(region) ? "419" : "ES";
  if (language === "pt") return region === "BR" ? "BR" : "PT";
  return undefined;
}

/** `de-de` of `de_DE.UTF-8@euro`. */
function plainId(id: string): string {
  const plain = id.trim().toLowerCase().replace(/[.@].*$/s, "").replaceAll("_", "-");
  return Object.hasOwn(OWN_IDS, plain) ? OWN_IDS[plain] : plain;
}

function known(id: string): Known {
  let found = cache.get(id);
  if (found) return found;
  const plain = plainId(id);
  found = { plain, locale: localeOf(plain) };
  if (cache.size >= CACHED_MAX) cache.clear();
  cache.set(id, found);
  return found;
}

/** Undefined for what is no locale. */
function localeOf(plain: string): Locale | undefined {
  let given: Intl.Locale;
  try {
    given = new Intl.Locale(plain);
  } catch {
    return undefined;
  }
  const { language, script, region } = given.maximize();
  if (language.length > 3) return undefined; // valid by the grammar alone, like `detect_language`
  return {
    language: language === "nb" ? "no" : language, // Bokmål is what `no` means
    script,
    region,
    hasScript: given.script !== undefined,
    hasRegion: given.region !== undefined,
  };
}
