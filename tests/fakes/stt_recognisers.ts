/** Recognisers of the stand-in for speech-to-text: one with a script, and two that say late what another recognises. */

export const SAMPLE_RATE_HZ = 24_000;
/** A script's words come as fast as people speak: three a second. */
const SCRIPT_WORD_MS = 330;
/** Voice for the script: -40 dB. */
export const VOICED_RMS = 0.01;
const WINDOWS_PER_S = 50;
/** A sentence is over after this much silence in the audio. */
const SENTENCE_END_MS = 800;

/** What a session's audio held, and when. */
export interface Recogniser {
  receive(samples: Float32Array): RecognisedWord[];
}

export interface RecognisedWord {
  /** Or several, with spaces between. */
  word: string;
  endMs: number;
}

/** Sends the next word of a script for every 330 ms of voice, and repeats the script. */
export class ScriptRecogniser implements Recogniser {
  #next = 0;
  #voicedMs = 0;
  #heardMs = 0;

  constructor(private readonly script: readonly string[], private readonly sampleRateHz = SAMPLE_RATE_HZ) {}

  receive(samples: Float32Array): { word: string; endMs: number }[] {
    const words: { word: string; endMs: number }[] = [];
    const windowSamples = this.sampleRateHz / WINDOWS_PER_S;
    for (let at = 0; at < samples.length; at += windowSamples) {
      const window = samples.subarray(at, at + windowSamples);
      const ms = window.length / this.sampleRateHz * 1000;
      this.#heardMs += ms;
      if (rms(window) < VOICED_RMS) continue;
      this.#voicedMs += ms;
      if (this.#voicedMs < SCRIPT_WORD_MS || this.script.length === 0) continue;
      this.#voicedMs -= SCRIPT_WORD_MS;
      words.push({ word: this.script[this.#next], endMs: this.#heardMs });
      this.#next = (this.#next + 1) % this.script.length;
    }
    return words;
  }
}

/** Delays another's words by this much audio. */
export class Behind implements Recogniser {
  #heardMs = 0;
  readonly #words: RecognisedWord[] = [];

  constructor(
    private readonly recogniser: Recogniser,
    private readonly behindMs: number,
    private readonly sampleRateHz = SAMPLE_RATE_HZ,
  ) {}

  receive(samples: Float32Array): RecognisedWord[] {
    this.#heardMs += samples.length / this.sampleRateHz * 1000;
    this.#words.push(...this.recogniser.receive(samples));
    const due = this.#words.filter(({ endMs }) => endMs + this.behindMs <= this.#heardMs);
    this.#words.splice(0, due.length);
    return due;
  }
}

/** Holds another's words until silence has followed a whole sentence. */
export class BySentence implements Recogniser {
  #words: RecognisedWord[] = [];
  #heardMs = 0;

  constructor(private readonly recogniser: Recogniser) {}

  receive(samples: Float32Array): RecognisedWord[] {
    this.#heardMs += samples.length / SAMPLE_RATE_HZ * 1000;
    this.#words.push(...this.recogniser.receive(samples));
    const endMs = this.#words.at(-1)?.endMs;
    if (endMs === undefined || this.#heardMs < endMs + SENTENCE_END_MS) return [];
    const word = this.#words.map(({ word }) => word).join(" ");
    this.#words = [];
    return [{ word, endMs }];
  }
}

export function rms(samples: Float32Array): number {
  let energy = 0;
  for (const sample of samples) energy += sample * sample;
  return Math.sqrt(energy / Math.max(1, samples.length));
}
