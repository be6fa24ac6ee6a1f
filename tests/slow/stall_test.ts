/**
 * A recogniser that stops reading for a minute must cost speech where that is kept and counted, and nothing else. What
 * is held meanwhile is counted in objects; what it is in bytes, and how soon captions are back, `deno task soak` reports.
 */
import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import { eventually } from "../integration/world.ts";
import { grownObjects, heldBy } from "./held.ts";
import { ProcessWorld, Talker } from "./process_world.ts";

/** By then what a stall holds is held: ten seconds of audio on its way, and ten of speech that waits. */
const FILLED_MS = 25_000;
/** Early enough for looking to take its time on a busy machine: after 75 s a connection is taken for dead. */
const LAST_LOOK_MS = 50_000;
const STALL_MS = 60_000;
/** Three speakers, 50 packets a second and 25 s: a leak of an object a packet makes 3,750, one a chunk 375. */
const GROWN_MAX = 250;

const BEFORE = [["red", "river"], ["train", "meeting"], ["morning", "seven"]];
const AFTER = [["north", "paper"], ["window", "garden"], ["music", "coffee"]];

Deno.test("Speech-to-text stops reading for a minute: nothing grows, speech is dropped in one place, captions are back", async () => {
  await using world = await ProcessWorld.start(["--inspect=127.0.0.1:0"]);
  const { listener, speakers } = await world.callOf(3);
  await using talking = new AsyncDisposableStack();
  const talkers = speakers.map((speaker, index) => talking.use(new Talker(speaker, BEFORE[index])));
  const droppedSeconds = () => world.metric('tiro_audio_seconds_total{fate="dropped"}');

  for (const { sessionId } of speakers) {
    await listener.until(({ speakerSessionId }) => speakerSessionId === sessionId, 30_000);
  }
  // By then each has reported how much it has read.
  const isKnown = () => world.stt.connections.every(({ receivedMs }) => receivedMs > 5_000);
  await world.stt.until(isKnown, 30_000);
  assert.equal(await droppedSeconds(), 0, "nothing is dropped while the server reads");

  world.stt.stopReading();
  const stoppedAtMs = performance.now();
  const stalledFor = (ms: number) =>
    delay(Math.max(0, stoppedAtMs + ms - performance.now()), new AbortController().signal);
  await stalledFor(FILLED_MS);
  const filled = await heldBy(world.service);
  await stalledFor(LAST_LOOK_MS);
  const stalled = await heldBy(world.service);
  assert.equal(await world.metric('tiro_speakers_in_trouble{reason="recogniser_failed"}'), 3);
  await stalledFor(STALL_MS);
  world.stt.resumeReading();
  talkers.forEach((talker, index) => talker.say(AFTER[index]));
  for (const [index, { sessionId }] of speakers.entries()) {
    await listener.until(
      ({ speakerSessionId, message }) =>
        speakerSessionId === sessionId && AFTER[index].some((word) => message.includes(word)),
      30_000,
    );
  }

  assert.equal(filled.objects.get("Captioner"), 3, "objects of all threads are seen");
  assert.deepEqual(grownObjects(filled, stalled, GROWN_MAX), {});
  assert.equal(stalled.descriptors, filled.descriptors);
  const seconds = await droppedSeconds();
  assert.ok(
    seconds > 3 * 20 && seconds < 3 * 50,
    `${seconds} s dropped of three stalls: 20 s are kept of each`,
  );
  // Of packets: the pauses between two words that somebody sent nothing for are seconds, too.
  const ofMetric = async () =>
    await world.metric('tiro_queue_dropped_total{queue="speech"}') / 50 / await droppedSeconds();
  await eventually("every drop in the metric", async () => await ofMetric() > 0.9, 30_000);
  assert.ok(await ofMetric() < 1.001, `${await ofMetric()} of the seconds`);
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
