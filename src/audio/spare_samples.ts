/**
 * Memory of chunks that is used again, for all speakers of a process: 19 KB five times a second for each of them is more
 * than V8 collects in time, because to its young generation an array is a few bytes, whatever it holds. A chunk whose
 * memory nobody gives back is ordinary garbage.
 */
import type { Samples } from "./opus.ts";

/** 5 MB of 200 ms at 24 kHz: what many answers at once give back. */
export const SPARES_MAX = 256;
const spares: Samples[] = [];

/** An array of `length` with anything in it. Spares of another length, of another provider's chunks, are dropped. */
export function takeSamples(length: number): Samples {
  const spare = spares.pop();
  return spare?.length === length ? spare : new Float32Array(length);
}

/** Takes back an array that nobody reads any more. */
export function giveSamples(samples: Samples): void {
  if (spares.length < SPARES_MAX) spares.push(samples);
}
