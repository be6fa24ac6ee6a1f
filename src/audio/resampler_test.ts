import assert from "@std/assert";
import { Resampler } from "./resampler.ts";
import { joined, levelDb, seededRandom } from "./testing_test.ts";

const RATIOS = [
  [48_000, 24_000],
  [48_000, 16_000],
  [16_000, 24_000],
  [24_000, 16_000],
  [44_100, 24_000],
  [8_000, 48_000],
] as const;

/** A quarter of a second of a sine of amplitude 0.5. */
function sine(frequencyHz: number, rateHz: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: rateHz / 4 },
    (_, n) => 0.5 * Math.sin(2 * Math.PI * frequencyHz * n / rateHz),
  );
}

/** Resamples in chunks of odd sizes. */
function resampled(samples: Float32Array, fromHz: number, toHz: number): Float32Array<ArrayBuffer> {
  const resampler = new Resampler({ fromHz, toHz });
  const parts: Float32Array[] = [];
  for (let at = 0, size = 1; at < samples.length; at += size, size = (size * 7 + 13) % 997) {
    parts.push(resampler.process(samples.subarray(at, at + size)));
  }
  return joined([...parts, resampler.flush()]);
}

/** Level against the sine that went in, dB, away from the ends where the sine itself begins and stops. */
function gainDb(frequencyHz: number, fromHz: number, toHz: number): number {
  const out = resampled(sine(frequencyHz, fromHz), fromHz, toHz);
  return levelDb(out.subarray(toHz / 20, out.length - toHz / 20)) - 20 * Math.log10(0.5 / Math.SQRT2);
}

for (const [fromHz, toHz] of RATIOS) {
  const nyquist = Math.min(fromHz, toHz) / 2;

  Deno.test(`${fromHz} to ${toHz} Hz passes speech within 0.1 dB`, () => {
    for (let part = 0.02; part <= 0.85; part += 0.083) {
      const ripple = gainDb(Math.round(part * nyquist / 20) * 20, fromHz, toHz);
      assert.ok(Math.abs(ripple) < 0.1, `${ripple} dB at ${part} of the Nyquist frequency`);
    }
  });

  if (toHz < fromHz) {
    Deno.test(`${fromHz} to ${toHz} Hz attenuates what would alias by 80 dB`, () => {
      for (let frequency = nyquist; frequency < fromHz / 2; frequency += fromHz / 60) {
        const gain = gainDb(frequency + 10, fromHz, toHz);
        assert.ok(gain <= -80, `${gain} dB at ${frequency} Hz`);
      }
    });
  } else {
    Deno.test(`${fromHz} to ${toHz} Hz leaves no image of the lower band`, () => {
      for (const part of [0.1, 0.4, 0.8]) {
        const frequency = Math.round(part * nyquist / 20) * 20;
        const out = resampled(sine(frequency, fromHz), fromHz, toHz);
        const wanted = sine(frequency, toHz);
        const middle = [toHz / 20, out.length - toHz / 20] as const;
        const error = out.map((sample, n) => sample - wanted[n]).subarray(...middle);
        // 0.1 dB of ripple alone may differ by -38 dB; the design does far better.
        assert.ok(levelDb(error) - levelDb(wanted) <= -70, `${levelDb(error)} dB at ${frequency} Hz`);
      }
    });
  }

  Deno.test(`${fromHz} to ${toHz} Hz gives the same in any chunks, as long as the input and in step with it`, () => {
    const random = seededRandom(fromHz + toHz);
    const noise = Float32Array.from({ length: 12_345 }, () => random() - 0.5);
    const chunked = resampled(noise, fromHz, toHz);
    const once = new Resampler({ fromHz, toHz });
    assert.deepEqual(chunked, joined([once.process(noise), once.flush()]));
    assert.ok(Math.abs(chunked.length - noise.length * toHz / fromHz) <= 1);

    const frequency = nyquist / 4;
    const [out, wanted] = [resampled(sine(frequency, fromHz), fromHz, toHz), sine(frequency, toHz)];
    for (let n = toHz / 20; n < out.length - toHz / 20; n++) assert.ok(Math.abs(out[n] - wanted[n]) < 0.002);
  });
}

Deno.test("A constant stays that constant in every phase", () => {
  const out = resampled(new Float32Array(4_410).fill(0.25), 44_100, 24_000);
  for (const sample of out.subarray(200, -200)) assert.ok(Math.abs(sample - 0.25) < 1e-5);
});

Deno.test("A resampler starts anew after flush", () => {
  const resampler = new Resampler({ fromHz: 48_000, toHz: 24_000 });
  const first = joined([resampler.process(sine(440, 48_000)), resampler.flush()]);
  const second = joined([resampler.process(sine(440, 48_000)), resampler.flush()]);
  assert.deepEqual(second, first);
  assert.equal(resampler.flush().length, 0);
});

Deno.test("Equal rates copy, and nothing in is nothing out", () => {
  const resampler = new Resampler({ fromHz: 24_000, toHz: 24_000 });
  const samples = sine(440, 24_000);
  const out = resampler.process(samples);
  assert.deepEqual(out, samples);
  assert.notEqual(out.buffer, samples.buffer);
  assert.equal(resampler.process(new Float32Array()).length, 0);
});

Deno.test("A resampler refuses rates that make no sense", () => {
  for (
    const [fromHz, toHz] of [[0, 24_000], [24_000, -1], [44_100.5, 24_000], [44_101, 23_999], [
      1_200_050,
      24_000,
    ]]
  ) {
    assert.throws(() => new Resampler({ fromHz, toHz }), RangeError);
  }
  for (const fromHz of [8_000, 11_025, 95_950, 96_000]) {
    for (const toHz of [16_000, 24_000]) assert.ok(new Resampler({ fromHz, toHz }), "others are taken");
  }
});
