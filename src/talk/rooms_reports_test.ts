/** What observers are reported of a call: captions with names, and each speaker's part. */
import assert from "@std/assert";
import type { SessionObserver } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { type makeRooms, unreachable, withRooms } from "./testing_test.ts";

function reported(
  name: string,
  test: (world: ReturnType<typeof makeRooms>, reports: string[]) => Promise<void>,
): void {
  Deno.test(name, () => {
    const reports: string[] = [];
    const observer: SessionObserver = {
      opened({ door, name }, languageId) {
        reports.push(`${door} ${name} in ${languageId}`);
        return {
          caption: ({ text }, name) => reports.push(`${name}: ${text}`),
          speakerEnded: ({ speakerId, userId, outcome }) => reports.push(`${speakerId} ${userId} ${outcome}`),
          closed: () => reports.push("closed"),
        };
      },
    };
    return withRooms((world) => test(world, reports), { observers: [observer] });
  });
}

reported("A call's captions have names, and the last words of who left have, too", async (world, reports) => {
  const { call, host, rooms } = world;
  const connection = await call();
  host.get("hpb-s").say("hello");
  connection.onEvent({
    type: "identities",
    identities: [{ sessionId: "hpb-s", name: "Ada", userId: "ada" }],
  });
  host.get("hpb-s").say("hello all");
  connection.inCall("hpb-s", "guest");
  connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-s"] });
  await settle();
  rooms.leave("room");
  await settle();
  assert.deepEqual(reports, [
    "talk room in en",
    "undefined: hello",
    "Ada: hello all",
    "Ada: last words",
    "hpb-s ada completed",
    "undefined: last words",
    "guest undefined completed",
    "closed",
  ]);
});

reported(
  "A speaker for whom there was no place is reported as refused",
  async ({ call, host, rooms }, reports) => {
    host.isFull = true;
    await call();
    rooms.leave("room");
    await settle();
    assert.deepEqual(reports, ["talk room in en", "hpb-s undefined refused", "closed"]);
  },
);

reported("After the room is joined anew those who spoke before keep their names", async (world, reports) => {
  const { call, host } = world;
  const connection = await call();
  connection.onEvent({ type: "identities", identities: [{ sessionId: "hpb-s", name: "Ada" }] });
  connection.join(false);
  host.get("hpb-s").say("still here");
  await settle();
  assert.deepEqual(reports, ["talk room in en", "Ada: still here"]);
});

reported("No name and no user id is logged or counted", async ({ call, log, meter }) => {
  const connection = await call();
  connection.onEvent({
    type: "identities",
    identities: [{ sessionId: "hpb-s", name: "Secretname", userId: "secretname" }],
  });
  connection.onEvent({ type: "sessions_left", sessionIds: ["hpb-s"] });
  await settle();
  const written = Deno.inspect([log.lines, meter], { depth: 10, iterableLimit: 1_000 });
  assert.ok(!/secretname/i.test(written), written);
});

Deno.test("A call that was lost is reported as one that continues; another call in the room is not", async () => {
  const continued: (boolean | undefined)[] = [];
  const observer: SessionObserver = {
    opened({ continues }) {
      continued.push(continues);
      return undefined;
    },
  };
  await withRooms(async ({ ask, call, clock, rooms }) => {
    (await call("room")).onEvent({ type: "closed", error: unreachable() });
    await clock.advance(30_000);
    assert.deepEqual(continued, [undefined, true], "reopened");
    rooms.leave("room");
    await settle();
    const connection = await call("room");
    connection.onEvent({ type: "closed", error: unreachable() });
    await settle();
    ask("room", "nc-l");
    assert.deepEqual(continued, [undefined, true, undefined, true], "asked for before it was reopened");
  }, { observers: [observer] });
});
