/**
 * Resamples a stream by a rational ratio: a polyphase Kaiser-windowed sinc low-pass. For PCM only; libopus decodes to the
 * rate of speech-to-text.
 *
 * Pass-band to 85% of the lower Nyquist frequency, stop-band from 100%: nothing audible aliases. The filter's delay is
 * compensated, so that the output starts with the input and has its duration.
 */
import type { Samples } from "./opus.ts";

/** Design attenuation of the stop-band; measured, at least 80 dB. */
const ATTENUATION_DB = 90;
/** Where the pass-band ends, as a part of the lower Nyquist frequency. 10.2 kHz for 24 kHz output. */
const PASS_BAND = 0.85;
/** Ratios that need more phases or coefficients are a mistake: from 96 kHz, in steps of 50 Hz, they need 480 and 1.2 MB. */
const PHASES_MAX = 640;
const FILTER_BYTES_MAX = 1_250_000;

export class Resampler {
  readonly #up: number;
  readonly #down: number;
  /** Taps per phase. */
  readonly #taps: number;
  /** `up` phases of `taps` coefficients, oldest sample first. In 64 bits, as V8 computes: conversions cost a third. */
  readonly #coefficients: Float64Array;
  /** Delay of the filter in steps of the common rate. */
  readonly #delay: number;
  /** The last `taps - 1` input samples, then the input of this call; grows to the largest call. */
  #window: Float64Array;
  #received = 0;
  #produced = 0;

  /** Throws RangeError for rates that are no positive integers or whose ratio is not a reasonable fraction. */
  constructor({ fromHz, toHz }: { fromHz: number; toHz: number }) {
    if (![fromHz, toHz].every((hz) => Number.isInteger(hz) && hz > 0)) {
      throw new RangeError(`Cannot resample ${fromHz} to ${toHz} Hz: rates are positive integers`);
    }
    const common = greatestCommonDivisor(fromHz, toHz);
    this.#up = toHz / common;
    this.#down = fromHz / common;
    if (this.#up > PHASES_MAX) {
      throw new RangeError(`Cannot resample ${fromHz} to ${toHz} Hz: that takes ${this.#up} filter phases`);
    }
    const { coefficients, taps, delay } = designPhases(this.#up, this.#down);
    this.#coefficients = coefficients;
    this.#taps = taps;
    this.#delay = delay;
    this.#window = new Float64Array(taps - 1);
  }

  /** Returns the samples that the input completes. */
  process(samples: Float32Array): Samples {
    // Output n is `n * down + delay` steps into the filtered signal, and needs every sample up to there.
    const steps = (this.#received + samples.length) * this.#up - this.#delay;
    return this.#produceTo(Math.max(this.#produced, Math.ceil(steps / this.#down)), samples);
  }

  /** The samples still in the filter; the next input is a new stream. */
  flush(): Samples {
    const total = Math.ceil(this.#received * this.#up / this.#down);
    const out = this.#produceTo(total, new Float32Array(Math.ceil(this.#delay / this.#up)));
    this.#window.fill(0);
    this.#received = 0;
    this.#produced = 0;
    return out;
  }

  #produceTo(total: number, samples: Float32Array): Samples {
    const history = this.#taps - 1;
    const length = history + samples.length;
    if (this.#window.length < length) {
      const grown = new Float64Array(length);
      grown.set(this.#window.subarray(0, history));
      this.#window = grown;
    }
    const window = this.#window;
    window.set(samples, history);

    const out = new Float32Array(total - this.#produced);
    const [up, down, taps, coefficients] = [this.#up, this.#down, this.#taps, this.#coefficients];
    // Every `up`-th output has the same coefficients, and its samples are `down` later. Four of them at once, because each
    // addition to a sum waits for the one before it.
    for (let first = 0; first < Math.min(up, out.length); first++) {
      const position = (this.#produced + first) * down + this.#delay;
      const row = position % up * taps;
      // The oldest sample that the output uses.
      let at = Math.floor(position / up) - this.#received;
      let n = first;
      for (; n + 3 * up < out.length; n += 4 * up, at += 4 * down) {
        let sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
        for (let tap = 0; tap < taps; tap++) {
          const coefficient = coefficients[row + tap];
          sum0 += window[at + tap] * coefficient;
          sum1 += window[at + down + tap] * coefficient;
          sum2 += window[at + 2 * down + tap] * coefficient;
          sum3 += window[at + 3 * down + tap] * coefficient;
        }
        out[n] = sum0;
        out[n + up] = sum1;
        out[n + 2 * up] = sum2;
        out[n + 3 * up] = sum3;
      }
      for (; n < out.length; n += up, at += down) {
        let sum = 0;
        for (let tap = 0; tap < taps; tap++) sum += window[at + tap] * coefficients[row + tap];
        out[n] = sum;
      }
    }

    window.copyWithin(0, samples.length, length);
    this.#received += samples.length;
    this.#produced = total;
    return out;
  }
}

/** The prototype low-pass at the common rate, split into its phases, each of unity gain at DC. */
function designPhases(up: number, down: number): { coefficients: Float64Array; taps: number; delay: number } {
  if (up === down) return { coefficients: Float64Array.of(1), taps: 1, delay: 0 };
  // In cycles per step of the common rate the lower Nyquist frequency is half of 1 / max(up, down).
  const nyquist = 0.5 / Math.max(up, down);
  const cutoff = nyquist * (1 + PASS_BAND) / 2;
  const transition = nyquist * (1 - PASS_BAND);
  // Kaiser's formulas: the order for an attenuation and a transition width, and the window's shape.
  const half = Math.ceil((ATTENUATION_DB - 7.95) / (2.285 * 2 * Math.PI * transition) / 2);
  const beta = 0.1102 * (ATTENUATION_DB - 8.7);
  const taps = Math.ceil((2 * half + 1) / up);
  if (up * taps * Float64Array.BYTES_PER_ELEMENT > FILTER_BYTES_MAX) {
    throw new RangeError(`Cannot resample by ${up}/${down}: that takes ${up * taps} coefficients`);
  }

  const coefficients = new Float64Array(up * taps);
  for (let phase = 0; phase < up; phase++) {
    const row = Float64Array.from({ length: taps }, (_, tap) => {
      const step = phase + (taps - 1 - tap) * up - half;
      return Math.abs(step) > half ? 0 : sinc(2 * cutoff * step) * kaiser(step / half, beta);
    });
    const gain = row.reduce((sum, coefficient) => sum + coefficient, 0);
    for (let tap = 0; tap < taps; tap++) coefficients[phase * taps + tap] = row[tap] / gain;
  }
  return { coefficients, taps, delay: half };
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Kaiser's window at `x` in [-1, 1], not scaled: each phase is, to unity gain. */
function kaiser(x: number, beta: number): number {
  return besselI0(beta * Math.sqrt(Math.max(0, 1 - x * x)));
}

/** Modified Bessel function of the first kind, order zero, by its power series. */
function besselI0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-16; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
