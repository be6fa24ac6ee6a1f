import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { stepsOf } from "../../tests/fakes/steps.ts";
import { Listeners } from "./listeners.ts";
import { TargetMemory } from "./target_memory.ts";

const present = (listeners: Listeners) => [...listeners.present()].map(({ id }) => id);
const wanted = (listeners: Listeners) => listeners.wanted().map(({ ncSessionId }) => ncSessionId);

Deno.test("A listener may be asked for before their session is known", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  assert.deepEqual(present(listeners), []);
  listeners.sessionJoined("hpb-2", "nc-2");
  listeners.sessionJoined("hpb-1", "nc-1");
  assert.deepEqual(present(listeners), ["hpb-1"]);
});

Deno.test("A listener already in the room is found by the Nextcloud session", () => {
  const listeners = new Listeners();
  listeners.sessionJoined("hpb-1", "nc-1");
  assert.equal(listeners.add("nc-1"), true);
  assert.deepEqual(present(listeners), ["hpb-1"]);
  assert.equal(listeners.add("nc-1"), true);
  assert.equal(listeners.presentCount, 1);
});

Deno.test("A listener who reloads gets captions at the new session, even when the old one leaves later", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.sessionJoined("hpb-2", "nc-1");
  listeners.sessionLeft("hpb-1");
  assert.deepEqual(present(listeners), ["hpb-2"]);
  listeners.sessionLeft("hpb-2");
  assert.deepEqual(present(listeners), []);
  listeners.sessionJoined("hpb-3", "nc-1");
  assert.deepEqual(present(listeners), ["hpb-3"]);
});

Deno.test("Of two HPB sessions of one listener the newer gets captions, and when it leaves the older does", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.setTarget("nc-1", "de");
  for (const id of ["hpb-1", "hpb-2", "hpb-3"]) listeners.sessionJoined(id, "nc-1");
  assert.deepEqual(targets(listeners), ["hpb-3:de"]);
  listeners.sessionLeft("hpb-3");
  assert.deepEqual(targets(listeners), ["hpb-2:de"]);
  listeners.sessionLeft("hpb-1");
  assert.deepEqual(targets(listeners), ["hpb-2:de"]);
  listeners.sessionLeft("hpb-2");
  assert.deepEqual(targets(listeners), []);
});

Deno.test("A listener is remembered in a room of more sessions than are", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.expect("hpb-2");
  for (let i = 0; i < 10_000; i++) listeners.sessionJoined(`other-${i}`, `nc-other-${i}`);
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.sessionJoined("hpb-2", "nc-2");
  listeners.sessionJoined("late", "nc-late");
  assert.deepEqual(present(listeners), ["hpb-1", "hpb-2"]);
  assert.ok(
    !listeners.knows("nc-other-0") && !listeners.knows("nc-late") && listeners.knows("nc-other-9999"),
  );
});

Deno.test("The language of a participant who was removed is not held for ever", async () => {
  const clock = new FakeClock();
  const memory = new TargetMemory(clock);
  const listeners = new Listeners(memory);
  listeners.sessionJoined("hpb-old", "nc-old");
  listeners.setTarget("nc-old", "de");
  for (let i = 1; i < 10_000; i++) listeners.sessionJoined(`other-${i}`, `nc-other-${i}`);
  listeners.add("nc-1");
  listeners.sessionJoined("hpb-1", "nc-1");
  assert.ok(!listeners.knows("nc-old"));
  await clock.advance(11 * 60_000);
  assert.equal(memory.recall("hpb-old"), undefined);
  assert.equal(memory.size, 0);
});

Deno.test("A removed listener gets nothing, also after coming back", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.remove("nc-1");
  listeners.sessionJoined("hpb-2", "nc-1");
  assert.deepEqual(present(listeners), []);
});

Deno.test("After a full re-join everyone is absent until reported again", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.forgetSessions();
  assert.deepEqual(present(listeners), []);
  listeners.sessionJoined("hpb-9", "nc-1");
  assert.deepEqual(present(listeners), ["hpb-9"]);
});

Deno.test("Requested listeners are bounded: the oldest who is not here is removed", () => {
  const listeners = new Listeners();
  listeners.add("here");
  listeners.sessionJoined("hpb-here", "here");
  for (let i = 0; i < LIMITS.pendingViewers + 10; i++) listeners.add(`nc-${i}`);
  assert.equal(wanted(listeners).length, LIMITS.pendingViewers);
  assert.ok(wanted(listeners).includes("here"));
  assert.ok(!wanted(listeners).includes("nc-0"));
});

const targets = (listeners: Listeners) =>
  [...listeners.present()].map(({ id, targetId }) => `${id}:${targetId}`);

Deno.test("A language may be asked for before the session is known, and changed and taken back afterwards", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  assert.equal(listeners.setTarget("nc-1", "de"), undefined);
  listeners.sessionJoined("hpb-1", "nc-1");
  assert.deepEqual(targets(listeners), ["hpb-1:de"]);
  assert.equal(listeners.setTarget("nc-1", "ar"), "hpb-1");
  assert.equal(listeners.setTarget("nc-1", "ar"), undefined, "nothing has changed");
  assert.deepEqual(targets(listeners), ["hpb-1:ar"]);
  assert.equal(listeners.setTarget("nc-1", null), "hpb-1");
  assert.deepEqual(targets(listeners), ["hpb-1:null"]);
});

Deno.test("Setting a language requests no captions, and is kept for when they are requested", () => {
  const listeners = new Listeners();
  listeners.sessionJoined("hpb-1", "nc-1");
  assert.ok(listeners.knows("nc-1"));
  assert.equal(listeners.setTarget("nc-1", "de"), undefined);
  assert.deepEqual(targets(listeners), []);
  listeners.add("nc-1");
  assert.deepEqual(targets(listeners), ["hpb-1:de"]);
});

Deno.test("A language survives a reload and a full re-join of its listener, not being taken off", () => {
  const listeners = new Listeners();
  listeners.add("nc-1");
  listeners.setTarget("nc-1", "de");
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.sessionLeft("hpb-1");
  listeners.sessionJoined("hpb-2", "nc-1");
  assert.deepEqual(targets(listeners), ["hpb-2:de"]);
  listeners.forgetSessions();
  listeners.sessionJoined("hpb-3", "nc-1");
  assert.deepEqual(targets(listeners), ["hpb-3:de"]);
  assert.deepEqual(listeners.wanted(), [{ ncSessionId: "nc-1", targetId: "de", sessionId: "hpb-3" }]);
  listeners.remove("nc-1");
  listeners.add("nc-1");
  assert.deepEqual(targets(listeners), ["hpb-3:null"]);
});

Deno.test("Languages of unknown participants, or of those who left without captions, are not kept", () => {
  const listeners = new Listeners();
  assert.equal(listeners.knows("nc-1"), false);
  listeners.setTarget("nc-1", "de");
  listeners.sessionJoined("hpb-1", "nc-1");
  listeners.add("nc-1");
  assert.deepEqual(targets(listeners), ["hpb-1:null"]);
  listeners.remove("nc-1");

  listeners.setTarget("nc-1", "de");
  listeners.sessionLeft("hpb-1");
  listeners.sessionJoined("hpb-2", "nc-1");
  listeners.add("nc-1");
  assert.deepEqual(targets(listeners), ["hpb-2:null"]);
  listeners.remove("nc-1");

  listeners.setTarget("nc-1", "de");
  listeners.forgetSessions();
  listeners.sessionJoined("hpb-3", "nc-1");
  listeners.add("nc-1");
  assert.deepEqual(targets(listeners), ["hpb-3:null"]);
});

Deno.test("Comings and goings cost a few steps each, however many share a Nextcloud session, and the newest stays", () => {
  for (const ncSessionOf of [(id: number) => `nc-${id}`, () => "nc-1"]) {
    const listeners = new Listeners();
    listeners.add("nc-1");
    listeners.sessionJoined("hpb-first", "nc-1");
    const steps = stepsOf(() => {
      for (let i = 0; i < 5_000; i++) listeners.sessionJoined(`hpb-${i}`, ncSessionOf(i));
      for (let i = 0; i < 4_999; i++) listeners.sessionLeft(`hpb-${i}`);
    });
    assert.ok(steps < 10 * 5_000, `${steps} steps`);
    assert.deepEqual(present(listeners), [ncSessionOf(2) === "nc-1" ? "hpb-4999" : "hpb-first"]);
  }
});
