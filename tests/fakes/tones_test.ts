import assert from "@std/assert";
import { createDecoder } from "libopus-wasm";
import { encodeOpus } from "./speech.ts";
import { spelledAs, TONE_WORDS, ToneRecogniser, toneSpeech } from "./tones.ts";

function recognise(samples: Float32Array, sampleRateHz: number, chunk = samples.length) {
  const recogniser = new ToneRecogniser(sampleRateHz);
  const words = [];
  for (let at = 0; at < samples.length; at += chunk) {
    words.push(...recogniser.receive(samples.subarray(at, at + chunk)));
  }
  return words;
}

for (const sampleRateHz of [8_000, 16_000, 24_000, 48_000]) {
  Deno.test(`Every word is recognised once, in order and on time, at ${sampleRateHz} Hz`, () => {
    const speech = toneSpeech(TONE_WORDS, { sampleRateHz });
    const words = recognise(speech.samples, sampleRateHz);
    assert.deepEqual(words.map(({ word }) => word), [...TONE_WORDS]);
    words.forEach(({ endMs }, index) => {
      assert.ok(Math.abs(endMs - speech.wordEndsMs[index]) <= 40, `${TONE_WORDS[index]} ended at ${endMs}`);
    });
  });
}

Deno.test("Every word survives Opus at 32 kbit/s and a decoder at 24 kHz", async () => {
  const words = [...TONE_WORDS, ...TONE_WORDS.toReversed(), "river", "river"];
  const packets = await encodeOpus(toneSpeech(words));
  using decoder = await createDecoder({ sampleRate: 24_000, channels: 1 });
  const recogniser = new ToneRecogniser(24_000);
  const heard = packets.flatMap((packet) => recogniser.receive(decoder.decodeFloat(packet)));
  assert.deepEqual(heard.map(({ word }) => word), words);
});

Deno.test("What chunks the audio comes in makes no difference", () => {
  const { samples } = toneSpeech(["red", "evening", "red"]);
  const whole = recognise(samples, 16_000);
  assert.deepEqual(recognise(samples, 16_000, 77), whole);
  assert.deepEqual(recognise(samples, 16_000, 1_920), whole);
});

Deno.test("Words without a gap between them are distinguished, a short break within a word is not its end", () => {
  const { samples } = toneSpeech(["train", "music"], { gapMs: 0 });
  assert.deepEqual(recognise(padTail(samples), 16_000).map(({ word }) => word), ["train", "music"]);
  samples.fill(0, 1_600, 1_920); // 20 ms
  assert.deepEqual(recognise(padTail(samples), 16_000).map(({ word }) => word), ["train", "music"]);
});

Deno.test("Silence, noise and a click are no words", () => {
  let state = 1;
  const noise = Float32Array.from({ length: 32_000 }, () => {
    state = state * 16_807 % 2_147_483_647;
    return (state / 2_147_483_647 - 0.5) * 0.5;
  });
  assert.deepEqual(recognise(noise, 16_000), []);
  assert.deepEqual(recognise(new Float32Array(32_000), 16_000), []);
  const { samples } = toneSpeech(["paper"], { wordMs: 60 });
  assert.deepEqual(recognise(samples, 16_000), []);
});

Deno.test("A word outside the language cannot be said", () => {
  assert.throws(() => toneSpeech(["supercalifragilistic"]), RangeError);
});

Deno.test("A word that sounds like an expected one is spelled as that, others are not", () => {
  assert.equal(spelledAs("garden", ["Ada", "Gaarden"]), "Gaarden");
  assert.equal(spelledAs("river", ["Phoebe Ryver"]), "Ryver");
  assert.equal(spelledAs("river", ["Gaarden"]), "river");
  assert.equal(spelledAs("river", []), "river");
});

function padTail(samples: Float32Array): Float32Array {
  const padded = new Float32Array(samples.length + 3_200);
  padded.set(samples);
  return padded;
}
