import assert from "@std/assert";
import { cleanText } from "./text.ts";

Deno.test("Doubled marks and note signs are removed", () => {
  assert.equal(
    cleanText(" In short,, the period was  so far like", 3_000),
    "In short, the period was so far like",
  );
  assert.equal(cleanText("Well, , yes!!", 3_000), "Well, yes!");
  assert.equal(cleanText("♪ ♪", 1_000), "");
  assert.equal(cleanText("So......", 1_000), "So...");
  assert.equal(cleanText("...", 1_000), "");
});

Deno.test("A phrase that is repeated faster than anybody speaks counts once", () => {
  const phrase = "It was the worst of times.";
  assert.equal(cleanText(Array(8).fill(phrase).join(" "), 4_000), phrase);
  assert.equal(cleanText(`We said: ${phrase} ${phrase} ${phrase} It was`, 1_500), `We said: ${phrase}`);
  assert.equal(cleanText(`${Array(30).fill("the").join(" ")} end`, 2_000), "the end");
});

Deno.test("A loop is one at any speed", () => {
  assert.equal(cleanText(Array(6).fill("and then").join(" "), 8_000), "and then");
});

Deno.test("What people repeat stays", () => {
  for (
    const said of [
      "No, no, no, no.",
      "It was very, very, very good.",
      "Bye bye. Bye bye.",
      "It was the best of times, it was the worst of times.",
      "One two three, one two three, one two three.",
      "Had had that that",
    ]
  ) assert.equal(cleanText(said, 3_500), said);
});
