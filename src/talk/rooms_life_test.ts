/** How calls begin again and end: left, lost, followed elsewhere, drained. */
import { SignalingError } from "./signaling/mod.ts";
import assert from "@std/assert";
import { UnavailableError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import type { SignalingEvent } from "./signaling/mod.ts";
import { unreachable, withRooms } from "./testing_test.ts";

Deno.test("A room is left 60 s after its last listener left, not when one rejoins in time", () =>
  withRooms(async ({ call, clock, status }) => {
    const connection = await call();
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-l"] });
    await clock.advance(59_000);
    connection.session("hpb-l2", "nc-l");
    await clock.advance(120_000);
    assert.equal(status().rooms, 1);
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-l2"] });
    await clock.advance(60_100);
    assert.equal(status().rooms, 0);
    assert.ok(connection.saidBye);
  }));

Deno.test("A room nobody joins is left too, and so is one whose last listener is removed", () =>
  withRooms(async ({ ask, call, clock, status, signaling }) => {
    ask("empty", "nc-nobody");
    signaling[0].join();
    await call();
    await clock.advance(60_100);
    assert.equal(status().rooms, 1);
    ask("room", "nc-l", { enable: false });
    await clock.advance(59_000);
    assert.equal(status().rooms, 1);
    ask("room", "nc-l");
    await clock.advance(120_000);
    assert.equal(status().rooms, 1);
    ask("room", "nc-l", { enable: false });
    await clock.advance(60_100);
    assert.equal(status().rooms, 0);
  }));

Deno.test("Whoever asks just before an empty room is left has the whole time to come", () =>
  withRooms(async ({ ask, call, clock, status, host }) => {
    const connection = await call();
    ask("room", "nc-l", { enable: false });
    await clock.advance(59_900);
    ask("room", "nc-new");
    await clock.advance(59_900);
    connection.session("hpb-new", "nc-new");
    host.get("hpb-s").say("hello");
    assert.deepEqual(connection.transcripts, ["hpb-new<hpb-s:hello"]);
    assert.equal(status().rooms, 1);
  }));

Deno.test("A call still being joined is not empty, however long that takes", () =>
  withRooms(async ({ ask, clock, status, signaling, host }) => {
    ask("room", "nc-l");
    await clock.advance(600_000);
    assert.equal(status().rooms, 1);
    signaling[0].join();
    signaling[0].session("hpb-l", "nc-l");
    signaling[0].inCall("hpb-s");
    host.get("hpb-s").say("hello");
    assert.deepEqual(signaling[0].transcripts, ["hpb-l<hpb-s:hello"]);
  }));

Deno.test("A call still being joined is abandoned once no captions are requested any more", () =>
  withRooms(async ({ ask, clock, status }) => {
    ask("room", "nc-l");
    await clock.advance(100_000);
    ask("room", "nc-l", { enable: false });
    await clock.advance(59_000);
    assert.equal(status().rooms, 1);
    await clock.advance(1_100);
    assert.equal(status().rooms, 0);
  }));

Deno.test("A call counts as empty only once the HPB had time to list its participants, at every join", () =>
  withRooms(async ({ ask, clock, status, signaling }) => {
    ask("room", "nc-l");
    await clock.advance(9_000);
    signaling[0].join();
    await clock.advance(9_000);
    signaling[0].session("hpb-l", "nc-l");
    await clock.advance(60_000);
    assert.deepEqual([status().rooms, status().listeners], [1, 1]);
    signaling[0].disconnect();
    await clock.advance(20_000);
    signaling[0].join();
    await clock.advance(9_000);
    assert.equal(status().rooms, 1);
    signaling[0].session("hpb-l2", "nc-l");
    signaling[0].onEvent({ type: "sessions_left", sessionIds: ["hpb-l2"] });
    await clock.advance(900);
    assert.equal(status().rooms, 1);
    await clock.advance(200);
    assert.equal(status().rooms, 0);
  }, { emptyRoomMs: 1_000 }));

Deno.test("While the HPB is disconnected no listener counts as left; after a rejoin the time starts again", () =>
  withRooms(async ({ call, clock, status }) => {
    const connection = await call();
    connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-l"] });
    await clock.advance(59_000);
    connection.disconnect();
    await clock.advance(120_000);
    assert.equal(status().rooms, 1);
    connection.join(true);
    await clock.advance(59_000);
    assert.equal(status().rooms, 1);
    await clock.advance(1_100);
    assert.equal(status().rooms, 0);
  }));

Deno.test("A call lost to signalling is counted and logged with its error; one that ends is no error", () =>
  withRooms(async ({ call, meter, log }) => {
    const error = new Error("gone");
    const ended = await call();
    ended.onEvent({ type: "call_ended" });
    await settle();
    assert.equal(meter.counted("transcription_errors_total", "signaling"), 0);
    (await call()).onEvent({ type: "closed", error: error as never });
    await settle();
    assert.equal(meter.counted("transcription_errors_total", "signaling"), 1);
    assert.deepEqual(log.lines.filter(({ level }) => level === "error").map(({ error }) => error), [error]);
  }));

Deno.test("A call that was never joined is logged as that, and not as lost", () =>
  withRooms(async ({ ask, call, signaling, log }) => {
    (await call("a")).onEvent({ type: "closed", error: unreachable() });
    ask("b", "nc-l");
    signaling.at(-1)!.onEvent({ type: "closed", error: unreachable() });
    await settle();
    const messages = log.lines.map(({ message }) => message).filter((message) => message.startsWith("call "));
    assert.deepEqual(messages, ["call lost", "call not joined"]);
  }));

for (
  const event of [
    { type: "call_ended" },
    { type: "room_deleted" },
    { type: "closed" },
  ] satisfies SignalingEvent[]
) {
  Deno.test(`The event ${event.type} cleans the room up`, () =>
    withRooms(async ({ call, host, status, scope }) => {
      const connection = await call();
      connection.onEvent(event);
      await settle();
      assert.equal(status().rooms, 0);
      assert.ok(host.get("hpb-s").disposed && connection.saidBye);
      assert.equal(scope.size, 0);
    }));
}

Deno.test("A call lost with the HPB is brought back for its listeners once the HPB is there again", () =>
  withRooms(async ({ call, clock, rooms, status, signaling, host }) => {
    const connection = await call();
    rooms.setLanguage("room", "fr");
    connection.onEvent({ type: "closed", error: unreachable() });
    await settle();
    assert.equal(status().rooms, 0);
    await clock.advance(30_000);
    signaling[1].onEvent({ type: "closed", error: unreachable() });
    await clock.advance(30_000);
    signaling[2].join();
    signaling[2].session("hpb-l", "nc-l");
    signaling[2].inCall("hpb-s");
    host.get("hpb-s").say("back");
    assert.deepEqual(signaling[2].transcripts, ["hpb-l<hpb-s:back"]);
    assert.equal(host.get("hpb-s").languageId, "fr");
  }));

Deno.test("A lost call is not brought back without listeners, after leaving, after a final error, or for ever", () =>
  withRooms(async ({ call, ask, clock, rooms, signaling }) => {
    (await call("a")).onEvent({ type: "closed", error: unreachable() });
    ask("a", "nc-l", { enable: false });
    await clock.advance(30_000);
    (await call("b")).onEvent({ type: "closed", error: unreachable() });
    rooms.leave("b");
    await clock.advance(30_000);
    const final = new SignalingError("Cannot say hello: test", { code: "invalid_token", retryable: false });
    (await call("c")).onEvent({ type: "closed", error: final });
    await clock.advance(60_000);
    assert.deepEqual(signaling.slice(1).map(({ roomToken }) => roomToken), ["b", "c"]);

    (await call("d")).onEvent({ type: "closed", error: unreachable() });
    for (let i = 0; i < 40; i++) {
      await clock.advance(30_000);
      signaling.at(-1)!.onEvent({ type: "closed", error: unreachable() });
    }
    assert.equal(signaling.filter(({ roomToken }) => roomToken === "d").length, 21);
  }));

Deno.test("A lost call that is requested again is opened at once for all its listeners, and once", () =>
  withRooms(async ({ call, ask, clock, signaling, host }) => {
    (await call()).onEvent({ type: "closed", error: unreachable() });
    ask("room", "nc-2");
    signaling[1].join();
    signaling[1].session("hpb-l", "nc-l");
    signaling[1].session("hpb-2", "nc-2");
    signaling[1].inCall("hpb-s");
    host.get("hpb-s").say("hello");
    assert.deepEqual(signaling[1].transcripts, ["hpb-l<hpb-s:hello", "hpb-2<hpb-s:hello"]);
    await clock.advance(40_000);
    assert.equal(signaling.length, 2);
  }));

Deno.test("A breakout room is followed with the listeners and the language", () =>
  withRooms(async ({ call, rooms, status, signaling }) => {
    const connection = await call();
    rooms.setLanguage("room", "fr");
    connection.onEvent({ type: "switch_to", roomToken: "breakout" });
    await settle();
    assert.equal(status().rooms, 1);
    assert.equal(signaling[1].roomToken, "breakout");
    signaling[1].join();
    signaling[1].session("hpb-l", "nc-l");
    assert.equal(status().listeners, 1);
  }));

Deno.test("A room with an unexpected error is closed, logged, and reopened by the next request; others continue", () =>
  withRooms(async ({ call, ask, status, signaling, host, meter, log }) => {
    const broken = await call("broken");
    await call("sound");
    broken.scope.run(() => Promise.reject(new Error("broken invariant")));
    await settle();
    assert.equal(status().rooms, 1);
    assert.ok(host.opened[0].disposed && !host.opened[1].disposed);
    assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
    assert.equal(log.lines.filter(({ message }) => message === "call lost").length, 1);
    ask("broken", "nc-l");
    assert.deepEqual(signaling.map(({ roomToken }) => roomToken), ["broken", "sound", "broken"]);
    assert.ok(signaling[2].started);
  }));

Deno.test("A room that cannot be left cleanly costs the other rooms nothing", () =>
  withRooms(async ({ call, rooms, status, scope, host, meter }) => {
    const unclean = await call("unclean");
    await call("sound");
    unclean.byeFault = new Error("broken");
    rooms.leave("unclean");
    await settle();
    assert.ok(!scope.signal.aborted);
    assert.ok(host.opened[0].disposed && !host.opened[1].disposed);
    assert.equal(meter.counted("transcription_errors_total", "unexpected"), 1);
    await call("another");
    assert.equal(status().rooms, 2);
  }));

Deno.test("Listeners switched to a room that is captioned already join its listeners, in their language", () =>
  withRooms(async ({ call, ask, status, host, signaling, translations }) => {
    const main = await call("main");
    const breakout = await call("breakout");
    ask("breakout", "nc-m", { translationTargetId: "de" });
    breakout.onEvent({ type: "switch_to", roomToken: "main" });
    await settle();
    assert.equal(signaling.length, 2);
    assert.equal(status().rooms, 1);
    main.session("hpb-m2", "nc-m");
    host.opened[0].say("together", true);
    await translations.answer();
    assert.deepEqual(main.transcripts, ["hpb-l<hpb-s:together!", "hpb-m2<hpb-s:together-de!"]);
  }));

Deno.test("The newest TURN servers Talk gave for a call are used: the passwords of older ones run out", () =>
  withRooms(async ({ call, ask, host }) => {
    const turn = (password: string) => [{ urls: ["turn:a"], username: "1", credential: password }];
    const connection = await call();
    const offer = async (from: string) => {
      connection.onEvent({ type: "offer", from, offer: { sid: "1", sdp: "sdp" } });
      await settle();
      return host.get(from).iceServers;
    };
    ask("room", "nc-2", { turnServers: turn("old") });
    assert.deepEqual(await offer("hpb-s"), turn("old"));
    ask("room", "nc-3", { turnServers: turn("new") });
    ask("room", "nc-4");
    assert.deepEqual(await offer("hpb-s"), turn("new"));
  }));

Deno.test("A breakout room there is no place for is logged, and the room before it is left as always", () =>
  withRooms(async ({ call, status, meter, log, signaling }) => {
    await call("other");
    const connection = await call("main");
    connection.onEvent({ type: "switch_to", roomToken: "breakout" });
    await settle();
    assert.deepEqual(signaling.map(({ roomToken }) => roomToken), ["other", "main"]);
    assert.ok(connection.saidBye);
    assert.equal(status().rooms, 1);
    assert.equal(meter.counted("transcription_errors_total", "busy"), 1);
    assert.ok(log.lines.some(({ message }) => message === "call not followed"));
  }));

Deno.test("Leaving a room twice, or one that is not there, is fine", () =>
  withRooms(async ({ call, rooms, status }) => {
    await call();
    rooms.leave("room");
    rooms.leave("room");
    rooms.leave("elsewhere");
    await settle();
    assert.equal(status().rooms, 0);
  }));

Deno.test("Draining delivers the last captions, sends bye everywhere and opens no room", () =>
  withRooms(async ({ call, sessions, ask, host }) => {
    const connection = await call();
    await sessions.drain(AbortSignal.timeout(1_000));
    assert.ok(host.get("hpb-s").drained);
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.ok(connection.saidBye);
    assert.throws(() => ask("other", "nc-1"), UnavailableError);
  }));

Deno.test("Ending more waits for the last words of a speaker who has just left, or of a room just left", () =>
  withRooms(async ({ call, rooms, sessions, host }) => {
    const speech = Promise.withResolvers<void>();
    const first = await call("first");
    const second = await call("second");
    for (const speaker of host.opened) speaker.lastWords = speech.promise;
    second.inCall();
    rooms.leave("first");
    const drained = sessions.drain(new AbortController().signal);
    await settle();
    assert.ok(!first.saidBye && !second.saidBye);
    speech.resolve();
    await drained;
    assert.deepEqual(first.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.deepEqual(second.transcripts, ["hpb-l<hpb-s:last words!"]);
    assert.ok(first.saidBye && second.saidBye);
  }));

Deno.test("Draining does not wait for rooms and speakers that do not end", () =>
  withRooms(async ({ call, rooms, sessions, host }) => {
    const speech = Promise.withResolvers<void>();
    await call("first");
    const second = await call("second");
    for (const speaker of host.opened) speaker.lastWords = speech.promise;
    second.inCall();
    rooms.leave("first");
    const enough = new AbortController();
    const drained = sessions.drain(enough.signal);
    await settle();
    enough.abort();
    await drained;
    speech.resolve();
  }));
