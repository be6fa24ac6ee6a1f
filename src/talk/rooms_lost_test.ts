/** Calls that are lost and brought back: how often, for how long, and what happens when there is no place for them. */
import assert from "@std/assert";
import { settle } from "../../tests/fakes/clock.ts";
import { unreachable, withRooms } from "./testing_test.ts";

Deno.test("A lost call there is no place for is tried again until there is", () =>
  withRooms(async ({ ask, call, clock, rooms, signaling, host, log, meter }) => {
    (await call("lost")).onEvent({ type: "closed", error: unreachable() });
    await settle();
    ask("a", "nc-a");
    ask("b", "nc-b");
    await clock.advance(5 * 60_000);
    assert.deepEqual(signaling.map(({ roomToken }) => roomToken), ["lost", "a", "b"]);
    assert.ok(meter.counted("transcription_errors_total", "busy") > 1);
    assert.equal(log.lines.filter(({ message }) => message === "call not followed").length, 1);
    rooms.leave("a");
    await clock.advance(30_000);
    const back = signaling[3];
    back.join();
    back.session("hpb-l", "nc-l");
    back.inCall("hpb-s");
    host.get("hpb-s").say("back");
    assert.deepEqual([back.roomToken, back.transcripts], ["lost", ["hpb-l<hpb-s:back"]]);
  }));

Deno.test("No more lost calls are kept than may be open: those lost first are given up", () =>
  withRooms(async ({ call, status, meter }) => {
    for (const token of ["a", "b", "c", "d"]) {
      (await call(token)).onEvent({ type: "closed", error: unreachable() });
      await settle();
    }
    assert.equal(meter.counted("transcription_errors_total", "call_given_up"), 2);
    assert.equal(status().rooms, 0);
  }));

Deno.test("A breakout room there is no place for is followed once there is", () =>
  withRooms(async ({ call, clock, status, signaling }) => {
    await call("other");
    (await call("main")).onEvent({ type: "switch_to", roomToken: "breakout" });
    await clock.advance(30_000);
    assert.deepEqual(signaling.map(({ roomToken }) => roomToken), ["other", "main", "breakout"]);
    signaling[2].join();
    signaling[2].session("hpb-l", "nc-l");
    assert.deepEqual([status().rooms, status().listeners], [2, 2]);
  }));

Deno.test("A lost call without a place is not kept for ever, and abandoning it is reported", () =>
  withRooms(async ({ ask, call, clock, rooms, signaling, log, meter }) => {
    (await call("lost")).onEvent({ type: "closed", error: unreachable() });
    await settle();
    for (const token of ["a", "b"]) {
      ask(token, "nc-l");
      signaling.at(-1)!.join();
      signaling.at(-1)!.session("hpb-l", "nc-l");
    }
    await clock.advance(41 * 60_000);
    assert.ok(log.lines.some(({ message }) => message === "lost call given up"));
    assert.equal(meter.counted("transcription_errors_total", "call_given_up"), 1);
    rooms.leave("a");
    await clock.advance(60 * 60_000);
    assert.equal(signaling.length, 3);
  }));

Deno.test("A HPB that lets us in and throws us out at once is no call brought back: it is given up in the end", () =>
  withRooms(async ({ call, clock, signaling, meter }) => {
    (await call()).onEvent({ type: "closed", error: unreachable() });
    for (let i = 0; i < 40; i++) {
      await clock.advance(30_000);
      const again = signaling.at(-1)!;
      again.join();
      await clock.advance(9_000);
      again.onEvent({ type: "closed", error: unreachable() });
    }
    assert.equal(signaling.length, 21);
    assert.equal(meter.counted("transcription_errors_total", "call_given_up"), 1);
  }));

Deno.test("A call in which something breaks is brought back for its listeners", () =>
  withRooms(async ({ call, clock, signaling, host }) => {
    (await call()).scope.run(() => Promise.reject(new Error("broken invariant")));
    await clock.advance(30_000);
    const back = signaling[1];
    back.join();
    back.session("hpb-l", "nc-l");
    back.inCall("hpb-s");
    host.get("hpb-s").say("back");
    assert.deepEqual(back.transcripts, ["hpb-l<hpb-s:back"]);
  }));

Deno.test("A call that breaks each time it is opened is given up in the end", () =>
  withRooms(async ({ call, clock, signaling, meter }) => {
    await call();
    for (let i = 0; i < 40; i++) {
      signaling.at(-1)!.scope.run(() => Promise.reject(new Error("broken invariant")));
      await clock.advance(30_000);
      if (signaling.at(-1)!.scope.signal.aborted) break;
    }
    assert.equal(signaling.length, 21);
    assert.equal(meter.counted("transcription_errors_total", "call_given_up"), 1);
  }));

Deno.test("A call that was joined for a while counts as brought back: the next loss begins anew", () =>
  withRooms(async ({ call, clock, signaling }) => {
    (await call()).onEvent({ type: "closed", error: unreachable() });
    for (let i = 0; i < 40; i++) {
      await clock.advance(30_000);
      const again = signaling.at(-1)!;
      again.join();
      again.session("hpb-l", "nc-l");
      await clock.advance(11_000);
      again.onEvent({ type: "closed", error: unreachable() });
    }
    assert.equal(signaling.length, 41);
  }));

Deno.test("A lost call that is asked for again without TURN servers keeps those Talk gave for it", () =>
  withRooms(async ({ call, ask, host, signaling }) => {
    const turnServers = [{ urls: ["turn:a"], username: "1", credential: "p" }];
    const connection = await call();
    ask("room", "nc-2", { turnServers });
    connection.onEvent({ type: "closed", error: unreachable() });
    ask("room", "nc-2");
    signaling[1].join();
    signaling[1].inCall("hpb-s");
    signaling[1].onEvent({ type: "offer", from: "hpb-s", offer: { sid: "1", sdp: "sdp" } });
    await settle();
    assert.deepEqual(host.get("hpb-s").iceServers, turnServers);
  }));
