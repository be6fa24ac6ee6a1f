/** Comings and goings, lost sockets and resumes, round after round: whatever was opened for them is gone afterwards. */
import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import type { TestSpeaker } from "../fakes/call.ts";
import { eventually } from "../integration/world.ts";
import { grownClasses, type Held, heldBy } from "./held.ts";
import { ProcessWorld, Talker } from "./process_world.ts";

/** Each fault twice: what is made at first use, a pool or a cache, is there. */
const WARM_UP_ROUNDS = 8;
const ROUNDS = 32;
const ROUND_MS = 1_500;
/** A request of ours may be under way. */
const SPARE_FDS = 2;
/** A retry or a keep-alive may be due at the moment of looking. */
const SPARE_TIMERS = 4;
/** A leak is one object a round or more; a buffer that happens to be fuller is less. */
const GROWN_MAX = ROUNDS / 2;
/** What is being closed is gone by then, also beside other work; what leaks stays. */
const SETTLE_MS = 60_000;

type Grown = Record<string, number>;

Deno.test("Rounds of churn on one process: sessions, sockets, timers and objects are back where they were", async () => {
  await using world = await ProcessWorld.start(["--inspect=127.0.0.1:0"]);
  const { call, listener, speakers: [constant] } = await world.callOf(1);
  await using talker = new Talker(constant, ["red", "river"]);
  const visitors: { speaker: TestSpeaker; talker: Talker }[] = [];

  const faults = [
    () => world.hpb.dropConnections({ resumable: true }),
    () => world.stt.dropConnections(),
    () => world.stt.closeConnections(),
    () => world.hpb.dropConnections({ resumable: false }),
  ];
  /** One visitor comes, one comes back, one goes, and something breaks. */
  const round = async (index: number) => {
    const speaker = await call.addSpeaker();
    visitors.push({ speaker, talker: new Talker(speaker, ["train", "meeting"]) });
    if (visitors.length > 2) {
      const { speaker, talker } = visitors.shift()!;
      await talker[Symbol.asyncDispose]();
      await speaker[Symbol.asyncDispose]();
    }
    await visitors[0].speaker.rejoin();
    await faults[index % faults.length]();
    await delay(ROUND_MS, new AbortController().signal);
  };
  const whatIsHeld = async (): Promise<Held> => {
    for (const { speaker, talker } of visitors.splice(0)) {
      await talker[Symbol.asyncDispose]();
      await speaker[Symbol.asyncDispose]();
    }
    await eventually(
      "one speaker left",
      async () =>
        await world.metric("transcription_speakers_active") === 1 &&
        await world.metric("tiro_speakers_heard") === 1 && world.stt.live === 1,
      60_000,
    );
    return await heldBy(world.service);
  };

  for (let index = 0; index < WARM_UP_ROUNDS; index++) await round(index);
  let before = await whatIsHeld();
  // Speakers who left have last words pending, and werift sleeps during a connection attempt: closing takes seconds.
  const oneIsLeft = async () => (before = await whatIsHeld()).objects.get("Captioner") === 1;
  await eventually("objects of all threads are seen, of one speaker alone", oneIsLeft, SETTLE_MS);

  for (let index = 0; index < ROUNDS; index++) await round(index);
  let grown: Grown = {};
  const nothingGrew = async () => {
    grown = grownSince(before, await whatIsHeld());
    return Object.keys(grown).length === 0;
  };
  await eventually("no more is held than before", nothingGrew, SETTLE_MS).catch(() =>
    assert.deepEqual(grown, {})
  );
  assert.equal(await world.metric("transcription_rooms_active"), 1);
  // The speaker who stayed is captioned as before.
  const seen = listener.transcripts.length;
  await eventually("captions", () => listener.transcripts.length > seen, 30_000);
  await talker[Symbol.asyncDispose]();
  assert.equal(await world.service.stop(), 0);
});

/** What there is more of now, past what may be there at the moment of looking. */
function grownSince(before: Held, after: Held): Grown {
  const descriptors = after.descriptors - before.descriptors;
  const timers = after.timers - before.timers;
  return {
    ...grownClasses(before, after, GROWN_MAX),
    ...descriptors > SPARE_FDS && { descriptors },
    ...timers > SPARE_TIMERS && { timers },
  };
}
