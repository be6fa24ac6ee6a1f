import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { TargetMemory } from "./target_memory.ts";

const [ROOM, OTHER] = [{}, {}];

Deno.test("A language is known while its session is in a room, and ten minutes after it left", async () => {
  const clock = new FakeClock();
  const memory = new TargetMemory(clock);
  memory.hold("a", "de", ROOM);
  await clock.advance(60 * 60_000);
  assert.equal(memory.recall("a"), "de");
  memory.release("a", ROOM);
  await clock.advance(10 * 60_000 - 1);
  assert.equal(memory.recall("a"), "de");
  await clock.advance(1);
  assert.equal(memory.recall("a"), undefined);
  assert.equal(memory.size, 0);
});

Deno.test("Leaving one room changes nothing for a participant who is in the next already", async () => {
  const clock = new FakeClock();
  const memory = new TargetMemory(clock);
  memory.hold("a", "de", ROOM);
  memory.hold("a", "ar", OTHER);
  memory.release("a", ROOM);
  await clock.advance(60 * 60_000);
  assert.equal(memory.recall("a"), "ar");
});

Deno.test("What is to be forgotten is, in a room or out of one", () => {
  const memory = new TargetMemory(new FakeClock());
  memory.hold("a", "de", ROOM);
  memory.forget("a");
  memory.release("a", ROOM);
  memory.hold("b", "de", ROOM);
  memory.release("b", ROOM);
  memory.forget("b");
  assert.deepEqual([memory.recall("a"), memory.recall("b"), memory.size], [undefined, undefined, 0]);
});

Deno.test("Of those who left, the oldest above five thousand are removed; those in a room never", () => {
  const memory = new TargetMemory(new FakeClock());
  memory.hold("here", "de", ROOM);
  for (let session = 0; session < 6_000; session++) {
    memory.hold(`${session}`, "de", ROOM);
    memory.release(`${session}`, ROOM);
  }
  assert.equal(memory.size, 5_001);
  assert.equal(memory.recall("999"), undefined);
  assert.deepEqual(["here", "1000", "5999"].map((session) => memory.recall(session)), ["de", "de", "de"]);
});
