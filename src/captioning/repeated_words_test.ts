import assert from "@std/assert";
import type { SttEvent } from "../domain/mod.ts";
import { RepeatedWords } from "./repeated_words.ts";

const word = (text: string): SttEvent => ({ type: "word", text });
const partial = (text: string): SttEvent => ({ type: "partial", text });
const final = (text: string): SttEvent => ({ type: "final", text });

/** Returned by the session before, 300 ms apart; what was said since the third is sent again. */
function after(...events: SttEvent[]): RepeatedWords {
  const repeated = new RepeatedWords();
  events.forEach((event, at) => repeated.returned(event, 300 * at));
  repeated.sentAgain(500, 2_000);
  return repeated;
}

/** What is new of each; null where nothing is left. */
function newOf(repeated: RepeatedWords, events: readonly SttEvent[], sentMs = 1_000): (string | null)[] {
  return events.map((event) => {
    const rest = repeated.new(event, sentMs);
    return rest && "text" in rest ? rest.text : null;
  });
}

const BEFORE = ["The", "old", "north", "window"].map(word);

Deno.test("Words that the next session returns again are not new, however they are spelled", () => {
  const next = ["North", "window,", "is", "window"].map(word);
  assert.deepEqual(newOf(after(...BEFORE), next), [null, null, "is", "window"]);
});

Deno.test("The next session may begin anywhere in what is sent again, or after it", () => {
  assert.deepEqual(newOf(after(...BEFORE), [word("window"), word("is")]), [null, "is"]);
  assert.deepEqual(newOf(after(...BEFORE), [word("is"), word("north")]), ["is", "north"]);
});

Deno.test("Words from before what is sent again are new", () => {
  assert.deepEqual(newOf(after(...BEFORE), ["old", "north"].map(word)), ["old", "north"]);
});

Deno.test("Pieces of words are put together; a word that only begins alike is new", () => {
  const repeated = after(...BEFORE);
  assert.deepEqual(newOf(repeated, [" nor", "th", " win", "d", " blows"].map(word)), [
    null,
    null,
    null,
    null,
    " wind blows",
  ]);
});

Deno.test("Of a hypothesis only what follows the repeated words is new, until its final", () => {
  const repeated = after(...BEFORE);
  assert.deepEqual(
    newOf(repeated, [
      partial("nor"),
      partial("north window"),
      partial("north window is"),
      partial("North window, is op"),
      final("North window, is open."),
      partial("north"),
    ]),
    [null, null, "is", "is op", "is open.", "north"],
  );
});

Deno.test("A hypothesis before is compared by the time its words first appeared", () => {
  const repeated = after(
    partial("the"),
    partial("the old"),
    partial("the old north"),
    partial("the old north win"),
  );
  assert.deepEqual(newOf(repeated, [word("old"), word("north")]), ["old", "north"]);
  const other = after(
    partial("the"),
    partial("the old"),
    partial("the old north"),
    final("the old north winter"),
  );
  assert.deepEqual(newOf(other, [word("north"), word("winter"), word("comes")]), [null, null, "comes"]);
});

Deno.test("A final without text settles the hypothesis, and one that is all repeated is empty", () => {
  const repeated = after(partial("the"), partial("the old"), partial("the old north"), final(""));
  assert.deepEqual(newOf(repeated, [partial("north"), final("North."), word("north")]), [null, "", "north"]);
});

Deno.test("Languages without spaces are compared by their characters", () => {
  const repeated = after(word("今"), word("日"), word("天"), word("气"));
  assert.deepEqual(newOf(repeated, [partial("天气"), partial("天气很好")]), [null, "很好"]);
});

Deno.test("What is said later is new, even if it is the same", () => {
  assert.deepEqual(newOf(after(...BEFORE), [word("north")], 2_100), ["north"]);
});

Deno.test("Without audio sent again everything is new", () => {
  const repeated = new RepeatedWords();
  repeated.returned(word("north"), 0);
  assert.deepEqual(newOf(repeated, [word("north"), partial("north"), { type: "end_of_utterance" }]), [
    "north",
    "north",
    null,
  ]);
});
