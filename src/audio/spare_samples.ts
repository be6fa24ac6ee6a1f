/**
 * Memory of chunks that is reused, for all speakers of a process: 19 KB five times a second for each of them is more than V8
 * collects in time, because its young generation counts a typed array as a few bytes. A chunk that is not given back is
 * ordinary garbage.
 */
import type { Samples } from "./opus.ts";

/** 5 MB of 200 ms at 24 kHz: what many acknowledgements at once give back. */
export const SPARES_MAX = 256;
const spares: Samples[] = [];

/** An array of `length` with undefined contents. Spares of another length, of another provider's chunks, are dropped. */
export function takeSamples(length: number): Samples {
  const spare = spares.pop();
  return spare?.length === length ? spare : new Float32Array(length);
}

/** Gives back an array that is no longer read. */
export function giveSamples(samples: Samples): void {
  if (spares.length < SPARES_MAX) spares.push(samples);
}
