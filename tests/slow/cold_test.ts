/** A recogniser that takes its time to start, as a GPU container does: captions come by themselves once it answers. */
import assert from "@std/assert";
import { ProcessWorld, Talker } from "./process_world.ts";

const COLD_MS = 20_000;
/** From the end of the cold start to the first caption; a second, and more on a busy machine. */
const CAPTION_WITHIN_MS = 20_000;

Deno.test("Speech-to-text is cold for 20 s: the newest 10 s are captioned when it responds, by one session, and viewers see a notice meanwhile", async () => {
  await using world = await ProcessWorld.start();
  world.stt.coldFor(COLD_MS);
  const { listener, speakers: [speaker] } = await world.callOf(1);
  await using talker = new Talker(speaker, ["red", "river", "train"]);
  await world.stt.until(() => world.stt.handshakes === 1, 10_000);
  const startedAtMs = performance.now();

  const notice = await listener.until(() => true, 15_000);
  assert.deepEqual([notice.message, notice.final], ["… (no captions yet)", false]);
  const health = await fetch(`${world.service.baseUrl}/healthz`);
  assert.equal(health.headers.get("x-tiro-degraded"), "recogniser_starting");
  await health.body?.cancel();
  assert.equal(await world.metric('tiro_speakers_in_trouble{reason="recogniser_starting"}'), 1);
  assert.deepEqual(await world.counts("transcription_transcripts_total"), {}, "a notice is no transcript");

  const first = await listener.until(
    ({ message }) => message !== notice.message,
    COLD_MS + CAPTION_WITHIN_MS,
  );
  const afterMs = first.atMs - startedAtMs;
  assert.ok(afterMs >= COLD_MS - 100, `first caption after ${afterMs} ms: it was cold`);
  await listener.until(({ final }) => final, 10_000);
  assert.ok(!listener.transcripts.some(({ final, message }) => final && message === notice.message));

  assert.equal(world.stt.handshakes, 1, "nobody lost patience");
  assert.deepEqual(await world.counts("tiro_stt_sessions_total"), {});
  const { dropped = 0, late = 0, lost = 0 } = await world.counts("tiro_audio_packets_total");
  assert.equal(dropped + late + lost, 0);
  const seconds = (await world.counts("tiro_audio_seconds_total")).dropped;
  assert.ok(seconds > 6 && seconds < 12, `${seconds} s of 20 dropped`);
  assert.deepEqual(Object.keys(await world.counts("tiro_queue_dropped_total")), ["speech"]);
  assert.deepEqual(await world.counts("transcription_errors_total"), {});
  await talker[Symbol.asyncDispose]();
  assert.equal(await world.service.stop(), 0);
});
