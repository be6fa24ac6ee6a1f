import assert from "@std/assert";
import { languageOf, originAmong } from "./languages.ts";

const rtl = (id: string) => languageOf(id, "").metadata.rtl;
const separator = (id: string) => languageOf(id, "").metadata.separator;

Deno.test("Right-to-left languages are known by language, region or not, and by script", () => {
  for (
    const id of [
      "ar",
      "ar-EG",
      "he",
      "iw",
      "fa",
      "fa_IR",
      "ur",
      "yi",
      "ps",
      "sd",
      "ug",
      "ckb",
      "dv",
      "uz-Arab",
    ]
  ) {
    assert.ok(rtl(id), id);
  }
  for (const id of ["en", "de", "ja", "sd-Deva", "es-419", "ku-Latn", "az"]) assert.ok(!rtl(id), id);
});

Deno.test("Languages without spaces have no separator", () => {
  for (
    const id of ["ja", "zh", "zt", "zh-Hans", "zh_CN", "zh-hant-tw", "th", "lo", "km", "my", "bo", "yue"]
  ) {
    assert.equal(separator(id), "", id);
  }
  for (const id of ["ko", "vi", "ar", "en", "zh-Latn", "hi"]) assert.equal(separator(id), " ", id);
});

Deno.test("What is spoken goes by its own id, else without its region, else to be detected", () => {
  const ids = new Set(["en", "pt-br"]);
  assert.equal(originAmong(ids, "pt-br"), "pt-br");
  assert.equal(originAmong(ids, "en_GB"), "en");
  assert.equal(originAmong(ids, "fr"), undefined);
  assert.equal(originAmong(new Set([...ids, "detect_language"]), "fr"), "detect_language");
  assert.equal(originAmong(ids, "en-us"), "en");
  assert.equal(originAmong(["EN-GB", "zh_CN"], "zh-Hans"), "zh_CN");
});
