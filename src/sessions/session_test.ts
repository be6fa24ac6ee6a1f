import assert from "@std/assert";
import type { Recipient } from "../captioning/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { createSilentLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import type { SpeakerPart } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { Session, type SessionOptions } from "./session.ts";
import { caption, FakeSpeaker, FakeTranslations } from "./testing_test.ts";

/** As in session.ts. */
const OUTBOX_RETRY_MS = 200;

function makeSession(
  viewers: Recipient[] = [{ id: "reader", targetId: null }],
  own: Partial<SessionOptions> = {},
) {
  const [clock, meter, scope, translations] = [
    new FakeClock(),
    new FakeMeter(),
    new Scope("session"),
    new FakeTranslations(),
  ];
  const sent: [viewerId: string, text: string][] = [];
  const door = { isReady: true, empty: 0 };
  const session = new Session<FakeSpeaker>({
    about: { door: "talk", name: "room" },
    ...{ languageId: "en", speakersMax: 2, translations, scope, clock, meter, log: createSilentLog() },
    viewers: () => viewers,
    send: (viewerId, { text }) => void sent.push([viewerId, text]),
    isReady: () => door.isReady,
    onEmpty: () => void door.empty++,
    ...own,
  });
  const end = async () => {
    await scope[Symbol.asyncDispose]();
    assert.equal(clock.pending, 0, "no timer outlives the session");
  };
  return { session, clock, scope, translations, sent, door, viewers, end };
}

Deno.test("Observers are reported captions with names, then every speaker's part, then the end", async () => {
  const reports: unknown[] = [];
  const part = (speakerId: string): SpeakerPart => ({
    ...{ speakerId, languageId: "en", outcome: "completed", startedAtMs: 0, durationMs: 0, audioMs: 0 },
    providers: [],
  });
  const { session, scope, end } = makeSession([], {
    speakerName: (id) => id === "ben" ? "Ben" : undefined,
    events: [{
      caption: ({ text, final }, name) => reports.push([text, final, name]),
      speakerEnded: ({ speakerId }) => reports.push(speakerId),
      closed: () => reports.push("closed"),
    }],
  });
  const [left, present] = [scope.child("speaker"), scope.child("speaker")];
  const isClosed = Promise.withResolvers<void>();
  left.defer(async () => {
    await isClosed.promise;
    session.speakerEnded(part("left"));
  });
  present.defer(() => session.speakerEnded(part("ben")));
  const leaving = new FakeSpeaker();
  leaving[Symbol.asyncDispose] = () => left[Symbol.asyncDispose]();
  session.speakers.add("left", leaving);
  session.speakers.close("left");
  leaving.finishDrain();
  await settle();
  session.deliver(caption("hel", { final: false }));
  session.deliver(caption("hello", { speakerId: "guest" }));
  const ended = end();
  await settle();
  isClosed.resolve();
  await ended;
  assert.deepEqual(reports, [["hel", false, "Ben"], ["hello", true, undefined], "ben", "left", "closed"]);
});

Deno.test("An observer that throws affects no viewer and no other observer", async () => {
  using errors = new CaughtInternalErrors();
  const texts: string[] = [];
  const broken = () => {
    throw new Error("broken");
  };
  const { session, sent, end } = makeSession(undefined, {
    events: [
      { caption: broken, speakerEnded: broken, closed: broken },
      { caption: ({ text }) => texts.push(text), speakerEnded() {}, closed() {} },
    ],
  });
  session.deliver(caption("hello"));
  assert.deepEqual([sent, texts], [[["reader", "hello"]], ["hello"]]);
  await end();
  assert.deepEqual(errors.kinds, ["observer", "observer"]);
});

Deno.test("Captions wait while they cannot be sent, and are sent at the flush", async () => {
  const { session, sent, door, end } = makeSession();
  door.isReady = false;
  session.deliver(caption("one"));
  session.deliver(caption("two"));
  session.flush();
  assert.deepEqual(sent, []);
  door.isReady = true;
  session.flush();
  assert.deepEqual(sent, [["reader", "one"], ["reader", "two"]]);
  await end();
});

Deno.test("Captions that wait are sent without a flush once the door is ready", async () => {
  const { session, clock, sent, door, end } = makeSession();
  door.isReady = false;
  session.deliver(caption("one"));
  await clock.advance(3 * OUTBOX_RETRY_MS);
  assert.deepEqual([sent, clock.pending], [[], 1], "one timer");
  door.isReady = true;
  await clock.advance(OUTBOX_RETRY_MS);
  assert.deepEqual([sent, clock.pending], [[["reader", "one"]], 0]);
  await end();
});

Deno.test("A session that ends with captions that wait leaves no timer", async () => {
  const { session, door, sent, end } = makeSession();
  door.isReady = false;
  session.deliver(caption("one"));
  session.endAfter(60_000);
  await end();
  assert.deepEqual(sent, []);
});

Deno.test("Without viewers a session is reported empty after the time, counted from the first call", async () => {
  const { session, clock, door, end } = makeSession();
  session.endAfter(1_000);
  await clock.advance(900);
  session.endAfter(1_000);
  await clock.advance(99);
  assert.equal(door.empty, 0);
  await clock.advance(1);
  assert.equal(door.empty, 1);
  await clock.advance(5_000);
  assert.equal(door.empty, 1, "once");
  await end();
});

Deno.test("A viewer cancels the empty timer, and it starts anew", async () => {
  const { session, clock, door, end } = makeSession();
  session.endAfter(1_000);
  await clock.advance(999);
  session.keep();
  await clock.advance(5_000);
  assert.deepEqual([door.empty, clock.pending], [0, 0]);
  session.endAfter(1_000);
  await clock.advance(1_000);
  assert.equal(door.empty, 1);
  await end();
});

Deno.test("A session that has ended starts no empty timer", async () => {
  const { session, clock, end } = makeSession();
  await end();
  session.endAfter(1_000);
  assert.equal(clock.pending, 0);
});

Deno.test("A new language reaches the speakers once, and releases finals of viewers who need no translation now", async () => {
  const { session, sent, translations, end } = makeSession([
    { id: "french", targetId: "fr" },
    { id: "german", targetId: "de" },
  ]);
  const speaker = new FakeSpeaker();
  session.speakers.add("ben", speaker);
  session.deliver(caption("hello"));
  await settle();
  assert.deepEqual([sent, translations.requests.length], [[], 2]);
  session.setLanguage("fr_FR");
  assert.deepEqual([speaker.languages, session.languageId], [["fr_FR"], "fr_FR"]);
  assert.deepEqual(sent, [["french", "hello"]], "as it was spoken, and only to them");
  session.setLanguage("fr_FR");
  assert.deepEqual(speaker.languages, ["fr_FR"]);
  for (const { request, answer } of translations.requests) answer(`${request.targetId}: hello`);
  await settle();
  assert.deepEqual(sent, [["french", "hello"], ["german", "de: hello"]], "nobody gets it twice");
  await end();
});

Deno.test("A viewer who changes language gets finals still being translated as they were spoken", async () => {
  const viewers = [{ id: "reader", targetId: "fr" }, { id: "other", targetId: "fr" }];
  const { session, sent, translations, end } = makeSession(viewers);
  session.deliver(caption("hello"));
  await settle();
  viewers[0] = { id: "reader", targetId: "de" };
  session.targetChanged("reader");
  assert.deepEqual(sent, [["reader", "hello"]]);
  translations.requests[0].answer("bonjour");
  await settle();
  assert.deepEqual(sent, [["reader", "hello"], ["other", "bonjour"]]);
  await end();
});

Deno.test("A drain delivers last words and translations, and schedules nothing more", async () => {
  const { session, sent, translations, end } = makeSession([{ id: "french", targetId: "fr" }]);
  const speaker = new FakeSpeaker();
  session.speakers.add("ben", speaker);
  const drained = session.drain(new AbortController().signal);
  assert.ok(session.isDraining);
  session.deliver(caption("goodbye"));
  speaker.finishDrain();
  await settle();
  assert.deepEqual(sent, []);
  translations.requests[0].answer("au revoir");
  await drained;
  assert.deepEqual(sent, [["french", "au revoir"]]);
  await end();
});

Deno.test("A drain whose signal aborts sends originals, whatever the speakers and the translator do", async () => {
  const { session, sent, end } = makeSession([{ id: "french", targetId: "fr" }]);
  const stuck = new FakeSpeaker();
  stuck.drain = () => new Promise(() => {});
  session.speakers.add("ben", stuck);
  session.deliver(caption("hello"));
  const abort = new AbortController();
  const drained = session.drain(abort.signal);
  await settle();
  assert.deepEqual(sent, []);
  abort.abort();
  await drained;
  assert.deepEqual(sent, [["french", "hello"]]);
  await end();
});

Deno.test("A speaker whose drain fails does not keep the others' last words from being sent", async () => {
  const { session, sent, door, end } = makeSession();
  const failing = new FakeSpeaker();
  session.speakers.add("ben", failing);
  door.isReady = false;
  session.deliver(caption("waiting"));
  const drained = session.drain(new AbortController().signal);
  door.isReady = true;
  failing.failDrain(new Error("broken"));
  await drained;
  assert.deepEqual(sent, [["reader", "waiting"]]);
  await end();
});
