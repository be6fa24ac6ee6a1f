/** What callers change again and again: it takes nobody else's place, and what is under way has a bound. */
import assert from "@std/assert";
import { UnavailableError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { withRooms } from "./testing_test.ts";

const TIMES = 50;
const IN_CALL = 3;

Deno.test("Who joins and leaves the call again and again takes no more than three places, and is captioned in the end", () =>
  withRooms(async ({ call, host, scope, clock }) => {
    const connection = await call();
    const lastWords = Promise.withResolvers<void>();
    const others: { sessionId: string; inCall?: number }[] = [{ sessionId: "hpb-s" }];
    const flap = async (inCall: number) => {
      connection.participants(...others, { sessionId: "hpb-flap", inCall });
      await settle();
      for (const speaker of host.opened) {
        if (speaker.id === "hpb-flap") speaker.lastWords = lastWords.promise;
      }
    };
    const before = scope.size;
    for (let at = 0; at < TIMES; at++) await flap(at % 2 === 0 ? IN_CALL : 0);
    const flapping = () => host.opened.filter(({ id, disposed }) => id === "hpb-flap" && !disposed);
    assert.ok(flapping().length <= 3, `${flapping().length} pipelines`);
    assert.ok(scope.size <= before + 3);
    others.push({ sessionId: "hpb-b" });
    await flap(IN_CALL);
    assert.ok(host.get("hpb-b"), "there is a place for another");
    lastWords.resolve();
    await settle();
    await clock.advance(100);
    assert.deepEqual(flapping().map(({ drained }) => drained), [false], "the newest state counts");
    assert.equal(host.get("hpb-s").drained, false);
  }, { speakersPerRoomMax: 6 }));

Deno.test("A call that is left and asked for again and again takes no more than three places, and goes on in the end", () =>
  withRooms(async ({ ask, call, rooms, status, host, signaling }) => {
    const lastWords = Promise.withResolvers<void>();
    let refused = 0;
    for (let at = 0; at < TIMES; at++) {
      try {
        await call("flap");
        host.opened.at(-1)!.lastWords = lastWords.promise;
      } catch (error) {
        assert.ok(error instanceof UnavailableError && error.code === "busy");
        refused++;
      }
      rooms.leave("flap");
      await settle();
    }
    assert.equal(refused, TIMES - 2);
    assert.equal(signaling.length, 2);
    await call("other");
    lastWords.resolve();
    await settle();
    ask("flap", "nc-l");
    assert.equal(status().rooms, 2);
  }, { roomsMax: 4 }));

Deno.test("A listener who changes the language of their captions again and again gets each final once", () =>
  withRooms(async ({ call, host, rooms, translations }) => {
    const connection = await call();
    rooms.setTranslationTarget("room", "nc-l", "de");
    host.get("hpb-s").say("hello", true);
    for (let at = 0; at < TIMES; at++) {
      rooms.setTranslationTarget("room", "nc-l", ["ar", null, "pt", "de"][at % 4]);
      rooms.transcribe({
        roomToken: "room",
        ncSessionId: "nc-l",
        enable: true,
        languageId: "en",
        turnServers: [],
      });
    }
    await translations.answer();
    assert.deepEqual(connection.transcripts, ["hpb-l<hpb-s:hello!"]);
    assert.equal(translations.requests.length, 1);
  }));

Deno.test("A room's language that changes again and again changes nothing but the language", () =>
  withRooms(async ({ call, host, rooms, scope }) => {
    await call();
    const before = scope.size;
    for (let at = 0; at < TIMES; at++) rooms.setLanguage("room", ["fr", "de", "en"][at % 3]);
    assert.equal(scope.size, before);
    assert.equal(host.get("hpb-s").languageId, "de");
    assert.equal(host.opened.length, 1);
  }));
