import assert from "@std/assert";
import { originAmong } from "./languages.ts";

Deno.test("What is spoken goes by its own id, else without its region, else to be detected", () => {
  const ids = new Set(["en", "pt-br"]);
  assert.equal(originAmong(ids, "pt-br"), "pt-br");
  assert.equal(originAmong(ids, "en_GB"), "en");
  assert.equal(originAmong(ids, "fr"), undefined);
  assert.equal(originAmong(new Set([...ids, "detect_language"]), "fr"), "detect_language");
  assert.equal(originAmong(ids, "en-us"), "en");
  assert.equal(originAmong(["EN-GB", "zh_CN"], "zh-Hans"), "zh_CN");
});
