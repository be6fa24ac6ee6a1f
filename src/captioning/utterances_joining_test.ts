/** How the pieces of an utterance are joined, in each language. */
import assert from "@std/assert";
import { Utterances } from "./utterances.ts";
import { World } from "./utterances_testing_test.ts";

Deno.test("Words are joined as in the current language", () => {
  const utterances = new Utterances({ speakerId: "s1", languageId: "en", separator: " " });
  const word = (text: string) => utterances.receive({ type: "word", text }, 0);
  word("a");
  utterances.setLanguage("ja", "");
  word("b");
  assert.equal(word("c").at(-1)?.text, "bc");
});

/** Says these as settled pieces; the text of the newest caption after each. */
function pieces(texts: readonly string[], world = new World().hear(true)): string[] {
  return texts.map((text) => world.say({ type: "word", text }).captions.at(-1)?.text ?? "");
}

Deno.test("Pieces that bring their own spaces are joined as they are, others by word and punctuation", () => {
  assert.equal(pieces([" Hello", ",", " how", " are"]).at(-1), "Hello, how are");
  assert.equal(pieces([" trans", "crip", "tion"]).at(-1), "transcription");
  assert.equal(pieces(["Hello", ",", "how", "'s", "it"]).at(-1), "Hello, how's it");
  assert.equal(pieces(["I", "'m"]).at(-1), "I'm");
  assert.equal(pieces(["Hello", " ", "you"]).at(-1), "Hello you");
});

Deno.test("How a session's pieces are joined is kept for its next utterance, and learned again in its next session", () => {
  const world = new World().hear(true);
  pieces([" so", " it", " is"], world);
  world.say({ type: "end_of_utterance" });
  assert.equal(pieces([" trans", "crip", "tion"], world).at(-1), "transcription");
  world.captions.push(...world.utterances.setLanguage("en", " "));
  assert.equal(pieces(["whole", "words"], world).at(-1), "whole words");
});

Deno.test("A mark after its utterance's final begins no utterance", () => {
  const world = new World().hear(true);
  pieces([" over"], world);
  world.say({ type: "end_of_utterance" });
  pieces([".", " And"], world);
  assert.deepEqual(world.texts, ["over", "over!", "And"]);
  const japanese = new World().hear(true).say({ type: "word", text: "はい" }).say({
    type: "end_of_utterance",
  });
  pieces(["。", "では"], japanese);
  assert.deepEqual(japanese.texts.at(-1), "では");
});

Deno.test("Full-width text is as wide as 84 letters after 42 characters, and its clauses end with its own marks", () => {
  for (const mark of ["。", "，", "、", "！"]) {
    const world = new World().hear(true);
    world.say({ type: "word", text: `${"今日".repeat(20)}${mark}` }).say({ type: "word", text: `は${mark}` });
    assert.deepEqual(world.texts, [`${"今日".repeat(20)}${mark}`, `${"今日".repeat(20)}${mark}は${mark}!`]);
  }
  const number = new World().hear(true).say({ type: "word", text: ` ${"x".repeat(90)} 3.` });
  assert.ok(number.captions.every(({ final }) => !final), "3. may become 3.5");
});
