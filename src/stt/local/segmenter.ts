/**
 * Cuts a speaker's audio into segments, each of which is decoded whole. Pure: windows of audio in, positions out, in
 * samples since the session began.
 *
 *     no voice --voice--> segment, from PRE_ROLL_MS before it
 *        ^                  |  '--LONGEST_MS--> ends at the quietest place of its last third; the next begins there
 *        '--SILENCE_MS------'   ends TAIL_MS after its last voice
 */
import { SAMPLE_RATE_HZ } from "./protocol.ts";

/** Of one judgement of the voice detector. */
export const WINDOW_SAMPLES = 512;
const WINDOW_MS = WINDOW_SAMPLES / SAMPLE_RATE_HZ * 1_000;

const samplesOf = (ms: number) => Math.round(ms * SAMPLE_RATE_HZ / 1_000);

/** A first consonant is quieter than a voice, and the detector takes 100 ms of voice to find it. */
export const PRE_ROLL_MS = 400;
/** Silence that ends a segment. 300 ms cost accuracy, 700 ms are no better. */
export const SILENCE_MS = 500;
/** Audio after the last voice: words end quietly. */
export const TAIL_MS = 300;
/**
 * The model takes 384 frames, 9.2 s; past that sherpa-onnx 1.13.8 returns an empty text. A decode is at most 9.0 s with
 * 200 ms of zeros at each end.
 */
export const LONGEST_MS = 8_500;

const PRE_ROLL = samplesOf(PRE_ROLL_MS);
const TAIL = samplesOf(TAIL_MS);
const SILENCE_WINDOWS = Math.round(SILENCE_MS / WINDOW_MS);
const LONGEST = samplesOf(LONGEST_MS);
/** The quietest place is of two windows. */
const QUIET_WINDOWS = 2;

export interface Segment {
  from: number;
  to: number;
}

export class Segmenter {
  /** The segment in progress. */
  #from: number | undefined;
  /** Where its last voice ended. */
  #voiceTo = 0;
  /** The power of each of its windows, from the one that `#levelsFrom` is in. */
  #levels: number[] = [];
  #levelsFrom = 0;
  /** All audio. */
  #head = 0;
  /** What came before is of an ended segment. */
  #endedTo = 0;

  get head(): number {
    return this.#head;
  }

  /** The segment in progress once it has voice; its end is the newest audio. */
  get segment(): Segment | undefined {
    const from = this.#from;
    return from === undefined || !this.#hasVoice(from) ? undefined : { from, to: this.#head };
  }

  /** The end of the last voice in it. */
  get voiceTo(): number {
    return this.#voiceTo;
  }

  /** What came before is not needed any more: it is of an ended segment, or holds no voice. */
  get settledTo(): number {
    return this.#from ?? Math.max(this.#endedTo, this.#head - PRE_ROLL);
  }

  /** The next WINDOW_SAMPLES of audio. Returns the segment that they end. */
  window(isVoice: boolean, power: number): Segment | undefined {
    const at = this.#head;
    this.#head += WINDOW_SAMPLES;
    if (this.#from === undefined) {
      if (!isVoice) return undefined;
      this.#begin(Math.max(this.#endedTo, at - PRE_ROLL), at);
    }
    this.#levels.push(power);
    if (isVoice) this.#voiceTo = this.#head;
    const silenceWindows = (this.#head - this.#voiceTo) / WINDOW_SAMPLES;
    if (silenceWindows >= SILENCE_WINDOWS) return this.end();
    return this.#head + WINDOW_SAMPLES - this.#from! > LONGEST ? this.#cut() : undefined;
  }

  /** Ends the segment in progress, which is returned; undefined where it has no voice. */
  end(): Segment | undefined {
    const from = this.#from;
    if (from === undefined) return undefined;
    this.#from = undefined;
    this.#levels = [];
    if (!this.#hasVoice(from)) { // what was cut off held all of it
      this.#endedTo = from;
      return undefined;
    }
    this.#endedTo = Math.min(this.#head, this.#voiceTo + TAIL);
    return { from, to: this.#endedTo };
  }

  #hasVoice(from: number): boolean {
    return this.#voiceTo > from;
  }

  #begin(from: number, levelsFrom: number): void {
    this.#from = from;
    this.#levelsFrom = levelsFrom;
    this.#levels = [];
  }

  #cut(): Segment {
    const from = this.#from!;
    const lastThird = Math.floor(this.#levels.length * 2 / 3);
    let quietest = lastThird;
    let least = Infinity;
    for (let at = lastThird; at + QUIET_WINDOWS <= this.#levels.length; at++) {
      const power = this.#levels[at] + this.#levels[at + 1];
      if (power > least) continue;
      least = power;
      quietest = at;
    }
    const to = this.#levelsFrom + (quietest + QUIET_WINDOWS / 2) * WINDOW_SAMPLES;
    const left = this.#levels.slice(quietest + QUIET_WINDOWS / 2);
    this.#endedTo = to;
    this.#begin(to, to);
    this.#levels = left;
    return { from, to };
  }
}
