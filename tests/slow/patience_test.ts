/** Long sounds without words and long sentences: what the tests of seconds show, for as long as a call has them. */
import assert from "@std/assert";
import { padded, type Speech } from "../fakes/speech.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";
import { callOf, finalText, isFinal, startWorld } from "../integration/world.ts";

const MUSIC_MS = 90_000;

/** So many words, none like the one before; the last is "evening". */
function words(count: number): string[] {
  const others = TONE_WORDS.filter((word) => word !== "evening");
  return Array.from({ length: count }, (_, at) => at === count - 1 ? "evening" : others[at % others.length]);
}

/** Three tones at once, which change: a recogniser finds no word in them. */
function music(ms: number): Speech {
  const samples = new Float32Array(16 * ms);
  for (let at = 0; at < samples.length; at++) {
    const note = 1 + Math.floor(at / 8_000) % 5 / 10;
    for (const hz of [220, 277, 330]) samples[at] += Math.sin(2 * Math.PI * hz * note * at / 16_000) / 8;
  }
  return { samples, sampleRateHz: 16_000 };
}

Deno.test("After 90 s of music every word of the speech that follows is a caption", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const said = words(18);
  await speaker.say(padded(music(MUSIC_MS), 0, 300));
  await speaker.say(padded(toneSpeech(said), 0, 300));
  await listener.until(isFinal(["evening"]), 10_000);
  assert.equal(finalText(listener.transcripts), said.join(" "));
  assert.equal(await world.metric('tiro_stt_sessions_total{outcome="failed"}'), 0);
  const silent = await world.metric('tiro_stt_sessions_total{outcome="silent"}');
  assert.ok(silent >= 2 && silent <= 5, `${silent} sessions made room for another`);
  assert.equal(await world.metric('tiro_audio_seconds_total{fate="dropped"}'), 0);
  assert.equal(await world.metric('tiro_speakers_in_trouble{reason="recogniser_failed"}'), 0);
});

for (const seconds of [12, 20]) {
  Deno.test(`A recogniser that sends nothing before the end of a sentence of ${seconds} s loses none of it`, async () => {
    await using world = await startWorld({ stt: { bySentence: true, delayMs: 2_000 } });
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    const said = words(Math.round(seconds * 1_000 / 340));
    await speaker.say(padded(toneSpeech(said), 300, 300));
    await listener.until(isFinal(["evening"]), 15_000);
    assert.equal(finalText(listener.transcripts), said.join(" "));
    assert.equal(await world.metric('tiro_audio_seconds_total{fate="dropped"}'), 0);
    assert.equal(world.stt.handshakes, 1);
  });
}
