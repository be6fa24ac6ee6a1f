import assert from "@std/assert";
import type { SttEvent } from "../../domain/mod.ts";
import { COMPLETE_MAX, ITEMS_MAX, TranscriptItems, WAITING_MAX } from "./items.ts";

const partial = (text: string): SttEvent => ({ type: "partial", text });
const final = (text: string): SttEvent => ({ type: "final", text });

Deno.test("Deltas make the hypothesis of the first item, and its transcript replaces it", () => {
  const items = new TranscriptItems();
  assert.deepEqual(items.add("a"), []);
  assert.deepEqual(items.delta("a", "Good"), [partial("Good")]);
  assert.deepEqual(items.delta("a", " morn"), [partial("Good morn")]);
  assert.deepEqual(items.delta("a", ""), []);
  assert.deepEqual(items.complete("a", " Good morning. "), [final("Good morning.")]);
  assert.equal(items.size, 0);
});

Deno.test("Items that complete out of order become final in the order of their audio", () => {
  const items = new TranscriptItems();
  for (const id of ["a", "b", "c"]) items.add(id);
  assert.deepEqual(items.delta("b", "two"), [], "held");
  assert.deepEqual(items.complete("c", "Three."), []);
  assert.deepEqual(items.complete("a", "One."), [final("One."), partial("two")]);
  assert.deepEqual(items.complete("b", "Two."), [final("Two."), final("Three.")]);
});

Deno.test("A failed item keeps what its deltas said", () => {
  const items = new TranscriptItems();
  items.delta("a", "half a");
  assert.deepEqual(items.complete("a"), [final("half a")]);
  items.add("b");
  assert.deepEqual(items.complete("b"), []);
});

Deno.test("A silent item has no final, and does not keep others waiting", () => {
  const items = new TranscriptItems();
  items.add("a");
  items.add("b");
  assert.deepEqual(items.complete("b", "Two."), []);
  assert.deepEqual(items.complete("a", " "), [final("Two.")]);
});

Deno.test("Messages of a complete item have no effect", () => {
  const items = new TranscriptItems();
  items.complete("a", "One.");
  assert.deepEqual([items.delta("a", "x"), items.complete("a", "One."), items.add("a")], [[], [], []]);
  items.add("b");
  items.add("c");
  items.complete("c", "Three.");
  assert.deepEqual([items.delta("c", "x"), items.complete("c", "other")], [[], []]);
  assert.equal(items.size, 2);
});

Deno.test("An item whose transcription was lost is given up, with what there is of it", () => {
  const items = new TranscriptItems();
  items.delta("lost", "half");
  const events = Array.from({ length: WAITING_MAX + 1 }, (_, at) => items.complete(`${at}`, `Item ${at}.`));
  assert.deepEqual(events.slice(0, WAITING_MAX).flat(), []);
  assert.deepEqual(events[WAITING_MAX], [final("half"), ...events.map((_, at) => final(`Item ${at}.`))]);
});

Deno.test("An item that was given up without a word is final when its transcript arrives", () => {
  const items = new TranscriptItems();
  for (const id of ["late", "half"]) items.add(id);
  items.delta("half", "half");
  for (let at = 0; at <= WAITING_MAX; at++) items.complete(`${at}`, `Item ${at}.`);
  items.delta("next", "so far");
  assert.deepEqual(items.complete("late", " Late. "), [final("Late."), { type: "partial", text: "so far" }]);
  assert.deepEqual([items.complete("late", "Late."), items.complete("half", "half a sentence")], [[], []]);
});

Deno.test("Items and their text are bounded", () => {
  const items = new TranscriptItems();
  for (let at = 0; at < 10 * ITEMS_MAX; at++) {
    items.add(`open-${at}`);
    assert.ok(items.size <= ITEMS_MAX);
  }
  for (let at = 0; at < 10 * COMPLETE_MAX; at++) items.complete(`complete-${at}`, "x");
  const long = new TranscriptItems();
  let last: SttEvent | undefined;
  for (let at = 0; at < 100; at++) [last] = long.delta("a", "x".repeat(1_000));
  assert.equal(last && "text" in last ? last.text.length : 0, 16_000);
});

Deno.test("At the end what there is of each item is final", () => {
  const items = new TranscriptItems();
  items.add("a");
  items.delta("b", "two");
  items.delta("c", "three");
  assert.deepEqual(items.end(), [final("two"), final("three")]);
  assert.deepEqual(items.end(), []);
});
