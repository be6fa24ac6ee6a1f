/** A recogniser that stops reading for a minute must cost speech where that is kept and counted, and nothing else. */
import assert from "@std/assert";
import { eventually } from "../integration/world.ts";
import { median, ProcessWorld, sampleRss, Talker } from "./process_world.ts";

const WARM_UP_S = 25;
const STALL_S = 60;
/** Memory is the median of a stretch this long: of the warm-up's last, of each of the stall, and of one after it. */
const WINDOW_S = 10;
/** What is held while nobody reads, once: ten seconds of speech a speaker, encoded, and what the allocator keeps beside it. */
const HELD_BYTES_MAX = 10 * 1024 * 1024;
/** From the stall's first stretch to any other of it: nothing may grow with time. A leak of 200 KB/s makes 10 MB. */
const GROWTH_BYTES_MAX = 5 * 1024 * 1024;
const BACK_WITHIN_MS = 2_000;
/**
 * V8 gives tens of MB back when it thinks itself idle, and takes them again, and puts collecting off while there is
 * room: RSS would show that and no more. So garbage is collected before each look; what is left is what is kept.
 */
const DENO_ARGS = ["--v8-flags=--no-memory-reducer", "--inspect=127.0.0.1:0"];
const KEPT = { collect: true };

const BEFORE = [["red", "river"], ["train", "meeting"], ["morning", "seven"]];
const AFTER = [["north", "paper"], ["window", "garden"], ["music", "coffee"]];

Deno.test("Speech-to-text stops reading for a minute: memory stays, speech is dropped in one place, captions are back at once", async () => {
  await using world = await ProcessWorld.start(DENO_ARGS);
  const { listener, speakers } = await world.callOf(3);
  await using talking = new AsyncDisposableStack();
  const talkers = speakers.map((speaker, index) => talking.use(new Talker(speaker, BEFORE[index])));
  const droppedSeconds = () => world.metric('tiro_audio_seconds_total{fate="dropped"}');

  const warmBytes = median((await sampleRss(world.service, WARM_UP_S, KEPT)).slice(-WINDOW_S));
  for (const { sessionId } of speakers) {
    await listener.until(({ speakerSessionId }) => speakerSessionId === sessionId, 5_000);
  }
  assert.equal(await droppedSeconds(), 0, "nothing is dropped while the server reads");

  world.stt.stopReading();
  const stalledBytes = await sampleRss(world.service, STALL_S, KEPT);

  const resumedAtMs = performance.now();
  world.stt.resumeReading();
  talkers.forEach((talker, index) => talker.say(AFTER[index]));
  for (const [index, { sessionId }] of speakers.entries()) {
    const back = await listener.until(
      ({ speakerSessionId, message }) =>
        speakerSessionId === sessionId && AFTER[index].some((word) => message.includes(word)),
      10_000,
    );
    const afterMs = back.atMs - resumedAtMs;
    assert.ok(afterMs <= BACK_WITHIN_MS, `words spoken after the stall came after ${afterMs} ms`);
  }
  const afterBytes = median(await sampleRss(world.service, WINDOW_S, KEPT));

  const firstBytes = median(stalledBytes.slice(0, WINDOW_S));
  for (let at = WINDOW_S; at < STALL_S; at += WINDOW_S) {
    const grownBytes = median(stalledBytes.slice(at, at + WINDOW_S)) - firstBytes;
    assert.ok(grownBytes < GROWTH_BYTES_MAX, `${grownBytes} bytes more after ${at} s of stall`);
  }
  for (const [when, bytes] of [["in", firstBytes], ["after", afterBytes]] as const) {
    assert.ok(
      bytes - warmBytes < HELD_BYTES_MAX,
      `${bytes - warmBytes} bytes more ${when} the stall than before`,
    );
  }

  const seconds = await droppedSeconds();
  assert.ok(
    seconds > 3 * 20 && seconds < 3 * 50,
    `${seconds} s dropped of three stalls: 20 s are kept of each`,
  );
  await eventually(
    "every drop in the metric",
    async () =>
      await world.metric('tiro_queue_dropped_total{queue="speech"}') === await droppedSeconds() * 50,
  );
  assert.deepEqual(Object.keys(await world.counts("tiro_queue_dropped_total")), ["speech"]);
  const { dropped = 0, late = 0, lost = 0 } = await world.counts("tiro_audio_packets_total");
  assert.equal(dropped + late + lost, 0);
  assert.deepEqual(
    await world.counts("tiro_stt_sessions_total"),
    {},
    "no session failed or was opened again",
  );
  assert.equal(world.stt.handshakes, 3);
  assert.deepEqual(await world.counts("transcription_errors_total"), {});

  await talking.disposeAsync();
  assert.equal(await world.service.stop(), 0);
});
