import assert from "@std/assert";
import { levelDb, seededRandom } from "./testing_test.ts";
import { limitAndMeasureDb, VoiceThreshold } from "./voice_threshold.ts";

/** The threshold after `seconds` of packets of these levels in turn. */
function after(
  seconds: number,
  levelsDb: (packet: number) => number,
  threshold = new VoiceThreshold(),
): number {
  for (let packet = 0; packet < seconds * 50; packet++) threshold.learn(levelsDb(packet), 20);
  return threshold.levelDb;
}

Deno.test("The threshold starts low enough for a quiet speaker", () => {
  const threshold = new VoiceThreshold();
  assert.equal(threshold.levelDb, -60);
  assert.ok(threshold.isVoice(-59.9));
  assert.ok(!threshold.isVoice(-60.1));
});

Deno.test("The threshold rises over steady noise within seconds and stays 8 dB above it", () => {
  assert.ok(after(1, () => -55) < -55, "not in the first second");
  assert.ok(Math.abs(after(20, () => -55) - -47) < 0.5);
});

Deno.test("The threshold never leaves -60 to -42 dBFS", () => {
  assert.equal(after(60, () => -100), -60);
  assert.equal(after(60, () => -10), -42);
});

Deno.test("Speech does not lift the threshold over the speaker's own voice", () => {
  // 600 ms of syllables around -45 dBFS, 200 ms between words at -75.
  assert.ok(after(60, (packet) => packet % 40 < 30 ? -45 : -75) < -54);
});

Deno.test("The threshold forgets noise that stops within half a second", () => {
  const threshold = new VoiceThreshold();
  after(30, () => -50, threshold);
  assert.ok(after(0.5, () => -80, threshold) < -59);
});

Deno.test("Levels are RMS in dBFS, and samples past full scale are cut to it", () => {
  const random = seededRandom(1);
  const noise = Float32Array.from({ length: 480 }, () => random() - 0.5);
  assert.ok(Math.abs(limitAndMeasureDb(noise.slice()) - levelDb(noise)) < 1e-9);
  assert.equal(limitAndMeasureDb(new Float32Array(480)), -100);
  assert.equal(limitAndMeasureDb(new Float32Array()), -100);
  const loud = Float32Array.of(1.5, -1.5, 0.5);
  limitAndMeasureDb(loud);
  assert.deepEqual(loud, Float32Array.of(1, -1, 0.5));
});
