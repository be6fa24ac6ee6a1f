/** Who speaks in a room, by what the HPB reports: joined anew, full, of people who leave. */
import assert from "@std/assert";
import { settle } from "../../tests/fakes/clock.ts";
import { withRooms } from "./testing_test.ts";

Deno.test("After a full re-join speakers still in the call are subscribed again, the others closed", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    connection.onEvent({ type: "disconnected" });
    connection.isJoined = false;
    host.get("hpb-s").say("while away", true);
    connection.join(false);
    connection.session("hpb-l", "nc-l");
    connection.inCall("hpb-s");
    await settle();
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-t", "hpb-s"]);
    assert.ok(!host.get("hpb-t").disposed, "another list may still name them");
    await clock.advance(5_000);
    assert.ok(host.get("hpb-t").disposed && !host.get("hpb-s").disposed);
  }));

Deno.test("After a full re-join a list that names few costs those of the next their pipeline not", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    connection.join(false);
    connection.participants(); // a node that knows internal sessions alone
    connection.inCall("hpb-t");
    connection.inCall("hpb-s", "hpb-t");
    await clock.advance(5_000);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-t", "hpb-t", "hpb-s"]);
    assert.equal(host.opened.length, 2);
    assert.ok(host.opened.every(({ disposed }) => !disposed));
  }));

Deno.test("After a full re-join speakers reported as left are closed at once, those who rejoin are received again", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.inCall("hpb-s", "hpb-t");
    connection.join(false);
    connection.participants({ sessionId: "hpb-s", inCall: 0 });
    await settle();
    assert.ok(host.get("hpb-s").disposed && !host.get("hpb-t").disposed);
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-t"] });
    await settle();
    assert.ok(host.get("hpb-t").disposed);
    await clock.advance(5_000);
    connection.inCall("hpb-s", "hpb-t");
    assert.equal(host.opened.length, 4);
  }));

Deno.test("A full re-join while the last one has not settled starts waiting anew", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    connection.join(false);
    await clock.advance(4_000);
    connection.join(false);
    await clock.advance(4_000);
    assert.ok(!host.get("hpb-s").disposed);
    connection.inCall("hpb-s");
    await clock.advance(1_000);
    assert.ok(!host.get("hpb-s").disposed);
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s"]);
  }));

Deno.test("Subscribed again after a full re-join, speakers are left alone by the lists that follow", () =>
  withRooms(async ({ call }) => {
    const connection = await call();
    connection.join(false);
    connection.inCall("hpb-s");
    connection.inCall("hpb-s", "hpb-t");
    connection.inCall("hpb-s", "hpb-t");
    assert.deepEqual(connection.offersRequested, ["hpb-s", "hpb-s", "hpb-t"]);
  }));

Deno.test("After a full re-join nothing is sent to sessions of before", () =>
  withRooms(async ({ call, host, status }) => {
    const connection = await call();
    connection.join(false);
    assert.equal(status().listeners, 0);
    connection.session("hpb-x", "nc-x");
    host.get("hpb-s").say("one", true);
    assert.deepEqual(connection.transcripts, []);
  }));

Deno.test("A speaker who leaves the room is closed without waiting for a list", () =>
  withRooms(async ({ call, host, status }) => {
    const connection = await call();
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-s"] });
    await settle();
    assert.ok(host.get("hpb-s").drained && host.get("hpb-s").disposed);
    assert.equal(status().speakers, 0);
  }));

Deno.test("Captions that waited through a full re-join are sent once the HPB has listed the listeners", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.isJoined = false;
    connection.onEvent({ type: "disconnected" });
    host.get("hpb-s").say("while away.", true);
    connection.join(false);
    assert.deepEqual(connection.transcripts, []);
    connection.session("hpb-l", "nc-l");
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:while away.!"]);
  }));

Deno.test("Captions that waited through a full re-join wait for their listener, not for the first node that answers", () =>
  withRooms(async ({ call, host, clock, ask }) => {
    const connection = await call();
    ask("room", "nc-away");
    ask("room", "nc-m");
    connection.session("hpb-m", "nc-m");
    const isHere = (sessionId: string, ncSessionId: string) => connection.session(sessionId, ncSessionId);
    for (const waits of [true, false]) {
      connection.transcripts.length = 0;
      connection.join(false);
      connection.inCall("hpb-s");
      host.get("hpb-s").say("while away", true);
      isHere("hpb-other", "nc-other");
      isHere("hpb-l", "nc-l");
      assert.deepEqual(connection.transcripts, []);
      if (waits) await clock.advance(5_000); // nc-m is gone
      else ask("room", "nc-m", { enable: false });
      assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:while away!"]);
      isHere("hpb-m", "nc-m");
    }
  }));

Deno.test("Speakers without a place in a full room are logged once, and all of them are counted", () =>
  withRooms(async ({ call, meter, log }) => {
    const connection = await call();
    const sessions = Array.from({ length: 182 }, (_, index) => `session-${index}`);
    connection.inCall(...sessions);
    connection.inCall(...sessions);
    const lines = () => log.lines.filter(({ message }) => message.includes("room is full"));
    assert.deepEqual(lines().map(({ fields }) => fields), [{ speakersMax: 3, speakers: 180 }]);
    connection.inCall("late-1", "late-2");
    assert.deepEqual(lines().map(({ fields }) => fields?.speakers), [180, 2]);
    assert.equal(meter.counted("transcription_errors_total", "speakers_max"), 182);
    await settle();
  }));

Deno.test("A place that becomes free in a full room goes to a speaker without one", () =>
  withRooms(async ({ call, host, meter }) => {
    const connection = await call();
    connection.inCall();
    await settle();
    connection.inCall("a", "b", "c", "d");
    connection.inCall("a", "b", "c", "d");
    assert.equal(meter.counted("transcription_errors_total", "speakers_max"), 1, "said once");
    connection.onEvent({ type: "sessions_left", sessionIds: ["b"] });
    await settle();
    const open = () => host.opened.filter(({ disposed }) => !disposed).map(({ id }) => id);
    assert.deepEqual(open(), ["a", "c", "d"]);
    connection.onEvent({ type: "sessions_left", sessionIds: ["a", "c", "d"] });
    await settle();
    assert.deepEqual(open(), [], "whoever has left is not opened");
  }));

Deno.test("In a full room whoever has joined replaces one known by lists only whose audio does not arrive", () =>
  withRooms(async ({ call, host, log }) => {
    const connection = await call();
    const user = (sessionId: string, joined = false) => ({ sessionId, joined });
    const ghosts = ["ghost-1", "ghost-2", "ghost-3"].map((id) => user(id));
    connection.participants(...ghosts);
    await settle();
    host.get("ghost-2").events.receiving();
    connection.participants(...ghosts, user("late"), user("real", true));
    await settle();
    const open = () => host.opened.filter(({ disposed }) => !disposed).map(({ id }) => id).sort();
    assert.deepEqual(open(), ["ghost-2", "ghost-3", "real"]);
    assert.ok(log.lines.some(({ message }) => message.includes("room is full")), "for the late one");
    connection.join(false);
    connection.inCall("real-2", "real-3", "real-4");
    await settle();
    assert.deepEqual(open(), ["real-2", "real-3", "real-4"]);
  }));

Deno.test("Whoever gave no sign of life is left out unless the HPB has them, asked seldom then, and no trouble", () =>
  withRooms(async ({ call, status, host, clock, meter }) => {
    const connection = await call();
    connection.participants(
      { sessionId: "hpb-s" },
      { sessionId: "ghost", stale: true, joined: false },
      { sessionId: "here", stale: true },
      { sessionId: "unreported", joined: false },
    );
    await settle();
    assert.deepEqual(connection.offersRequested, ["hpb-s", "here", "unreported"]);
    assert.equal(meter.counted("tiro_signaling_ignored_total", "ghost"), 1);
    host.get("hpb-s").events.receiving();
    host.get("unreported").events.receiving();
    for (let seconds = 0; seconds < 600; seconds++) {
      if (seconds % 10 === 0) {
        connection.onEvent({ type: "offer_failed", sessionId: "here", code: "client_not_found" });
      }
      await clock.advance(1_000);
    }
    const asked = connection.offersRequested.filter((id) => id === "here").length;
    assert.ok(asked <= 13, `asked ${asked} times in ten minutes`);
    assert.deepEqual(status().troubles, {});
    connection.participants({ sessionId: "unreported", joined: false, stale: true });
    await settle();
    assert.ok(!host.get("unreported").disposed, "nobody who is heard is closed for it");
    connection.participants({ sessionId: "unreported", joined: false }, {
      sessionId: "ghost",
      joined: false,
    });
    await settle();
    assert.ok(host.get("ghost"), "a sign of life");
  }));

Deno.test("A participant assumed to have left is subscribed to as soon as they join, without another list", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.participants({ sessionId: "hpb-s" }, { sessionId: "late", stale: true, joined: false });
    assert.equal(host.get("late"), undefined);
    connection.session("late", "nc-late");
    assert.ok(connection.offersRequested.includes("late"), connection.offersRequested.join());
  }));
