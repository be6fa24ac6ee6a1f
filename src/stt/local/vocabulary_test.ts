import assert from "@std/assert";
import { ordinaryWords } from "./vocabulary.ts";

/** As many words as make a vocabulary, and the given ones. */
const tokens = (write: (word: string) => string, ...given: string[]) => {
  const filler = Array.from(
    { length: 3_000 },
    (_, at) => `x${"abcdefghij"[at % 10]}${at.toString(26).replace(/\d/g, "z")}`,
  );
  const distinct = new Set([...filler, ...Array.from({ length: 4_000 }, (_, at) => letters(at))]);
  return [...given.map((each) => `${each} 0`), ...[...distinct].map((word, at) => `${write(word)} ${at}`)]
    .join("\n");
};
const letters = (at: number) => `q${[...`${at}`].map((digit) => "abcdefghij"[Number(digit)]).join("")}`;
const base64 = (text: string) => new TextEncoder().encode(text).toBase64();

Deno.test("Whole words among a model's tokens are ordinary as they are written, pieces are not", () => {
  const given = ["▁garden", "▁Ada", "den", "▁", "▁river's"].map(base64);
  const isOrdinary = ordinaryWords(tokens((word) => base64(`▁${word}`), ...given, "<s>"), "moonshine");
  assert.ok(isOrdinary("garden") && isOrdinary("Ada"));
  for (const other of ["ada", "den", "", "gaarden", "<s>"]) assert.ok(!isOrdinary(other), other);
  const whisper = ordinaryWords(tokens((word) => base64(` ${word}`), base64(" garden")), "whisper");
  assert.ok(whisper("garden") && !whisper("gaarden"));
  const plain = ordinaryWords(tokens((word) => `▁${word}`, "▁garden"), "nemo_transducer");
  assert.ok(plain("garden") && !plain("gaarden"));
});

Deno.test("Of a model with few tokens every word is ordinary", () => {
  const isOrdinary = ordinaryWords("▁the 1\n▁garden 2\nen 3\n", "online_transducer");
  assert.ok(isOrdinary("garden") && isOrdinary("gaarden"));
});
