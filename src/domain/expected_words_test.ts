import assert from "@std/assert";
import { expectedWord, expectedWordsFor } from "./expected_words.ts";
import { LIMITS } from "./limits.ts";

const WORDS = { session: ["Kyutai", "Moshi"], names: ["Ada", "Moshi"], server: ["HPB", "Kyutai"] };

Deno.test("A recogniser gets the session's words, then names, then the server's, each once", () => {
  assert.deepEqual(expectedWordsFor({ words: true, isLocal: true }, WORDS), [
    "Kyutai",
    "Moshi",
    "Ada",
    "HPB",
  ]);
});

Deno.test("Names never go to a recogniser that is not local", () => {
  assert.deepEqual(expectedWordsFor({ words: true }, WORDS), ["Kyutai", "Moshi", "HPB"]);
  assert.equal(expectedWordsFor({ words: true }, { names: ["Ada"] }), undefined);
});

Deno.test("A recogniser that takes no words gets none", () => {
  assert.equal(expectedWordsFor({ isLocal: true }, WORDS), undefined);
  assert.equal(expectedWordsFor({ words: true, isLocal: true }, {}), undefined);
});

Deno.test("Of too many words the first are sent", () => {
  const many = Array.from({ length: 3 * LIMITS.expectedWords }, (_, at) => `w${at}`);
  assert.deepEqual(
    expectedWordsFor({ words: true }, { session: ["first"], server: many }),
    ["first", ...many.slice(0, LIMITS.expectedWords - 1)],
  );
});

Deno.test("A word is one line without control characters, has a letter or digit, and is not long", () => {
  assert.equal(expectedWord("  Nextcloud\u0000  Talk\n"), "Nextcloud Talk");
  assert.equal(expectedWord("नमस्ते"), "नमस्ते");
  assert.equal(expectedWord("4711"), "4711");
  assert.equal(expectedWord(" -- "), undefined);
  assert.equal(expectedWord(""), undefined);
  assert.equal(expectedWord("x".repeat(LIMITS.expectedWordChars)), "x".repeat(LIMITS.expectedWordChars));
  assert.equal(expectedWord("x".repeat(LIMITS.expectedWordChars + 1)), undefined);
  assert.equal(expectedWord("x" + " ".repeat(1_000_000) + "y"), undefined);
});
