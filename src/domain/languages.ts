/**
 * Which of the languages offered is the one meant. API clients and users write `de_DE`, `DE` or `zh_CN`; recognisers and
 * translators have `de`, `EN-GB` or `zh-Hans`. Ids are compared as BCP 47 locales with their likely script and region
 * (`Intl.Locale.maximize`, Unicode CLDR), and an answer is always spelled as it is offered.
 *
 * A script is never exchanged for another that is offered by name: who asks for traditional Chinese is not given
 * simplified, except by an offer that says no more than `zh`.
 */

/** What an id says; script and region are the likely ones where it does not. */
interface Locale {
  language: string;
  script?: string;
  region?: string;
  /** Whether the id itself names them. */
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

/** Regions whose variety of a language is nearer to another region's than to the one most speak (CLDR parentLocales). */
const LATIN_AMERICA = "AR BO BR BZ CL CO CR CU DO EC GT HN MX NI PA PE PR PY SV US UY VE";
const US_ENGLISH = "AS GU MH MP PH PR UM US VI";

/** Scripts whose words stand without spaces between them (ISO 15924). */
const SPACELESS_SCRIPTS = new Set(
  "Hans Hant Hani Jpan Hira Kana Bopo Yiii Thai Laoo Khmr Mymr Tibt".split(" "),
);

/** Ids come from callers: so many are remembered, some hundred bytes each. */
const REMEMBERED_MAX = 500;
const remembered = new Map<string, Known>();

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

/** Whether who reads one reads the other: the same language in the same script. */
export function isSameLanguage(one: string, two: string): boolean {
  if (one === two) return true;
  const [a, b] = [known(one), known(two)];
  if (!a.locale || !b.locale) return a.plain === b.plain;
  return a.locale.language === b.locale.language && a.locale.script === b.locale.script;
}

/** What goes between two words of a language, by the script it is likely to be written in. */
export function separatorOf(id: string): string {
  return SPACELESS_SCRIPTS.has(known(id).locale?.script ?? "") ? "" : " ";
}

/** The two or three letters of the language an id is of, for a log: callers may write anything else into one. */
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
  let found = remembered.get(id);
  if (found) return found;
  const plain = plainId(id);
  found = { plain, locale: localeOf(plain) };
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(id, found);
  return found;
}

/** Undefined for what is no locale. */
function localeOf(plain: string): Locale | undefined {
  let said: Intl.Locale;
  try {
    said = new Intl.Locale(plain);
  } catch {
    return undefined;
  }
  const { language, script, region } = said.maximize();
  if (language.length > 3) return undefined; // these exist by the grammar alone: `detect_language` would be one
  return {
    language: language === "nb" ? "no" : language, // Bokmål is what `no` means
    script,
    region,
    hasScript: said.script !== undefined,
    hasRegion: said.region !== undefined,
  };
}
