import assert from "@std/assert";
import type { ExpectedWords } from "../domain/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { SessionWords, wordsTakenBy } from "./session_words.ts";

function rig(taken = { words: true, names: true }) {
  const clock = new FakeClock();
  const sent: ExpectedWords[] = [];
  const words = new SessionWords(taken, clock, (each) => sent.push(each));
  return { clock, sent, words };
}

Deno.test("A changed list is sent at once, and what is not given stays", () => {
  const { words, sent } = rig();
  words.set({ session: ["Moshi"] });
  assert.deepEqual(sent, [{ session: ["Moshi"] }]);
  words.set({ names: ["Ada"] });
  assert.deepEqual(words.current, { session: ["Moshi"], names: ["Ada"] });
});

Deno.test("However often a list changes, it is sent every five seconds at most, and the newest at last", async () => {
  const { words, sent, clock } = rig();
  words.set({ session: ["Moshi"] });
  for (let at = 0; at < 500; at++) words.set({ names: [`n${at}`] });
  await clock.advance(4_999);
  assert.equal(sent.length, 1);
  assert.equal(clock.pending, 1);
  await clock.advance(1);
  assert.deepEqual(sent[1], { session: ["Moshi"], names: ["n499"] });
  assert.equal(clock.pending, 0);
});

Deno.test("A list that is set again as it was is not sent again", async () => {
  const { words, sent, clock } = rig();
  words.set({});
  words.set({ session: undefined });
  assert.deepEqual(sent, []);
  words.set({ session: ["Moshi"] });
  await clock.advance(60_000);
  words.set({ session: ["Moshi"] });
  assert.equal(sent.length, 1);
  words.set({ session: [] });
  assert.deepEqual(sent[1], { session: [] });
});

Deno.test("What no recogniser takes is neither kept nor sent", () => {
  for (const taken of [{ words: false, names: false }, { words: true, names: false }]) {
    const { words, sent } = rig(taken);
    words.set({ session: ["Moshi"], names: ["Ada"] });
    assert.deepEqual(words.current, taken.words ? { session: ["Moshi"] } : {});
    assert.equal(sent.length, Number(taken.words));
  }
});

Deno.test("A session that ends leaves no timer", () => {
  const { words, clock } = rig();
  words.set({ session: ["Moshi"] });
  words.set({ session: ["Kyutai"] });
  words[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});

Deno.test("Names are taken if one of the recognisers takes words and is local", () => {
  const of = (...each: { words?: true; isLocal?: true }[]) =>
    wordsTakenBy(each.map((own) => ({ features: { acknowledges: false, latencyMs: 0, ...own } })));
  assert.deepEqual(of({}), { words: false, names: false });
  assert.deepEqual(of({ isLocal: true }, { words: true }), { words: true, names: false });
  assert.deepEqual(of({}, { words: true, isLocal: true }), { words: true, names: true });
});
