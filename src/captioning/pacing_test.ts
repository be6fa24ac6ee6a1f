import assert from "@std/assert";
import type { Caption } from "../domain/mod.ts";
import { Pacing } from "./pacing.ts";

const caption = (text: string, final = false, utterance = 0): Caption => ({
  speakerId: "s1",
  utterance,
  revision: 0,
  languageId: "en",
  text,
  final,
  spoken: { startMs: 0, endMs: 0 },
  receivedAtMs: 0,
});
const texts = (captions: readonly Caption[]) => captions.map(({ text }) => text);

Deno.test("The first partial passes at once, later ones every 300 ms with the newest text", () => {
  const pacing = new Pacing({ partials: true });
  assert.deepEqual(texts(pacing.receive(caption("a"), 0)), ["a"]);
  assert.deepEqual(texts(pacing.receive(caption("a b"), 100)), []);
  assert.deepEqual(texts(pacing.receive(caption("a b c"), 200)), []);
  assert.equal(pacing.nextDeadline(), 300);
  assert.deepEqual(texts(pacing.due(299)), []);
  assert.deepEqual(texts(pacing.due(300)), ["a b c"]);
  assert.equal(pacing.nextDeadline(), undefined);
});

Deno.test("A final passes at once, takes the held partial with it, and frees the next utterance's first partial", () => {
  const pacing = new Pacing({ partials: true });
  pacing.receive(caption("a"), 0);
  pacing.receive(caption("a b"), 10);
  assert.deepEqual(texts(pacing.receive(caption("a b.", true), 20)), ["a b."]);
  assert.deepEqual(texts(pacing.due(1_000)), []);
  assert.deepEqual(texts(pacing.receive(caption("c", false, 1), 30)), ["c"]);
});

Deno.test("With partials off only finals pass", () => {
  const pacing = new Pacing({ partials: false });
  assert.deepEqual(texts(pacing.receive(caption("a"), 0)), []);
  assert.equal(pacing.nextDeadline(), undefined);
  assert.deepEqual(texts(pacing.receive(caption("a.", true), 1)), ["a."]);
});
