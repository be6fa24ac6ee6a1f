/** Recognisers that are late, silent for long, or have nothing to say: every word that was spoken becomes a caption. */
import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import { padded, type Speech } from "../fakes/speech.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";
import {
  assertWellFormed,
  callOf,
  eventually,
  finals,
  finalText,
  isFinal,
  PHRASE,
  startWorld,
  type World,
} from "./world.ts";

/** So many words, none like the one before; the last is `last`. */
function words(count: number, last: string): string[] {
  const others = TONE_WORDS.filter((word) => word !== last);
  return Array.from({ length: count }, (_, at) => at === count - 1 ? last : others[at % others.length]);
}

/** Noise a recogniser finds no word in, as loud as speech. */
function noise(ms: number): Speech {
  let seed = 7;
  const random = () => (seed = seed * 48_271 % 0x7fff_ffff) / 0x7fff_ffff - 0.5;
  return { samples: Float32Array.from({ length: 16 * ms }, () => 0.4 * random()), sampleRateHz: 16_000 };
}

async function assertNothingLost(world: World): Promise<void> {
  assert.equal(await world.metric('tiro_audio_seconds_total{fate="dropped"}'), 0);
  assert.equal(await world.metric('tiro_audio_packets_total{fate="dropped"}'), 0);
  assert.equal(await world.metric('tiro_stt_sessions_total{outcome="failed"}'), 0);
}

const pause = (ms: number) => delay(ms, new AbortController().signal);

Deno.test("Words 2.5 s behind the audio all come, in an utterance of their own, before the next sentence is spoken", async () => {
  await using world = await startWorld({ stt: { behindMs: 2_500 } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const first = words(24, "evening");
  await speaker.say(padded(toneSpeech(first), 300, 300));
  await listener.until(isFinal(["evening"]), 10_000);
  assert.equal(finalText(listener.transcripts), first.join(" "));
  const before = finals(listener.transcripts).length;

  await speaker.say(padded(toneSpeech(PHRASE), 300, 300));
  await listener.until(isFinal(PHRASE), 10_000);
  assert.equal(finals(listener.transcripts).slice(before).join(" "), PHRASE.join(" "));
  assertWellFormed(listener.transcripts);
  await assertNothingLost(world);
});

Deno.test("A word of half a second, 2.5 s behind, comes although nothing follows it", async () => {
  await using world = await startWorld({ stt: { behindMs: 2_500 } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await speaker.say(padded(toneSpeech(["seven"]), 300, 300));
  await listener.until(isFinal(["seven"]), 10_000);
  await assertNothingLost(world);
});

Deno.test("A speaker who leaves at once is captioned to the end by a recogniser 2.5 s behind", async () => {
  await using world = await startWorld({ stt: { behindMs: 2_500 } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const said = words(12, "evening");
  await speaker.say(padded(toneSpeech(said), 300, 300));
  await speaker[Symbol.asyncDispose]();
  await listener.until(isFinal(["evening"]), 10_000);
  assert.equal(finalText(listener.transcripts), said.join(" "));
});

Deno.test("A recogniser that sends nothing before the end of a sentence of 8 s loses none of it", async () => {
  await using world = await startWorld({ stt: { bySentence: true, delayMs: 1_500 } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const said = words(24, "evening");
  await speaker.say(padded(toneSpeech(said), 300, 300));
  await listener.until(isFinal(["evening"]), 15_000);
  assert.equal(finalText(listener.transcripts), said.join(" "));
  await assertNothingLost(world);
});

Deno.test("Five bursts of noise cost no word and no session", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  for (let burst = 0; burst < 5; burst++) await speaker.say(padded(noise(1_500), 0, 1_700));
  const said = words(18, "evening");
  await speaker.say(padded(toneSpeech(said), 300, 300));
  await listener.until(isFinal(["evening"]), 10_000);
  assert.equal(finalText(listener.transcripts), said.join(" "));
  assert.equal(world.stt.handshakes, 1);
  await assertNothingLost(world);
});

Deno.test("A recogniser that takes five seconds to start loses no word spoken meanwhile", async () => {
  await using world = await startWorld();
  world.stt.coldFor(5_000);
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const said = words(12, "evening");
  await speaker.say(padded(toneSpeech(said), 300, 300));
  await pause(1_500); // what is said before a pause is kept, too
  await listener.until(isFinal(["evening"]), 15_000);
  assert.equal(finalText(listener.transcripts), said.join(" "));
  assert.equal(world.stt.handshakes, 1);
  await assertNothingLost(world);
});

Deno.test("A recogniser that sleeps is woken when captions are asked for, and holds no place for somebody silent", async () => {
  await using world = await startWorld();
  world.stt.sleep(4_000);
  const startMs = performance.now();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await world.stt.until(() => world.stt.healthRequests === 1, 2_000);
  assert.deepEqual([world.stt.handshakes, world.stt.live], [0, 0]);
  await pause(Math.max(0, startMs + 4_500 - performance.now()));
  await speaker.say(padded(toneSpeech(PHRASE), 300, 300));
  const { transcripts } = listener;
  await listener.until(isFinal(PHRASE), 10_000);
  assert.equal(finalText(transcripts), PHRASE.join(" "));
  assert.equal(await world.metric('tiro_stt_open_ms_bucket{le="1000"}'), 1, "it was awake");
  await world.enable(call.roomToken, listener);
  assert.equal(world.stt.healthRequests, 1, "and nobody wakes it again");
});

Deno.test("While nothing recognises, readers see so after ten seconds, as a line that the words replace", async () => {
  await using world = await startWorld();
  world.stt.coldFor(13_000);
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await speaker.say(padded(toneSpeech(PHRASE), 300, 300));
  const notice = await listener.until(() => true, 15_000);
  assert.deepEqual([notice.message, notice.final, notice.langId], ["… (no captions yet)", false, "en"]);
  assert.equal(await world.metric('transcription_transcripts_total{final="false"}'), 0);
  assert.equal(await world.metric("transcription_latency_ms_count"), 0);
  await listener.until(isFinal(PHRASE), 15_000);
  assert.deepEqual(finals(listener.transcripts), [PHRASE.join(" ")]);
  assert.equal(listener.transcripts.filter(({ message }) => message === notice.message).length, 1);
  await eventually("healthy", async () => {
    const response = await fetch(`http://127.0.0.1:${world.service.address.port}/healthz`);
    return (await response.json()).status === "healthy";
  });
});

Deno.test("With CAPTION_PARTIALS=off there is no such line", async () => {
  await using world = await startWorld({ environment: { CAPTION_PARTIALS: "off" } });
  world.stt.coldFor(12_000);
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await speaker.say(padded(toneSpeech(PHRASE), 300, 300));
  await listener.until(isFinal(PHRASE), 20_000);
  assert.deepEqual(listener.transcripts.map(({ message, final }) => [message, final]), [[
    PHRASE.join(" "),
    true,
  ]]);
});
