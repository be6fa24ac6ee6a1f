import assert from "@std/assert";
import { languageOf, languagesOf } from "./language_names.ts";

/** What the Python app (nextcloud/live_transcription 2.1.3) has: its ids, and its names where they are not ours. */
const PYTHON_APP: readonly [id: string, name: string, shownThere?: string][] = [
  ["ar", "العربية", "اَلْعَرَبِيَّةُ"], // with the vowel marks of a textbook
  ["ar_TN", "العربية (تونس)"],
  ["br", "Brezhoneg", "Breton"], // in English
  ["ca", "Català"],
  ["cs", "Čeština"],
  ["de", "Deutsch"],
  ["en", "English"],
  ["eo", "Esperanto"],
  ["es", "Español"],
  ["fa", "فارسی"],
  ["fr", "Français"],
  ["hi", "हिन्दी", "हिंदी"],
  ["it", "Italiano"],
  ["ja", "日本語"],
  ["kk", "Қазақ тілі", "қазақ"],
  ["ko", "한국어", "한국인"], // the people
  ["nl", "Nederlands"],
  ["pl", "Polski"],
  ["pt", "Português"],
  ["ru", "Русский"],
  ["te", "తెలుగు"],
  ["tg", "Тоҷикӣ", "тоҷикӣ"],
  ["tr", "Türkçe"],
  ["uk", "Українська", "українська"],
  ["uz", "O‘zbek", "o'zbek"],
  ["vi", "Tiếng Việt"],
  ["zh", "中文", "中国"], // the country
];

Deno.test("Each of the 27 languages of the Python app has its name, its separator and its direction", () => {
  assert.equal(PYTHON_APP.length, 27);
  assert.deepEqual(
    languagesOf(PYTHON_APP.map(([id]) => id)),
    PYTHON_APP.map(([id, name]) => ({
      id,
      name,
      metadata: { separator: ["ja", "zh"].includes(id) ? "" : " ", rtl: ["ar", "ar_TN", "fa"].includes(id) },
    })),
  );
});

/** Of Whisper, in its order; `jw` and `tl` are its own ids. */
const WHISPER =
  "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy " +
  "sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo " +
  "uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue";

Deno.test("Each language that a recogniser of this service has is named in itself", () => {
  const ids = WHISPER.split(" ");
  assert.equal(ids.length, 100);
  const unnamed = languagesOf(ids).filter(({ id, name }) => name === id);
  assert.deepEqual(unnamed, []);
  const names = new Set(languagesOf(ids).map(({ name }) => name));
  assert.equal(names.size, ids.length);
});

Deno.test("A region is in brackets, a script has its own name, and any spelling is understood", () => {
  const names: readonly [string, string][] = [
    ["pt_BR", "Português (Brasil)"],
    ["EN-us", "English (United States)"],
    ["de-CH", "Deutsch (Schweiz)"],
    ["zh-Hant", "繁體中文"],
    ["zh-Hant-TW", "繁體中文 (台灣)"],
    ["zh_CN", "中文 (中国)"],
    ["iw", "עברית"],
    ["es-419", "Español (Latinoamérica)"],
    ["sw-KE", "Kiswahili (KE)"],
    ["nb", "Norsk"],
    ["sr-Latn", "Српски"],
  ];
  for (const [id, name] of names) assert.deepEqual([languageOf(id).id, languageOf(id).name], [id, name]);
});

Deno.test("An id that is no language is its own name, and a provider's name counts", () => {
  assert.equal(languageOf("multi").name, "multi");
  assert.equal(languageOf("detect_language", "Detect").name, "Detect");
});

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
