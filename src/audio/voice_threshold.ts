/**
 * The level of decoded audio, and the level from which it is a voice, which follows the background noise. Errs towards
 * voice: decoded noise costs a little time, a quiet speaker taken for noise loses words.
 */
import type { Samples } from "./opus.ts";

/** A voice is louder than the noise by this. Levels of 20 ms of noise vary by 3 dB, of speech by 20. */
const MARGIN_DB = 8;
/** Below this nothing is a voice: microphones idle at -90 to -65 dBFS once the browser has removed noise. */
const LOWEST_DB = -60;
/** Above this everything is: half of the syllables of a speaker at -45 dBFS reach it. */
const HIGHEST_DB = -42;
/** The noise floor rises this fast: too slowly to reach speech between two pauses. */
const RISE_DB_PER_MS = 2 / 1_000;
/** And falls by this part of the difference with each quieter packet, so that one pause suffices. */
const FALL = 0.3;
/** Of digital silence, dBFS. */
const SILENCE_DB = -100;

export class VoiceThreshold {
  #floorDb = LOWEST_DB - MARGIN_DB;

  /** The level from which audio is a voice, dBFS. */
  get levelDb(): number {
    return Math.min(Math.max(this.#floorDb + MARGIN_DB, LOWEST_DB), HIGHEST_DB);
  }

  isVoice(levelDb: number): boolean {
    return levelDb >= this.levelDb;
  }

  /** Follows the noise: a level was measured, `elapsedMs` after the one before. */
  learn(levelDb: number, elapsedMs: number): void {
    const floorDb = levelDb < this.#floorDb
      ? this.#floorDb + FALL * (levelDb - this.#floorDb)
      : Math.min(levelDb, this.#floorDb + RISE_DB_PER_MS * elapsedMs);
    // Beyond the limits the floor has no effect, and would need time to return.
    this.#floorDb = Math.min(Math.max(floorDb, LOWEST_DB - MARGIN_DB), HIGHEST_DB - MARGIN_DB);
  }
}

/** RMS level in dBFS (a full-scale square wave is 0), -100 at the least. Limits the samples to [-1, 1] on the way. */
export function limitAndMeasureDb(samples: Samples): number {
  let energy = 0;
  for (let i = 0; i < samples.length; i++) {
    const sample = samples[i];
    if (sample > 1) samples[i] = 1;
    else if (sample < -1) samples[i] = -1;
    energy += sample * sample;
  }
  if (energy === 0) return SILENCE_DB;
  return Math.max(SILENCE_DB, 10 * Math.log10(energy / samples.length));
}
