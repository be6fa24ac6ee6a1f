/**
 * Languages as front ends show them: a record from an id. Every provider makes its list with it, so that one language has
 * one name, separator and direction.
 *
 * Names are in the language itself, as Unicode CLDR has them, with a capital where the script has one: lists show them
 * alone. Deno's ICU has half of them, and each costs 0.3 MB of memory in every process, so they are here.
 */
import type { Language } from "./captions.ts";
import { isRightToLeft, localePartsOf, separatorOf } from "./languages.ts";

/** By language; by language and script, or region, where that has a name of its own. */
const NAMES: Readonly<Record<string, string>> = {
  af: "Afrikaans",
  am: "አማርኛ",
  ar: "العربية",
  as: "অসমীয়া",
  az: "Azərbaycan",
  ba: "Башҡорт",
  be: "Беларуская",
  bg: "Български",
  bn: "বাংলা",
  bo: "བོད་སྐད་",
  br: "Brezhoneg",
  bs: "Bosanski",
  ca: "Català",
  cs: "Čeština",
  cy: "Cymraeg",
  da: "Dansk",
  de: "Deutsch",
  el: "Ελληνικά",
  en: "English",
  eo: "Esperanto",
  es: "Español",
  et: "Eesti",
  eu: "Euskara",
  fa: "فارسی",
  fi: "Suomi",
  fil: "Filipino",
  fo: "Føroyskt",
  fr: "Français",
  ga: "Gaeilge",
  gl: "Galego",
  gu: "ગુજરાતી",
  ha: "Hausa",
  haw: "ʻŌlelo Hawaiʻi",
  he: "עברית",
  hi: "हिन्दी",
  hr: "Hrvatski",
  ht: "Kreyòl Ayisyen",
  hu: "Magyar",
  hy: "Հայերեն",
  id: "Indonesia",
  is: "Íslenska",
  it: "Italiano",
  ja: "日本語",
  jv: "Jawa",
  ka: "ქართული",
  kk: "Қазақ тілі",
  km: "ខ្មែរ",
  kn: "ಕನ್ನಡ",
  ko: "한국어",
  la: "Latina",
  lb: "Lëtzebuergesch",
  ln: "Lingála",
  lo: "ລາວ",
  lt: "Lietuvių",
  lv: "Latviešu",
  mg: "Malagasy",
  mi: "Māori",
  mk: "Македонски",
  ml: "മലയാളം",
  mn: "Монгол",
  mr: "मराठी",
  ms: "Melayu",
  mt: "Malti",
  my: "မြန်မာ",
  ne: "नेपाली",
  nl: "Nederlands",
  nn: "Norsk nynorsk",
  no: "Norsk",
  oc: "Occitan",
  pa: "ਪੰਜਾਬੀ",
  pl: "Polski",
  ps: "پښتو",
  pt: "Português",
  ro: "Română",
  ru: "Русский",
  sa: "संस्कृतम्",
  sd: "سنڌي",
  si: "සිංහල",
  sk: "Slovenčina",
  sl: "Slovenščina",
  sn: "ChiShona",
  so: "Soomaali",
  sq: "Shqip",
  sr: "Српски",
  su: "Basa Sunda",
  sv: "Svenska",
  sw: "Kiswahili",
  ta: "தமிழ்",
  te: "తెలుగు",
  tg: "Тоҷикӣ",
  th: "ไทย",
  tk: "Türkmen dili",
  tr: "Türkçe",
  tt: "Татар",
  uk: "Українська",
  ur: "اردو",
  uz: "O‘zbek",
  vi: "Tiếng Việt",
  yi: "ייִדיש",
  yo: "Èdè Yorùbá",
  yue: "粵語",
  zh: "中文",
  "zh-Hans": "简体中文",
  "zh-Hant": "繁體中文",
};

/** Regions of the varieties that recognisers offer, in their language. */
const REGIONS: Readonly<Record<string, string>> = {
  "ar-EG": "مصر",
  "ar-MA": "المغرب",
  "ar-SA": "السعودية",
  "ar-TN": "تونس",
  "de-AT": "Österreich",
  "de-CH": "Schweiz",
  "de-DE": "Deutschland",
  "en-AU": "Australia",
  "en-CA": "Canada",
  "en-GB": "United Kingdom",
  "en-IE": "Ireland",
  "en-IN": "India",
  "en-NZ": "New Zealand",
  "en-US": "United States",
  "en-ZA": "South Africa",
  "es-419": "Latinoamérica",
  "es-AR": "Argentina",
  "es-ES": "España",
  "es-MX": "México",
  "es-US": "Estados Unidos",
  "fr-BE": "Belgique",
  "fr-CA": "Canada",
  "fr-CH": "Suisse",
  "fr-FR": "France",
  "it-CH": "Svizzera",
  "nl-BE": "België",
  "nl-NL": "Nederland",
  "pt-BR": "Brasil",
  "pt-PT": "Portugal",
  "zh-CN": "中国",
  "zh-HK": "香港",
  "zh-SG": "新加坡",
  "zh-TW": "台灣",
};

/** A language by an id such as `de`, `pt-BR` or `zh_Hans`; `name` where its provider has one. */
export function languageOf(id: string, name = nameOf(id)): Language {
  return { id, name, metadata: { separator: separatorOf(id), rtl: isRightToLeft(id) } };
}

export function languagesOf(ids: readonly string[]): readonly Language[] {
  return ids.map((id) => languageOf(id));
}

/** With its region in brackets: `Português (Brasil)`. Its id where it has no name here. */
function nameOf(id: string): string {
  const { language, script, region } = localePartsOf(id);
  const name = script && NAMES[`${language}-${script}`] || NAMES[language];
  if (name === undefined || region === undefined) return name ?? id;
  return `${name} (${REGIONS[`${language}-${region}`] ?? region})`;
}
