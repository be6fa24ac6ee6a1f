/** People who move to another room: they have another Nextcloud session there, and the same session at the HPB. */
import assert from "@std/assert";
import { settle } from "../../tests/fakes/clock.ts";
import type { FakeSignaling, makeRooms } from "./testing_test.ts";
import { withRooms } from "./testing_test.ts";

type World = ReturnType<typeof makeRooms>;

/** Someone speaks in the room; what arrives at whom. */
async function said(connection: FakeSignaling, { host, translations }: World): Promise<string[]> {
  connection.inCall("hpb-s");
  await settle();
  const before = connection.transcripts.length;
  host.get("hpb-s").say("hello", true);
  await translations.answer();
  return connection.transcripts.slice(before);
}

const leaves = (connection: FakeSignaling, sessionId: string) =>
  connection.onEvent({ type: "sessions_left", sessionIds: [sessionId] });

Deno.test("A language follows a participant requested again in the next room, by the HPB's session", () =>
  withRooms(async (world) => {
    const { call, ask, signaling } = world;
    const main = await call("main");
    ask("main", "nc-l", { translationTargetId: "de" });
    leaves(main, "hpb-l");
    ask("breakout", "nc-other");
    signaling[1].join();
    signaling[1].session("hpb-l", "nc-other");
    assert.deepEqual(await said(signaling[1], world), ["hpb-l<hpb-s:hello-de!"]);
  }));

Deno.test("A language follows a participant with the same Nextcloud session, whatever the HPB's", () =>
  withRooms(async (world) => {
    const { call, ask, rooms, signaling } = world;
    await call("main");
    rooms.setTranslationTarget("main", "nc-l", "de");
    rooms.leave("main");
    ask("breakout", "nc-l");
    signaling[1].join();
    signaling[1].session("hpb-other", "nc-l");
    assert.deepEqual(await said(signaling[1], world), ["hpb-other<hpb-s:hello-de!"]);
  }));

for (const first of ["leave", "join"] as const) {
  Deno.test(`A language follows into a room that is captioned already, the ${first} being reported first`, () =>
    withRooms(async (world) => {
      const { call, ask, rooms } = world;
      const main = await call("main");
      ask("main", "nc-l", { translationTargetId: "de" });
      const breakout = await call("breakout");
      leaves(breakout, "hpb-l");
      if (first === "leave") leaves(main, "hpb-l");
      breakout.session("hpb-l", "nc-other");
      if (first === "join") leaves(main, "hpb-l");
      rooms.leave("main");
      ask("breakout", "nc-other");
      assert.deepEqual(await said(breakout, world), ["hpb-l<hpb-s:hello-de!"]);
    }));
}

Deno.test("What is asked for in the next room counts, also the original", () =>
  withRooms(async (world) => {
    const { call, ask, signaling } = world;
    const main = await call("main");
    ask("main", "nc-l", { translationTargetId: "de" });
    ask("breakout", "nc-other", { translationTargetId: null });
    leaves(main, "hpb-l");
    signaling[1].join();
    signaling[1].session("hpb-l", "nc-other");
    assert.deepEqual(await said(signaling[1], world), ["hpb-l<hpb-s:hello!"]);
  }));

Deno.test("A language does not follow a participant who removed it, turned captions off, or comes much later", () =>
  withRooms(async (world) => {
    const { call, ask, rooms, signaling, clock } = world;
    const main = await call("main");
    for (const [number, nc] of ["nc-1", "nc-2", "nc-3"].entries()) {
      ask("main", nc, { translationTargetId: "de" });
      main.session(`hpb-${number + 1}`, nc);
    }
    rooms.setTranslationTarget("main", "nc-1", null);
    ask("main", "nc-2", { enable: false });
    for (const session of ["hpb-1", "hpb-2", "hpb-3"]) leaves(main, session);
    await clock.advance(10 * 60_000);
    const { length } = signaling;
    for (const nc of ["nc-4", "nc-5", "nc-6"]) ask("breakout", nc);
    const breakout = signaling[length];
    breakout.join();
    for (const [number, nc] of ["nc-4", "nc-5", "nc-6"].entries()) breakout.session(`hpb-${number + 1}`, nc);
    assert.deepEqual(
      await said(breakout, world),
      ["hpb-1<hpb-s:hello!", "hpb-2<hpb-s:hello!", "hpb-3<hpb-s:hello!"],
    );
  }));

Deno.test("After a switch to another room its listeners are captioned there without a request, and no others", () =>
  withRooms(async (world) => {
    const { call, ask, rooms, signaling } = world;
    const main = await call("main");
    rooms.setTranslationTarget("main", "nc-l", "de");
    ask("main", "nc-gone");
    main.session("hpb-gone", "nc-gone");
    main.session("hpb-deaf", "nc-no-captions");
    leaves(main, "hpb-gone"); // ahead of the others
    main.onEvent({ type: "switch_to", roomToken: "breakout" });
    await settle();
    const breakout = signaling[1];
    breakout.join();
    breakout.session("hpb-l", "nc-1");
    breakout.session("hpb-gone", "nc-2");
    breakout.session("hpb-deaf", "nc-3");
    assert.deepEqual(
      (await said(breakout, world)).toSorted(),
      ["hpb-gone<hpb-s:hello!", "hpb-l<hpb-s:hello-de!"],
    );
  }));
