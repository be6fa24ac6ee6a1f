import assert from "@std/assert";
import { LIMITS, type Refusal, SPEAKER_TROUBLES, UnavailableError } from "../domain/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { Scope } from "../flow/mod.ts";
import { type OwnSessionOptions, Sessions } from "./sessions.ts";
import { caption, FakeSpeaker } from "./testing_test.ts";

/** As in sessions.ts. */
const CLOSE_MS = 3_000;

function makeSessions(sessionsMax = 2) {
  const [clock, log, meter, scope] = [new FakeClock(), new FakeLog(), new FakeMeter(), new Scope("sessions")];
  const admission: { refusal: Refusal | undefined } = { refusal: undefined };
  const sessions = new Sessions({
    ...{ admission, sessionsMax, speakersPerSessionMax: 10, scope, clock, log, meter },
    host: {
      open() {
        throw new Error("nobody speaks here");
      },
    },
  });
  /** What happened, in order. */
  const events: string[] = [];
  const open = (name = "a", own: Partial<OwnSessionOptions> = {}) =>
    sessions.open<FakeSpeaker>("join", {
      about: { door: "talk", name },
      languageId: "en",
      viewers: () => [{ id: "reader", targetId: null }],
      send: (_viewerId, { text }) => void events.push(`${name}: ${text}`),
      onEmpty() {},
      onBroken: () => void events.push(`${name} broken`),
      leave: () => {
        events.push(`${name} left`);
        return Promise.resolve();
      },
      ...own,
    });
  const end = async () => {
    await scope[Symbol.asyncDispose]();
    assert.deepEqual([clock.pending, meter.gauges.size, meter.gaugesBy.size], [0, 0, 0]);
  };
  return { sessions, clock, log, meter, scope, admission, events, open, end };
}

const unavailable = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof UnavailableError && error.code === code && message.test(error.message);

Deno.test("Sessions are opened up to the limit; one that is closing counts until it is disposed", async () => {
  const { sessions, open, end } = makeSessions();
  const [first, second] = [open(), open()];
  const full = unavailable("busy", /^Cannot join: 2 sessions are being captioned already; .*MAX_ROOMS$/);
  assert.throws(() => open(), full);
  const speaker = new FakeSpeaker();
  first.speakers.add("ben", speaker);
  const closed = sessions.close(first);
  assert.equal(sessions.status().sessions, 1);
  assert.throws(() => open(), full);
  speaker.finishDrain();
  await closed;
  open();
  assert.equal(sessions.status().sessions, 2);
  assert.ok(!second.scope.signal.aborted);
  await end();
});

Deno.test("A closed session delivers its last words, leaves, and then is disposed", async () => {
  const { sessions, clock, events, open, end } = makeSessions();
  const session = open();
  const speaker = new FakeSpeaker();
  session.speakers.add("ben", speaker);
  session.scope.defer(() => void events.push("a disposed"));
  const closed = sessions.close(session);
  await sessions.close(session); // no longer open: nothing to do
  assert.deepEqual(events, []);
  session.deliver(caption("last words"));
  speaker.finishDrain();
  await closed;
  assert.deepEqual(events, ["a: last words", "a left", "a disposed"]);
  assert.equal(clock.pending, 0);
  await end();
});

Deno.test("A session that never drains is left at the deadline", async () => {
  const { sessions, clock, events, open, end } = makeSessions();
  const session = open();
  session.speakers.add("ben", new FakeSpeaker());
  const closed = sessions.close(session);
  await clock.advance(CLOSE_MS - 1);
  assert.deepEqual(events, []);
  await clock.advance(1);
  await closed;
  assert.deepEqual([events, session.scope.signal.aborted, clock.pending], [["a left"], true, 0]);
  await end();
});

Deno.test("At the deadline captions that wait for the speakers are sent before the session leaves", async () => {
  const { sessions, clock, events, open, end } = makeSessions();
  let isReady = false;
  const session = open("a", { isReady: () => isReady });
  session.speakers.add("ben", new FakeSpeaker());
  session.deliver(caption("waiting"));
  const closed = sessions.close(session);
  await settle();
  isReady = true;
  await clock.advance(CLOSE_MS);
  await closed;
  assert.deepEqual(events, ["a: waiting", "a left"]);
  await end();
});

Deno.test("A session that cannot leave cleanly is disposed, counted and logged; others go on", async () => {
  const { sessions, log, meter, scope, open, end } = makeSessions();
  const [session, other] = [open("a", { leave: () => Promise.reject(new Error("no bye")) }), open("b")];
  await sessions.close(session);
  assert.ok(session.scope.signal.aborted);
  assert.deepEqual(log.lines.map(({ level, message }) => [level, message]), [
    ["error", "session not closed cleanly"],
  ]);
  assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
  assert.deepEqual([other.scope.signal.aborted, scope.signal.aborted], [false, false]);
  open("c");
  await end();
});

Deno.test("A failing task breaks its own session only, and reports it once", async () => {
  const { sessions, events, scope, open, end } = makeSessions();
  const [session, other] = [open("a"), open("b")];
  session.scope.run(() => Promise.reject(new Error("broken")));
  await settle();
  assert.deepEqual(events, ["a broken"]);
  assert.deepEqual([session, other].map((each) => each.scope.signal.aborted), [true, false]);
  assert.ok(!scope.signal.aborted);
  await sessions.close(session);
  other.deliver(caption("hello"));
  assert.deepEqual(events, ["a broken", "a left", "b: hello"]);
  await end();
});

Deno.test("A session that breaks while it is closing is not reported", async () => {
  const { sessions, events, open, end } = makeSessions();
  const session = open();
  session.speakers.add("ben", new FakeSpeaker());
  const closed = sessions.close(session);
  session.scope.run(() => Promise.reject(new Error("broken")));
  await closed;
  assert.deepEqual(events, ["a left"]);
  await end();
});

Deno.test("While the service drains no session is opened, and each leaves after its last words", async () => {
  const { sessions, events, open, end } = makeSessions();
  const [quick, slow] = [open("quick"), open("slow")];
  const [ben, anna] = [new FakeSpeaker(), new FakeSpeaker()];
  quick.speakers.add("ben", ben);
  slow.speakers.add("anna", anna);
  const words = new AbortController();
  const drained = sessions.drain(words.signal);
  assert.ok(sessions.isDraining);
  assert.throws(() => open(), unavailable("draining", /^Cannot join: the service is shutting down$/));
  ben.finishDrain();
  await settle();
  assert.deepEqual(events, ["quick left"]);
  words.abort();
  await drained;
  assert.deepEqual(events, ["quick left", "slow left"]);
  await end();
});

Deno.test("A drain waits for sessions that are closing already, until the words' signal", async () => {
  const { sessions, clock, events, open, end } = makeSessions();
  const session = open();
  session.speakers.add("ben", new FakeSpeaker());
  const closed = sessions.close(session);
  const words = new AbortController();
  let isDrained = false;
  const drained = sessions.drain(words.signal).then(() => void (isDrained = true));
  await clock.advance(CLOSE_MS - 1);
  assert.ok(!isDrained);
  words.abort();
  await drained;
  assert.deepEqual(events, []);
  await clock.advance(1);
  await closed;
  assert.deepEqual(events, ["a left"]);
  await end();
});

Deno.test("A refusal holds for new sessions, unless an idle place can be freed", async () => {
  const { sessions, admission, end } = makeSessions();
  assert.equal(sessions.refusal, undefined);
  const free = () => {};
  sessions.joins.idlePlaces.add(free);
  const memory = admission.refusal = { code: "memory", cause: "memory is short" };
  assert.equal(sessions.refusal, memory);
  const places = admission.refusal = { code: "speakers_max", cause: "all places are taken" };
  assert.equal(sessions.refusal, undefined);
  sessions.joins.idlePlaces.delete(free);
  assert.equal(sessions.refusal, places);
  assert.equal(sessions.status().refusal, "speakers_max");
  await end();
});

Deno.test("The place that was idle longest is freed first, each once", async () => {
  const { sessions, events, end } = makeSessions();
  for (const name of ["first", "second"]) sessions.joins.idlePlaces.add(() => void events.push(name));
  for (let i = 0; i < 3; i++) sessions.joins.freeIdlePlace();
  assert.deepEqual(events, ["first", "second"]);
  await end();
});

Deno.test("Gauges and status sum up all sessions", async () => {
  const { sessions, meter, open, end } = makeSessions();
  const [a, b] = [open("a"), open("b", { viewers: () => [] })];
  const [ben, anna] = [new FakeSpeaker(), new FakeSpeaker()];
  a.speakers.add("ben", ben);
  b.speakers.add("anna", anna);
  ben.isReceiving = true;
  anna.trouble = "not_connected";
  const slots = Array.from({ length: LIMITS.joinsAtOnce + 3 }, () => sessions.joins.slot(a, () => {}));
  for (const slot of slots) slot.request("first");
  const read = (name: string) => meter.gauges.get(name)?.();
  assert.deepEqual(
    [
      "transcription_rooms_active",
      "transcription_speakers_active",
      "tiro_speakers_heard",
      "tiro_listeners",
      "tiro_joins_waiting",
      "tiro_joins_under_way",
    ].map(read),
    [2, 2, 1, 1, 3, LIMITS.joinsAtOnce],
  );
  const noTrouble = Object.fromEntries(SPEAKER_TROUBLES.map((trouble) => [trouble, 0]));
  assert.deepEqual(meter.gaugesBy.get("tiro_speakers_in_trouble")?.(), { ...noTrouble, not_connected: 1 });
  assert.deepEqual(sessions.status(), {
    ...{ sessions: 2, speakers: 2, viewers: 1, refusal: undefined, troubles: { not_connected: 1 } },
  });
  ben.finishDrain();
  await sessions.close(a);
  assert.equal(read("transcription_rooms_active"), 1);
  for (const slot of slots) slot.release();
  await end();
});
