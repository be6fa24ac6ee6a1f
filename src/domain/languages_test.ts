import assert from "@std/assert";
import { foldLanguage, isSameLanguage, isSameVariety } from "./languages.ts";

const DEEPL = [
  "ar",
  "de",
  "en-gb",
  "en-us",
  "es",
  "es-419",
  "ja",
  "nb",
  "pt-br",
  "pt-pt",
  "zh",
  "zh-hans",
  "zh-hant",
];
const LIBRETRANSLATE = ["ar", "de", "en", "he", "nb", "pt", "pt-BR", "zh-Hans", "zh-Hant"];
const OLD_LIBRETRANSLATE = ["en", "nb", "pb", "pt", "zh", "zt"];
const NEXTCLOUD = ["detect_language", "en", "de", "zh_CN"];

/** What is wanted, what is offered, and which of it that means. */
const CASES: [wanted: string, offered: readonly string[], found: string | undefined][] = [
  // As it stands, whatever the case and the separator.
  ["de", DEEPL, "de"],
  ["DE", DEEPL, "de"],
  ["en_GB", DEEPL, "en-gb"],
  ["zh-CN", NEXTCLOUD, "zh_CN"],
  ["zh-hans", LIBRETRANSLATE, "zh-Hans"],
  [" de ", DEEPL, "de"],
  ["de_DE.UTF-8@euro", DEEPL, "de"],
  // A region more than is offered.
  ["de_DE", DEEPL, "de"],
  ["de-AT", LIBRETRANSLATE, "de"],
  ["fr_CA", ["en", "fr"], "fr"],
  ["pt_BR", ["pt", "en"], "pt"],
  ["pt_BR", DEEPL, "pt-br"],
  ["en-US-posix", ["en", "fr"], "en"],
  ["deu", DEEPL, "de"],
  // A region less.
  ["en", DEEPL, "en-us"],
  ["en", ["de", "en-gb"], "en-gb"],
  ["pt", DEEPL, "pt-br"],
  ["pt", ["pt-pt", "de"], "pt-pt"],
  // Another region: the nearest, else the one most speak, else any.
  ["en_AU", DEEPL, "en-gb"],
  ["en_PH", DEEPL, "en-us"],
  ["es_MX", DEEPL, "es-419"],
  ["es_MX", ["es"], "es"],
  ["pt_AO", DEEPL, "pt-pt"],
  ["pt_AO", LIBRETRANSLATE, "pt"],
  ["en-gb", ["en-in", "en-us"], "en-us"],
  ["fr-BE", ["fr-CA", "de"], "fr-CA"],
  // Scripts: a region tells which one.
  ["zh_CN", DEEPL, "zh-hans"],
  ["zh", LIBRETRANSLATE, "zh-Hans"],
  ["zh_TW", DEEPL, "zh-hant"],
  ["zh-HK", LIBRETRANSLATE, "zh-Hant"],
  ["zh_CN", ["zh", "en"], "zh"],
  ["zh_CN", OLD_LIBRETRANSLATE, "zh"],
  ["zh_TW", OLD_LIBRETRANSLATE, "zt"],
  ["zh_TW", ["zh", "en"], "zh"],
  ["zh_TW", ["zh-hans", "en"], undefined],
  ["sr_Latn", ["sr"], "sr"],
  ["zh-Hans-CN", NEXTCLOUD, "zh_CN"],
  // Ids of other times and places.
  ["iw", LIBRETRANSLATE, "he"],
  ["he", ["iw"], "iw"],
  ["no", LIBRETRANSLATE, "nb"],
  ["nb_NO", ["no"], "no"],
  ["pt_BR", OLD_LIBRETRANSLATE, "pb"],
  ["pt_PT", OLD_LIBRETRANSLATE, "pt"],
  // Nothing like it.
  ["tlh", DEEPL, undefined],
  ["fr", DEEPL, undefined],
  ["", DEEPL, undefined],
  ["auto", NEXTCLOUD, undefined],
  ["detect", NEXTCLOUD, undefined],
  ["../../etc", DEEPL, undefined],
  ["e".repeat(64), DEEPL, undefined],
  ["nn", ["nb"], undefined],
  ["de", [], undefined],
  // What is offered under a name that is no id is found by that name alone.
  ["detect_language", NEXTCLOUD, "detect_language"],
];

for (const [wanted, offered, found] of CASES) {
  const shown = wanted.length > 20 ? `${wanted.slice(0, 20)}..` : wanted;
  Deno.test(`"${shown}" is ${found === undefined ? "none" : `"${found}"`} of ${offered.join(" ")}`, () => {
    assert.equal(foldLanguage(wanted, offered), found);
  });
}

const PYTHON_APP = "ar ar_TN br ca cs de en eo es fa fr hi it ja kk ko nl pl pt ru te tg tr uk uz vi zh"
  .split(" ");
/** Spellings of each, besides its id, that clients, systems and other programs have. */
const SPELLINGS: Readonly<Record<string, string>> = {
  ar: "ar_EG ar-SA AR ar-Arab ara",
  ar_TN: "ar-TN AR-tn ar_TN.UTF-8",
  br: "br_FR br-fr bre",
  ca: "ca_ES ca-valencia ca_ES_VALENCIA cat",
  cs: "cs_CZ cs-cz CS ces",
  de: "de_DE de-at de_CH.UTF-8 de_DE@euro deu",
  en: "EN-us en_GB en_US_POSIX eng",
  eo: "eo_001 EO epo",
  es: "es_ES es-419 es_MX spa",
  fa: "fa_IR fa-AF fas",
  fr: "fr_FR fr-CA fra",
  hi: "hi_IN hi-in hin",
  it: "it_IT it-CH ita",
  ja: "ja_JP ja-JP ja_JP.eucJP jpn",
  kk: "kk_KZ kk-Cyrl-KZ kaz",
  ko: "ko_KR ko-Kore-KR kor",
  nl: "nl_NL nl-BE nld",
  pl: "pl_PL pl-pl pol",
  pt: "pt_BR pt-PT por",
  ru: "ru_RU ru-ua rus",
  te: "te_IN te-in tel",
  tg: "tg_TJ tg-Cyrl tgk",
  tr: "tr_TR tr-cy tur",
  uk: "uk_UA uk-ua ukr",
  uz: "uz_UZ uz-Latn-UZ uz-Cyrl uzb",
  vi: "vi_VN vi-vn vie",
  zh: "zh_CN zh-Hans zh-Hans-CN zh-Hant-TW zh_TW cmn zho",
};

Deno.test("Each language of the Python app is found in every spelling", () => {
  assert.deepEqual(Object.keys(SPELLINGS), PYTHON_APP);
  for (const [id, spellings] of Object.entries(SPELLINGS)) {
    for (const spelling of [id, ...spellings.split(" ")]) {
      assert.equal(foldLanguage(spelling, PYTHON_APP), id, spelling);
    }
  }
});

Deno.test("Two ids are the same language when their words and script are, whatever the region", () => {
  const same = [["en", "en"], ["en", "en-GB"], ["en_US", "en-gb"], ["pt-br", "pt-PT"], ["zh", "zh_CN"], [
    "iw",
    "he",
  ]];
  const other = [["en", "de"], ["zh", "zh-Hant"], ["zh_CN", "zh_TW"], ["sr", "sr-Latn"], [
    "detect_language",
    "de",
  ]];
  for (const [one, two] of same) {
    assert.ok(isSameLanguage(one, two) && isSameLanguage(two, one), `${one} ${two}`);
  }
  for (const [one, two] of other) {
    assert.ok(!isSameLanguage(one, two) && !isSameLanguage(two, one), `${one} ${two}`);
  }
});

Deno.test("Two ids are the same variety when their region is the same too, named or likely", () => {
  for (
    const [one, two] of [["de", "de_DE"], ["pt", "pt-BR"], ["en", "EN-us"], ["zh", "zh_CN"], [
      "zh-Hant",
      "zh_TW",
    ], ["x", "X"]]
  ) {
    assert.ok(isSameVariety(one, two) && isSameVariety(two, one), `${one} ${two}`);
  }
  for (
    const [one, two] of [["ar", "ar_TN"], ["en", "en-GB"], ["pt", "pt_PT"], ["zh", "zh-Hant"], ["de", "en"]]
  ) {
    assert.ok(!isSameVariety(one, two) && !isSameVariety(two, one), `${one} ${two}`);
  }
});

Deno.test("However many ids are looked up, few are cached", () => {
  for (let n = 0; n < 2_000; n++) assert.equal(foldLanguage(`q${n}`, DEEPL), undefined);
  assert.equal(foldLanguage("de_DE", DEEPL), "de");
});
