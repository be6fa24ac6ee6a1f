import assert from "@std/assert";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { SecondSession } from "./second_session.ts";
import { SessionOpener } from "./session_opener.ts";
import { FakeStt } from "./stt_feed_testing_test.ts";
import { SttSessions } from "./stt_sessions.ts";

Deno.test("A session that is offered while another one opens is closed where that is kept", async () => {
  const clock = new FakeClock();
  const scope = new Scope("speaker");
  await using _scope = scope;
  const [first, next] = [new FakeStt("first"), new FakeStt("next")];
  const sessions = new SttSessions({
    recognisers: [first, next],
    ...{ clock, log: new FakeLog(), meter: new FakeMeter() },
  });
  const opener = new SessionOpener({ sessions, recycle: () => {}, scope, clock });
  const open = async (at: number) => {
    const choice = opener.choice("en", (each) => each === sessions.recognisers[at])!;
    return await opener.open(choice, "en");
  };
  const current = { session: await open(1), languageId: "fr" };
  const second = new SecondSession({
    opener,
    clock,
    current: () => current,
    wake: () => {},
    takeOver: () => {},
  });
  const opening = Promise.withResolvers<void>();
  first.nextOpens.push(opening.promise);
  await clock.advance(4_000);
  second.sent(current.session, clock.now());
  await settle();
  assert.equal(first.opens, 1, "it opens one in the new language");
  const offered = await open(0);
  await second.offer(offered);
  opening.resolve();
  await settle();
  const kept = first.sessions.at(-1)!;
  assert.deepEqual([first.sessions[0].disposed, kept.disposed], [true, false]);
  await second.close();
  assert.equal(kept.disposed, true);
});
