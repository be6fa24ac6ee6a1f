/** How many may have asked for captions in all calls, and who is forgotten for others. */
import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { unreachable, withRooms } from "./testing_test.ts";

const ids = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const DROPPED = "tiro_listeners_dropped_total";

Deno.test("A new listener replaces the oldest absent one, of the call with most of them, and is captioned", () =>
  withRooms(async ({ ask, call, meter, host }) => {
    const flooded = await call("flooded"); // with one listener who is there
    const small = await call("small");
    const wanted = meter.gauges.get("tiro_listeners_wanted")!;
    ask("small", "nc-late");
    for (const id of ids("nc-", 50)) ask("flooded", id);
    assert.equal(wanted(), 10);
    assert.equal(meter.counted(DROPPED, "all_full"), 43);
    small.session("hpb-late", "nc-late");
    ask("small", "nc-new");
    small.session("hpb-new", "nc-new");
    for (const id of ["nc-0", "nc-43", "nc-44"]) flooded.session(`hpb-${id}`, id);
    host.get("hpb-s").say("hello", true);
    assert.deepEqual(small.transcripts.map((each) => each.split("<")[0]), ["hpb-l", "hpb-late", "hpb-new"]);
    assert.equal(meter.gauges.get("tiro_listeners")!(), 5, "of the flood the newest are known");
    ask("flooded", "nc-44");
    assert.equal(meter.counted(DROPPED, "all_full"), 44, "who is known needs no room");
  }, { listenersMax: 10 }));

Deno.test("While all listeners are in their calls one more is refused, opens no call, and is accepted once one has left", () =>
  withRooms(async ({ ask, call, signaling, meter }) => {
    const connection = await call();
    ask("room", "nc-2");
    connection.session("hpb-2", "nc-2");
    for (const token of ["room", "another"]) {
      assert.throws(() => ask(token, "nc-3"), {
        name: "UnavailableError",
        code: "listeners_max",
        message: "Cannot send captions: 2 participants get them already; wait until some have left",
      });
    }
    assert.equal(signaling.length, 1);
    assert.equal(meter.counted(DROPPED, "refused"), 2);
    ask("room", "nc-2");
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-2"] });
    ask("room", "nc-3");
    connection.session("hpb-3", "nc-3");
    assert.equal(meter.gauges.get("tiro_listeners")!(), 2);
  }, { listenersMax: 2 }));

Deno.test("Those of lost calls count, and keep their place in the call that comes back", () =>
  withRooms(async ({ ask, call, clock, meter, signaling }) => {
    (await call("lost")).onEvent({ type: "closed", error: unreachable() });
    await settle();
    ask("other", "nc-a");
    ask("other", "nc-b");
    assert.equal(meter.gauges.get("tiro_listeners_wanted")!(), 3);
    ask("lost", "nc-l");
    assert.equal(meter.counted(DROPPED, "all_full"), 0);
    ask("other", "nc-c");
    assert.equal(meter.counted(DROPPED, "all_full"), 1);
    await clock.advance(1_000);
    assert.equal(signaling.length, 3);
  }, { listenersMax: 3 }));

Deno.test("A call above its own bound removes its oldest absent listener, and counts it", () =>
  withRooms(async ({ ask, call, meter }) => {
    await call();
    for (const id of ids("nc-", LIMITS.pendingViewers + 5)) ask("room", id);
    assert.equal(meter.gauges.get("tiro_listeners_wanted")!(), LIMITS.pendingViewers);
    assert.equal(meter.counted(DROPPED, "room_full"), 6);
    assert.equal(meter.gauges.get("tiro_listeners")!(), 1);
  }));
