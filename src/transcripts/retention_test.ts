import assert from "@std/assert";
import { STORE_AWAY } from "../../tests/fakes/records.ts";
import { FakeLog } from "../../tests/fakes/telemetry.ts";
import { keepRetention } from "./retention.ts";
import { STARTED_AT_MS, VOICE, World } from "./testing_test.ts";

const DAY_MS = 24 * 60 * 60_000;

function keep(world: World, transcriptDays?: number): FakeLog {
  const log = new FakeLog();
  const { clock, records: { store }, scope } = world;
  const unixNow = () => STARTED_AT_MS + clock.now();
  keepRetention({ store, transcriptDays, scope: scope.child("retention"), clock, log, unixNow });
  return log;
}

Deno.test("A transcript is deleted so many days after its end, and not before", async () => {
  await using world = new World();
  const session = world.open(VOICE);
  session.say("old");
  session.close();
  const growing = world.open({ door: "talk", name: "room" });
  growing.say("new");
  const log = keep(world, 2);
  await world.clock.advance(2 * DAY_MS);
  assert.equal((await world.ids({ door: "voice" })).length, 1);
  await world.clock.advance(60 * 60_000);
  assert.deepEqual(await world.ids({ door: "voice" }), []);
  assert.equal((await world.ids({ door: "talk" })).length, 1, "one that grows is kept");
  assert.deepEqual(log.lines.map(({ message }) => message), ["old records deleted"]);
});

Deno.test("A transcript without an end, of a service that was killed, is deleted too", async () => {
  const killed = new World();
  killed.open(VOICE).say("old");
  await using world = new World();
  for (const write of killed.records.added) world.records.add(write);
  await world.records.flush();
  keep(world, 2);
  await world.clock.advance(3 * DAY_MS);
  assert.equal((await world.ids()).length, 1);
  await world.clock.advance(60 * 60_000);
  assert.deepEqual(await world.ids(), []);
  await killed.scope[Symbol.asyncDispose]();
});

Deno.test("While the store is away it is tried every minute; without days nothing is deleted", async () => {
  await using world = new World();
  const session = world.open(VOICE);
  session.say("old");
  session.close();
  await world.records.flush();
  world.records.memory.failure = STORE_AWAY;
  await world.clock.advance(9 * DAY_MS);
  const log = keep(world, 1);
  keep(world);
  await world.clock.advance(10 * 60_000);
  assert.deepEqual(log.lines[0], {
    level: "warn",
    message: "old records not deleted, trying again",
    fields: { code: "store_away" },
  });
  world.records.memory.failure = undefined;
  await world.clock.advance(60_000);
  assert.deepEqual(await world.ids(), []);
});
