/**
 * A toy language, so that tests need no recogniser: each word is a tone of its own. The tones lie on multiples of
 * 50 Hz and 200 Hz apart, so that a 20 ms window tells any two exactly, and between 300 and 2900 Hz, where Opus at
 * 32 kbit/s keeps them.
 */
import type { Speech } from "./speech.ts";

/** The words there are, lowest tone first. */
export const TONE_WORDS = [
  "red",
  "river",
  "train",
  "meeting",
  "morning",
  "seven",
  "north",
  "paper",
  "window",
  "garden",
  "music",
  "coffee",
  "weather",
  "evening",
] as const;

const LOWEST_HZ = 300;
const STEP_HZ = 200;
const WINDOW_MS = 20;
/** A tone is a word once it has lasted this long: half the shortest word a test should say. */
const WORD_MIN_MS = 100;
/** A tone that breaks off for less is still the same word: one lost packet, concealed badly. */
const BREAK_MS = 40;
/** Quieter than this is silence (-46 dB). */
const RMS_MIN = 0.005;
/** A word's tone has at least this share of the energy. */
const SHARE_MIN = 0.5;

function toneHz(word: string): number {
  const index = (TONE_WORDS as readonly string[]).indexOf(word);
  if (index === -1) throw new RangeError(`Cannot say "${word}": it is not in the toy language`);
  return LOWEST_HZ + index * STEP_HZ;
}

export interface ToneSpeechOptions {
  wordMs?: number;
  /** Silence after each word. */
  gapMs?: number;
  sampleRateHz?: number;
  amplitude?: number;
}

/** Generates words, each followed by a gap. `wordEndsMs` is where each tone ends. */
export function toneSpeech(
  words: readonly string[],
  { wordMs = 220, gapMs = 120, sampleRateHz = 16_000, amplitude = 0.3 }: ToneSpeechOptions = {},
): Speech & { wordEndsMs: number[] } {
  const count = (ms: number) => Math.round(ms * sampleRateHz / 1000);
  const samples = new Float32Array(count(words.length * (wordMs + gapMs)));
  const edge = count(10); // a soft start and end: no click
  const wordEndsMs: number[] = [];
  words.forEach((word, index) => {
    const startMs = index * (wordMs + gapMs);
    const step = 2 * Math.PI * toneHz(word) / sampleRateHz;
    const length = count(wordMs);
    for (let at = 0; at < length; at++) {
      const fromEdge = Math.min(at, length - 1 - at) / edge;
      const gain = fromEdge >= 1 ? 1 : (1 - Math.cos(Math.PI * fromEdge)) / 2;
      samples[count(startMs) + at] = amplitude * gain * Math.sin(step * at);
    }
    wordEndsMs.push(startMs + wordMs);
  });
  return { samples, sampleRateHz, wordEndsMs };
}

export interface ToneWord {
  word: string;
  /** Where the tone ended in all the audio received, ms, to 20 ms. */
  endMs: number;
}

/** Recognises the toy language. */
export class ToneRecogniser {
  readonly #window: Float32Array;
  /** 2 cos(w) of each word's tone, for Goertzel's recurrence. */
  readonly #coefficients: number[];
  #filled = 0;
  #windows = 0;
  #tone = -1;
  #toneWindows = 0;
  #toneEndMs = 0;

  constructor(sampleRateHz: number) {
    this.#window = new Float32Array(sampleRateHz * WINDOW_MS / 1000);
    this.#coefficients = TONE_WORDS.map((word) => 2 * Math.cos(2 * Math.PI * toneHz(word) / sampleRateHz));
  }

  /** Words that ended within these samples. */
  receive(samples: Float32Array): ToneWord[] {
    const words: ToneWord[] = [];
    for (let at = 0; at < samples.length;) {
      const taken = samples.subarray(at, at + this.#window.length - this.#filled);
      this.#window.set(taken, this.#filled);
      this.#filled += taken.length;
      at += taken.length;
      if (this.#filled < this.#window.length) break;
      this.#filled = 0;
      this.#windows++;
      const word = this.#hear(this.#toneOfWindow());
      if (word) words.push(word);
    }
    return words;
  }

  #hear(tone: number): ToneWord | undefined {
    const nowMs = this.#windows * WINDOW_MS;
    if (tone === this.#tone && tone !== -1) {
      this.#toneWindows++;
      this.#toneEndMs = nowMs;
      return undefined;
    }
    if (tone === -1 && nowMs - this.#toneEndMs <= BREAK_MS) return undefined;
    const ended = this.#tone;
    const lastedMs = this.#toneWindows * WINDOW_MS;
    const endMs = this.#toneEndMs;
    this.#tone = tone;
    this.#toneWindows = tone === -1 ? 0 : 1;
    if (tone !== -1) this.#toneEndMs = nowMs;
    return ended !== -1 && lastedMs >= WORD_MIN_MS ? { word: TONE_WORDS[ended], endMs } : undefined;
  }

  /** Index of the word whose tone fills the window, -1 for none. */
  #toneOfWindow(): number {
    const { length } = this.#window;
    let energy = 0;
    for (const sample of this.#window) energy += sample * sample;
    if (energy / length < RMS_MIN ** 2) return -1;
    let best = -1;
    let bestPower = 0;
    this.#coefficients.forEach((coefficient, index) => {
      let before = 0;
      let last = 0;
      for (const sample of this.#window) [before, last] = [last, sample + coefficient * last - before];
      const power = last * last + before * before - coefficient * last * before;
      if (power > bestPower) [best, bestPower] = [index, power];
    });
    // A pure tone of this energy has power energy * length / 2.
    return bestPower >= SHARE_MIN * energy * length / 2 ? best : -1;
  }
}

/**
 * A recogniser with words to expect: what sounds like one of them is spelled as that. So "Gaarden" is written "garden", and
 * "Ryver" as "river", unless they are expected.
 */
export function spelledAs(word: string, expected: readonly string[]): string {
  return expected.flatMap((phrase) => phrase.split(" ")).find((each) => soundOf(each) === soundOf(word)) ??
    word;
}

function soundOf(word: string): string {
  return word.toLowerCase().replaceAll("y", "i").replace(/(.)\1/g, "$1");
}
