/** A recogniser that takes its time to start, as a GPU container does: captions come by themselves once it answers. */
import assert from "@std/assert";
import { ProcessWorld, Talker } from "./process_world.ts";

const COLD_MS = 20_000;
/** From the end of the cold start to the first caption: a chunk, a word, and what a loaded machine adds. */
const CAPTION_WITHIN_MS = 3_000;

Deno.test("Speech-to-text is cold for 20 s: the inbox alone drops, one session is opened, captions come by themselves", async () => {
  await using world = await ProcessWorld.start();
  world.stt.coldFor(COLD_MS);
  const { listener, speakers: [speaker] } = await world.callOf(1);
  await using talker = new Talker(speaker, ["red", "river", "train"]);
  await world.stt.until(() => world.stt.handshakes === 1, 10_000);
  const startedAtMs = performance.now();

  const first = await listener.until(() => true, COLD_MS + CAPTION_WITHIN_MS);
  const afterMs = first.atMs - startedAtMs;
  assert.ok(afterMs >= COLD_MS - 100, `first caption after ${afterMs} ms: it was cold`);
  await listener.until(({ final }) => final, 10_000);

  assert.equal(world.stt.handshakes, 1, "nobody lost patience");
  assert.deepEqual(await world.counts("tiro_stt_sessions_total"), {});
  const { dropped, late = 0, lost = 0 } = await world.counts("tiro_audio_packets_total");
  assert.ok(dropped > 500, `${dropped} packets dropped: the chain waited for 20 s`);
  assert.equal(late + lost, 0);
  assert.deepEqual(Object.keys(await world.counts("tiro_queue_dropped_total")), ["rtp_inbox"]);
  assert.deepEqual(await world.counts("transcription_errors_total"), {});
  await talker[Symbol.asyncDispose]();
  assert.equal(await world.service.stop(), 0);
});
