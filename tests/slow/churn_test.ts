/** Comings and goings, lost sockets and resumes, for a minute: whatever was opened for them is gone afterwards. */
import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import type { TestSpeaker } from "../fakes/call.ts";
import { eventually } from "../integration/world.ts";
import { median, ProcessWorld, sampleRss, Talker } from "./process_world.ts";

const CHURN_MS = 60_000;
const ROUND_MS = 1_500;
/** A request of ours may be under way. */
const SPARE_FDS = 2;
/** Compiled code and the allocator's own keeping; a leak of what a round opens would be three times this. */
const GROWTH_BYTES_MAX = 10 * 1024 * 1024;

Deno.test("A minute of churn on one process: sessions, sockets and memory are back near the start", async () => {
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
  const everyoneGoes = async () => {
    for (const { speaker, talker } of visitors.splice(0)) {
      await talker[Symbol.asyncDispose]();
      await speaker[Symbol.asyncDispose]();
    }
    await eventually(
      "one speaker left",
      async () =>
        await world.metric("transcription_speakers_active") === 1 &&
        await world.metric("tiro_speakers_heard") === 1 && world.stt.live === 1,
      30_000,
    );
  };

  for (let index = 0; index < 8; index++) await round(index);
  await everyoneGoes();
  await world.service.collectGarbage();
  const rssBefore = median(await sampleRss(world.service, 5));
  const fdsBefore = world.service.fdCount();

  const startMs = performance.now();
  let rounds = 0;
  while (performance.now() - startMs < CHURN_MS) await round(rounds++);
  await everyoneGoes();
  await world.service.collectGarbage();
  const rssAfter = median(await sampleRss(world.service, 5));
  const fdsAfter = world.service.fdCount();

  assert.ok(rounds >= 20, `${rounds} rounds`);
  assert.equal(await world.metric("transcription_rooms_active"), 1);
  assert.ok(fdsAfter <= fdsBefore + SPARE_FDS, `${fdsBefore} descriptors before, ${fdsAfter} after`);
  const grownBytes = rssAfter - rssBefore;
  assert.ok(grownBytes < GROWTH_BYTES_MAX, `${grownBytes} bytes more after ${rounds} rounds`);
  // The speaker who stayed is captioned as before.
  const seen = listener.transcripts.length;
  await eventually("captions", () => listener.transcripts.length > seen);
  await talker[Symbol.asyncDispose]();
  assert.equal(await world.service.stop(), 0);
});
