import assert from "@std/assert";
import { fittingWords } from "./words.ts";

Deno.test("The first words are taken, each once, while they fit", () => {
  assert.deepEqual(fittingWords([" Ada ", "", "Ada", "Bo Li"], { bytesMax: 100 }), ["Ada", "Bo Li"]);
  assert.deepEqual(fittingWords(["abc", "de", "f"], { bytesMax: 9 }), ["abc", "de"]);
  assert.deepEqual(fittingWords(["abcdefgh", "a"], { bytesMax: 7 }), []);
  assert.deepEqual(fittingWords(["語", "語学"], { bytesMax: 10 }), ["語"]);
  assert.deepEqual(fittingWords(["a", "b", "c"], { bytesMax: 100, countMax: 2 }), ["a", "b"]);
});
