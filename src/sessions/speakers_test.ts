import assert from "@std/assert";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { Scope } from "../flow/mod.ts";
import { Speakers } from "./speakers.ts";
import { FakeSpeaker } from "./testing_test.ts";

/** As in speakers.ts. */
const LEAVE_DRAIN_MS = 3_000;

function makeSpeakers(ids: readonly string[] = [], speakersMax = 2) {
  const [clock, log, meter, scope] = [new FakeClock(), new FakeLog(), new FakeMeter(), new Scope("session")];
  const freed: boolean[] = [];
  const speakers: Speakers<FakeSpeaker> = new Speakers({
    ...{ speakersMax, scope, clock, log, meter },
    onFreed: () => freed.push(speakers.hasPlace),
  });
  const add = (id: string) => {
    const speaker = new FakeSpeaker();
    speakers.add(id, speaker);
    return speaker;
  };
  return { clock, log, meter, scope, speakers, freed, add, added: ids.map(add) };
}

Deno.test("A speaker who leaves keeps the place until the last words are delivered", async () => {
  const { speakers, freed, added: [ben], clock, scope } = makeSpeakers(["ben", "anna"]);
  assert.ok(!speakers.hasPlace);
  speakers.close("ben");
  assert.deepEqual([speakers.has("ben"), speakers.size, speakers.hasPlace, freed], [false, 1, false, []]);
  await settle();
  assert.deepEqual([ben.drains.length, ben.isDisposed], [1, false]);
  ben.finishDrain();
  await settle();
  assert.deepEqual([ben.isDisposed, ben.drains[0].aborted], [true, false]);
  assert.deepEqual(freed, [true], "onFreed is called once, when there is a place");
  assert.equal(clock.pending, 0);
  await scope[Symbol.asyncDispose]();
});

Deno.test("A speaker who never drains is cut off at the deadline, and their place is free", async () => {
  const { speakers, freed, added: [ben, anna], clock, log, scope } = makeSpeakers(["ben", "anna"]);
  speakers.close("ben");
  await clock.advance(LEAVE_DRAIN_MS - 1);
  assert.deepEqual([ben.isDisposed, freed], [false, []]);
  await clock.advance(1);
  assert.deepEqual([ben.isDisposed, freed, clock.pending], [true, [true], 0]);
  assert.deepEqual([anna.drains.length, anna.isDisposed, log.lines], [0, false, []]);
  await scope[Symbol.asyncDispose]();
});

Deno.test("A speaker whose drain fails is disposed too, counted and logged", async () => {
  const { speakers, freed, added: [ben], log, meter, scope } = makeSpeakers(["ben"]);
  speakers.close("ben");
  ben.failDrain(new Error("broken"));
  await settle();
  assert.deepEqual([ben.isDisposed, freed], [true, [true]]);
  assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
  assert.deepEqual(log.lines.map(({ message, fields }) => [message, fields]), [
    ["speaker not closed cleanly", { speaker: "ben" }],
  ]);
  assert.ok(!scope.signal.aborted, "the session goes on");
  await scope[Symbol.asyncDispose]();
});

Deno.test("A speaker with two drains waits before they may be added again; others do not", async () => {
  const { speakers, add, scope } = makeSpeakers([], 5);
  const pipelines = [add("ben")];
  speakers.close("ben");
  assert.ok(!speakers.leavesOften("ben"));
  pipelines.push(add("ben"));
  speakers.close("ben");
  assert.ok(speakers.leavesOften("ben"));
  assert.ok(!speakers.leavesOften("anna"));
  pipelines[0].finishDrain();
  await settle();
  assert.ok(!speakers.leavesOften("ben"));
  pipelines[1].finishDrain();
  await scope[Symbol.asyncDispose]();
});

Deno.test("While all drain nobody is closed, and those who left before are waited for", async () => {
  const { speakers, added: [ben, anna], scope } = makeSpeakers(["ben", "anna"]);
  speakers.close("ben");
  let isDrained = false;
  const { signal } = new AbortController();
  const drained = speakers.drain(signal).then(() => void (isDrained = true));
  speakers.close("anna");
  assert.ok(speakers.has("anna"));
  assert.deepEqual(anna.drains, [signal], "one drain");
  anna.finishDrain();
  await settle();
  assert.ok(!isDrained, "of ben's last words");
  ben.finishDrain();
  await drained;
  await scope[Symbol.asyncDispose]();
});

Deno.test("A language is set for all speakers; counts and troubles are summed", async () => {
  const { speakers, added: [ben, anna], scope } = makeSpeakers(["ben", "anna"]);
  speakers.setLanguage("fr");
  assert.deepEqual([ben.languages, anna.languages], [["fr"], ["fr"]]);
  ben.isReceiving = true;
  assert.equal(speakers.receivingCount, 1);
  ben.trouble = anna.trouble = "recogniser_refused";
  const troubles = { recogniser_refused: 1 };
  speakers.addTroubles(troubles);
  assert.deepEqual(troubles, { recogniser_refused: 3 });
  await scope[Symbol.asyncDispose]();
});

Deno.test("The end of the session ends the last words of those who left", async () => {
  const { speakers, added: [ben], clock, scope } = makeSpeakers(["ben"]);
  speakers.close("ben");
  await settle();
  await scope[Symbol.asyncDispose]();
  assert.deepEqual([ben.drains[0].aborted, ben.isDisposed, clock.pending], [true, true, 0]);
});
