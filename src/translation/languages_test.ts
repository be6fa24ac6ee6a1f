import assert from "@std/assert";
import { languageOf } from "../domain/mod.ts";
import { originAmong, pairOf } from "./languages.ts";

Deno.test("What is spoken goes by its own id, else without its region, else to be detected", () => {
  const ids = new Set(["en", "pt-br"]);
  assert.equal(originAmong(ids, "pt-br"), "pt-br");
  assert.equal(originAmong(ids, "en_GB"), "en");
  assert.equal(originAmong(ids, "fr"), undefined);
  assert.equal(originAmong(new Set([...ids, "detect_language"]), "fr"), "detect_language");
  assert.equal(originAmong(ids, "en-us"), "en");
  assert.equal(originAmong(["EN-GB", "zh_CN"], "zh-Hans"), "zh_CN");
});

const LIBRETRANSLATE =
  "ar az bg bn ca cs da de el en eo es et eu fa fi fr ga gl he hi hu id it ja ko ky lt lv ms nb nl pl pt pt-BR ro ru sk " +
  "sl sq sr sv th tl tr uk ur vi zh-Hans zh-Hant";
/** Targets; sources have no region. */
const DEEPL =
  "ar bg cs da de el en-gb en-us es es-419 et fi fr he hu id it ja ko lt lv nb nl pl pt-br pt-pt ro ru sk sl sv th tr uk " +
  "vi zh zh-hans zh-hant";
const listed = (ids: string) => {
  const languages = ids.split(" ").map((id) => languageOf(id, id));
  return { origin: languages, target: languages };
};

Deno.test("Whatever is spoken is translated from the provider's own id, into the target of any spelling", () => {
  const cases: readonly [spoken: string, wanted: string, libreTranslate: string, deepl: string][] = [
    ["ar_TN", "de_DE", "ar de", "ar de"],
    ["ar_TN", "EN-us", "ar en", "ar en-us"],
    ["en", "pt_BR", "en pt-BR", "en-us pt-br"],
    ["en", "pt_PT", "en pt", "en-us pt-pt"],
    ["de", "zh_CN", "de zh-Hans", "de zh-hans"],
    ["de", "zh-Hant-TW", "de zh-Hant", "de zh-hant"],
    ["zh", "ja_JP.UTF-8", "zh-Hans ja", "zh ja"],
    ["zh", "zh_TW", "zh-Hans zh-Hant", "zh zh-hant"],
    ["pt", "iw", "pt he", "pt-br he"],
    ["fa", "no", "fa nb", "- nb"],
    ["ko", "es_MX", "ko es", "ko es-419"],
  ];
  for (const [spoken, wanted, libreTranslate, deepl] of cases) {
    for (const [ids, pair] of [[LIBRETRANSLATE, libreTranslate], [DEEPL, deepl]]) {
      const [originId, targetId] = pair.split(" ");
      if (originId === "-") assert.throws(() => pairOf(listed(ids), spoken, wanted), { field: "languageId" });
      else {assert.deepEqual(
          pairOf(listed(ids), spoken, wanted),
          { originId, targetId },
          `${spoken} to ${wanted}`,
        );}
    }
  }
});

Deno.test("A target that those who read the language spoken can read needs no translation, however it is spelled", () => {
  for (
    const [spoken, wanted] of [["ar_TN", "ar"], ["pt", "pt_BR"], ["zh", "zh-Hans-CN"], ["en", "EN-us"], [
      "de",
      "de_AT",
    ]]
  ) {
    assert.throws(() => pairOf(listed(LIBRETRANSLATE), spoken, wanted), /needs no translation/);
  }
});
