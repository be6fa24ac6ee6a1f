import assert from "@std/assert";
import type { Transcript } from "../fakes/call.ts";
import { utterancesOf, wordErrorRate } from "./word_errors.ts";

Deno.test("The word error rate counts words inserted, deleted and replaced, against the words spoken", () => {
  assert.equal(wordErrorRate("one two three four", "one two three four"), 0);
  assert.equal(wordErrorRate("One two, three four.", "one TWO three four"), 0);
  assert.equal(wordErrorRate("one two three four", "one too three four"), 1 / 4);
  assert.equal(wordErrorRate("one two three four", "one three four"), 1 / 4);
  assert.equal(wordErrorRate("one two three four", "uh one two three four"), 1 / 4);
  assert.equal(wordErrorRate("one two three four", "two three four one"), 2 / 4);
  assert.equal(wordErrorRate("one two", ""), 1);
  assert.equal(wordErrorRate("one", "a b c"), 3);
  assert.equal(wordErrorRate("the meeting starts", "meeting the starts early"), 1);
  assert.throws(() => wordErrorRate(" .", "one"), RangeError);
});

Deno.test("A speaker's captions fall into utterances at their finals", () => {
  const transcript = (message: string, final = false, speakerSessionId = "s"): Transcript => (
    { message, final, speakerSessionId, langId: "en", atMs: 0 }
  );
  const transcripts = [
    transcript("a"),
    transcript("other", true, "t"),
    transcript("a b"),
    transcript("a b c", true),
    transcript("d", true),
    transcript("unfinished"),
  ];
  assert.deepEqual(utterancesOf(transcripts, "s"), [
    { partials: ["a", "a b"], final: "a b c" },
    { partials: [], final: "d" },
  ]);
});
