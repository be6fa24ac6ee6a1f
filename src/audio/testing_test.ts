/** What the tests of this room share. Named as a test so that nothing else may import it. */
import type { PcmFrame } from "../domain/mod.ts";
import { ToneRecogniser } from "../../tests/fakes/tones.ts";

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = state + 0x6d2b79f5 | 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** RMS level in dBFS; -Infinity for zeros. */
export function levelDb(samples: Float32Array): number {
  return 10 * Math.log10(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
}

export function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Words with the media time at which they ended, ms. */
export function wordsOf(chunks: readonly PcmFrame[]): { word: string; atMs: number }[] {
  const found: { word: string; atMs: number }[] = [];
  const rateHz = chunks[0]?.sampleRateHz ?? 16_000;
  let recogniser = new ToneRecogniser(rateHz);
  let beganMs = chunks[0]?.startMs ?? 0;
  let sentMs = 0;
  for (const { samples, startMs } of chunks) {
    if (Math.abs(startMs - beganMs - sentMs) > 1) { // a pause: the recogniser's time would be off
      recogniser = new ToneRecogniser(rateHz);
      [beganMs, sentMs] = [startMs, 0];
    }
    for (const { word, endMs } of recogniser.receive(samples)) found.push({ word, atMs: beganMs + endMs });
    sentMs += samples.length / rateHz * 1_000;
  }
  return found;
}
