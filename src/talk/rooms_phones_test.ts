/** People who dial in, as their room sees them: a bridge that publishes for virtual sessions without audio. */
import assert from "@std/assert";
import { settle } from "../../tests/fakes/clock.ts";
import { withRooms } from "./testing_test.ts";

const bridge = { sessionId: "bridge", internal: true };
const caller = (sessionId: string) => ({ sessionId, inCall: 9, virtual: true });

Deno.test("A bridge is captioned under its one caller, under itself when there are more, callers are not asked", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.participants(bridge, caller("a"));
    await settle();
    assert.deepEqual(connection.offersRequested, ["hpb-s", "bridge"]);
    host.get("bridge").say("one", true);
    connection.participants(bridge, caller("a"), caller("b"));
    host.get("bridge").say("two", true);
    connection.onEvent({ type: "sessions_left", sessionIds: ["a"] });
    host.get("bridge").say("three", true);
    const said = connection.transcripts.filter((transcript) => !transcript.includes("last words"));
    assert.deepEqual(said, ["hpb-l<a:one!", "hpb-l<bridge:two!", "hpb-l<b:three!"]);
    assert.deepEqual(host.opened.map(({ id }) => id), ["hpb-s", "bridge"]);
  }));

Deno.test("The last words of a caller who hangs up are theirs", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.participants(bridge, caller("a"));
    host.get("bridge").say("good");
    connection.onEvent({ type: "sessions_left", sessionIds: ["a"] });
    host.get("bridge").say("good bye", true, { revision: 1 });
    assert.deepEqual(connection.transcripts.slice(-2), ["hpb-l<a:good", "hpb-l<a:good bye!"]);
  }));

Deno.test("A bridge without a caller is requested with increasing delay, is not reported, and is requested at once when somebody calls", () =>
  withRooms(async ({ call, status, clock }) => {
    const connection = await call();
    connection.participants(bridge);
    const refuse = () =>
      connection.onEvent({ type: "offer_failed", sessionId: "bridge", code: "client_not_found" });
    const asked = () => connection.offersRequested.filter((id) => id === "bridge").length;
    for (let seconds = 0; seconds < 600; seconds++) {
      if (seconds % 10 === 0) refuse();
      await clock.advance(1_000);
    }
    assert.ok(asked() <= 13, `asked ${asked()} times in ten minutes`);
    assert.deepEqual(status().troubles, {});
    const before = asked();
    connection.participants(bridge, caller("a"));
    assert.equal(asked(), before + 1);
    connection.participants(bridge, caller("a"));
    assert.equal(asked(), before + 1, "once for each caller");
  }));

Deno.test("A bridge that is being connected to when somebody calls is not asked for another offer, which would void that one", () =>
  withRooms(async ({ call, host, clock }) => {
    const connection = await call();
    const asked = () => connection.offersRequested.filter((id) => id === "bridge").length;
    connection.participants(bridge);
    await settle();
    connection.participants(bridge, caller("a"));
    assert.equal(asked(), 1, "the offer is on its way");
    connection.onEvent({ type: "offer", from: "bridge", offer: { sid: "1", sdp: "offer" } });
    await settle();
    connection.participants(bridge, caller("a"), caller("b"));
    await clock.advance(1_000);
    assert.deepEqual([asked(), connection.answers.includes("bridge/1")], [1, true], "and answered");
    host.get("bridge").events.source({ type: "connected" });
    connection.participants(bridge, caller("a"), caller("b"), caller("c"));
    assert.equal(asked(), 1, "and connected");
    host.get("bridge").events.source({ type: "needs_offer", reason: "rtp_silent" });
    connection.participants(bridge, caller("a"), caller("b"), caller("c"), caller("d"));
    assert.equal(asked(), 2, "who waits to be asked again is asked at once");
  }));

Deno.test("A bridge whose audio arrives is not subscribed to again when somebody calls", () =>
  withRooms(async ({ call, host }) => {
    const connection = await call();
    connection.participants(bridge, caller("a"));
    host.get("bridge").events.receiving();
    connection.participants(bridge, caller("a"), caller("b"));
    assert.deepEqual(connection.offersRequested, ["hpb-s", "bridge"]);
  }));
