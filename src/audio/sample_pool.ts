/**
 * Memory for chunks of audio, used again and again: 19 KB five times a second for every speaker is more than a garbage
 * collector takes away without being noticed. Never waits and never refuses: when it has none it makes one, and what it
 * is not given back is ordinary garbage.
 */
import type { Samples } from "./opus.ts";

/** Kept for later at most, 5 MB of 200 ms at 24 kHz: what many answers at once give back. */
const SPARES_MAX = 256;

export class SamplePool {
  readonly #spares: Samples[] = [];

  /** For arrays of so many samples. */
  constructor(readonly length: number) {}

  /** An array with anything in it. */
  take(): Samples {
    return this.#spares.pop() ?? new Float32Array(this.length);
  }

  /** Takes back an array that nobody will look at any more; one of another length is let go. */
  give(samples: Samples): void {
    if (samples.length === this.length && this.#spares.length < SPARES_MAX) this.#spares.push(samples);
  }
}
