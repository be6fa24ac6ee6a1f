/** Many speakers who share two recognisers. */
import assert from "@std/assert";
import { Scope } from "../flow/mod.ts";
import { FakeClock, macrotask } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import type { LiveSession } from "./live_session.ts";
import { SessionOpener } from "./session_opener.ts";
import { failure, FakeStt } from "./stt_feed_testing_test.ts";
import { SttSessions } from "./stt_sessions.ts";

const SPEAKERS = 500;

function setup() {
  const clock = new FakeClock();
  const scope = new Scope("speakers");
  const [first, next] = [new FakeStt("first"), new FakeStt("next")];
  const parts = { clock, log: new FakeLog(), meter: new FakeMeter() };
  const sessions = new SttSessions({ recognisers: [first, next], ...parts });
  const openers = Array.from(
    { length: SPEAKERS },
    () => new SessionOpener({ sessions, recycle: () => {}, scope, clock }),
  );
  const late = (session: LiveSession) => session[Symbol.asyncDispose]();
  const open = async (opener: SessionOpener) =>
    await opener.openFirst(await opener.anyChoice("en"), "en", late);
  return { clock, scope, first, next, sessions, openers, open, log: parts.log };
}

Deno.test("The first recogniser is lost: all speakers open the next at once, and one probes the first", async () => {
  const { clock, scope, first, next, openers, open, sessions } = setup();
  await using _scope = scope;
  first.nextOpens.push(...Array.from({ length: 2 * SPEAKERS }, () => failure()));
  const opened = await Promise.all(openers.map(open));
  assert.deepEqual([first.opens, next.opens], [SPEAKERS, SPEAKERS], "all at the same time");
  for (const [at, session] of opened.entries()) openers[at].used(session);
  const probes = () => openers.map((opener, at) => opener.better(opened[at])).filter((choice) => choice);
  const before = first.opens;
  for (let second = 0; second < 60; second++) {
    await clock.advance(1_000);
    const choices = probes();
    assert.ok(choices.length <= 1, `${choices.length} at once`);
    for (const choice of choices) await assert.rejects(openers[0].open(choice!, "en"));
  }
  assert.ok(first.opens - before <= 12, `${first.opens - before} probes in a minute`);
  first.nextOpens.length = 0;
  await clock.advance(16_000);
  const [probe] = probes();
  await openers[0].open(probe!, "en");
  assert.equal(sessions.status[0].state, "available");
  assert.equal(openers.filter((opener, at) => opener.hasBetter(opened[at])).length, SPEAKERS, "all go back");
});

Deno.test("A recogniser that returned nothing is tried by one speaker at a time, and gets all back when it recognises", async () => {
  const { clock, scope, first, openers, open, sessions, log } = setup();
  await using _scope = scope;
  const silent = await open(openers[0]);
  assert.equal(silent.recogniser.name, "first");
  openers[0].failed(silent);
  assert.equal(sessions.status[0].state, "failing");
  const opened = await Promise.all(openers.map(open));
  assert.ok(opened.every(({ recogniser }) => recogniser.name === "next"));
  await clock.advance(4_900 / 2);
  assert.ok(openers.every((opener, at) => !opener.hasBetter(opened[at])), "left alone");
  await clock.advance(5_000);
  const trial = await openers[1].open(openers[1].better(opened[1])!, "en");
  assert.ok(openers.every((opener, at) => !opener.hasBetter(opened[at])), "the others wait");
  await trial[Symbol.asyncDispose]();
  const second = await openers[2].open(openers[2].better(opened[2])!, "en");
  openers[2].failed(second);
  await clock.advance(4_900);
  assert.ok(openers.every((opener, at) => !opener.hasBetter(opened[at])), "for longer than before");
  await clock.advance(5_200);
  const third = await openers[3].open(openers[3].better(opened[3])!, "en");
  sessions.recognised(third);
  assert.equal(sessions.status[0].state, "available");
  const back = openers.filter((opener, at) => opener.hasBetter(opened[at]));
  assert.ok(back.length >= SPEAKERS - 1, `${back.length} go back`);
  assert.deepEqual(log.lines.map(({ message }) => message), [
    "speech-to-text recognises nothing",
    "speech-to-text recognises again",
  ]);
  assert.ok(first.opens < 10);
});

Deno.test("A session that an old failure is reported of late shows nothing of the recogniser now", async () => {
  const { clock, scope, openers, open, sessions } = setup();
  await using _scope = scope;
  const [one, other] = [await open(openers[0]), await open(openers[1])];
  openers[0].failed(one);
  await clock.advance(10_000);
  const trial = await openers[2].open(await openers[2].anyChoice("en"), "en");
  sessions.recognised(trial);
  assert.equal(sessions.status[0].state, "available");
  openers[1].failed(other);
  await macrotask();
  assert.equal(sessions.status[0].state, "available");
});

Deno.test("Opens that nothing answers are given up with the speakers", async () => {
  const { clock, scope, first, next, openers, open, sessions } = setup();
  const cold = Promise.withResolvers<void>();
  first.nextOpens.push(...Array.from({ length: SPEAKERS }, () => cold.promise));
  next.nextOpens.push(...Array.from({ length: SPEAKERS }, () => failure()));
  const opening = openers.slice(0, 3).map(open);
  const rejected = Promise.all(opening.map((each) => assert.rejects(each, /left/)));
  await clock.advance(1_600);
  assert.equal(sessions.status[0].state, "starting");
  scope.abort(new Error("left"));
  await rejected;
  cold.resolve();
  await scope[Symbol.asyncDispose]();
  assert.equal(sessions.status[0].state, "available");
  assert.equal(clock.pending, 0);
});
