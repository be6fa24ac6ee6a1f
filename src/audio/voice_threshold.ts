/**
 * How loud is a voice: the level of decoded audio, and a threshold that follows the noise of the room. Rather takes
 * noise for a voice than a quiet speaker for noise: noise costs a little decoding, a lost word is lost.
 */
import type { Samples } from "./opus.ts";

/** A voice stands out of the noise by this, dB. Noise levels of 20 ms scatter by 3 dB, speech by 20. */
const MARGIN_DB = 8;
/** Below this nothing is a voice: microphones idle at -90 to -65 dBFS once the browser has removed noise. */
const LOWEST_DB = -60;
/** Above this everything is: the loud half of the syllables of a speaker at -45 dBFS reach it in any noise. */
const HIGHEST_DB = -42;
/** The noise is believed to grow this fast: the floor forgets a pause between words slower than pauses come. */
const RISE_DB_PER_MS = 2 / 1_000;
/** And to fall by this part of the difference with each quieter packet: one pause finds it again. */
const FALL = 0.3;
/** What digital silence is taken for, dBFS. */
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

  /** Follows the noise: audio of this level was heard, `elapsedMs` after the one before. */
  learn(levelDb: number, elapsedMs: number): void {
    const floorDb = levelDb < this.#floorDb
      ? this.#floorDb + FALL * (levelDb - this.#floorDb)
      : Math.min(levelDb, this.#floorDb + RISE_DB_PER_MS * elapsedMs);
    // Beyond the clamps the floor changes nothing, and would need time to come back.
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
