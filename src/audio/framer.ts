/**
 * Cuts decoded audio into the chunks a provider wants, 80 to 200 ms. Holds less than one chunk, never changes a
 * sample, and lets go of what it holds when a pause or a jump of the media time comes.
 */
import type { PcmFrame } from "../domain/mod.ts";
import type { Samples } from "./opus.ts";
import { giveSamples, takeSamples } from "./spare_samples.ts";

export interface FramerOptions {
  sampleRateHz: number;
  /** Length of a whole chunk, ms. */
  chunkMs?: number;
}

/** A provider's message overhead against a caption's delay: 12 to 5 messages a second. */
export const CHUNK_MS_MIN = 80;
export const CHUNK_MS_MAX = 200;

/** Samples of a whole chunk. */
export function chunkSamples(sampleRateHz: number, chunkMs: number): number {
  return Math.round(chunkMs * sampleRateHz / 1_000);
}

/** A start this far from where the audio before ended is a jump, ms. Rounding to samples is less. */
const JUMP_MS = 1;

const NOTHING: readonly PcmFrame[] = Object.freeze([]);

export class Framer {
  readonly #sampleRateHz: number;
  readonly #chunkSamples: number;
  /** The chunk being filled, which is given away; undefined while nothing is held. */
  #chunk: Samples | undefined;
  #filled = 0;
  /** What `receive` returns: most calls return nothing, all of them together a lot of arrays. */
  readonly #out: PcmFrame[] = [];
  #startMs = 0;
  #receivedAtMs = 0;
  #voiced = false;

  constructor(options: FramerOptions) {
    const { sampleRateHz, chunkMs = CHUNK_MS_MAX } = options;
    if (!(chunkMs >= CHUNK_MS_MIN && chunkMs <= CHUNK_MS_MAX)) {
      throw new RangeError(
        `Cannot cut audio into ${chunkMs} ms: a chunk has ${CHUNK_MS_MIN} to ${CHUNK_MS_MAX} ms`,
      );
    }
    this.#sampleRateHz = sampleRateHz;
    this.#chunkSamples = chunkSamples(sampleRateHz, chunkMs);
  }

  /** Whether part of a chunk is held. */
  get isHolding(): boolean {
    return this.#chunk !== undefined;
  }

  /** Audio that completes the chunk being filled, ms. */
  get missingMs(): number {
    return this.#durationMs(this.#chunk ? this.#chunkSamples - this.#filled : this.#chunkSamples);
  }

  /** Takes audio; returns the chunks it completes, in an array that is good until the next call. Throws RangeError for audio at another rate. */
  receive(frame: PcmFrame): readonly PcmFrame[] {
    if (frame.sampleRateHz !== this.#sampleRateHz) {
      throw new RangeError(
        `Cannot frame audio: it has ${frame.sampleRateHz} Hz and the chunks ${this.#sampleRateHz} Hz`,
      );
    }
    const out = this.#out;
    if (out.length > 0) out.length = 0;
    if (this.#chunk && Math.abs(frame.startMs - this.#endMs()) > JUMP_MS) out.push(this.#take(false));
    const { samples } = frame;
    for (let at = 0; at < samples.length;) {
      this.#chunk ??= this.#begin(frame.startMs + this.#durationMs(at));
      const count = Math.min(samples.length - at, this.#chunkSamples - this.#filled);
      const isWhole = count === samples.length;
      this.#chunk.set(isWhole ? samples : samples.subarray(at, at + count), this.#filled);
      this.#filled += count;
      this.#receivedAtMs = Math.max(this.#receivedAtMs, frame.receivedAtMs);
      this.#voiced ||= frame.voiced;
      at += count;
      const isEnd = frame.endOfVoice && at === samples.length;
      if (isEnd || this.#filled === this.#chunkSamples) out.push(this.#take(isEnd));
    }
    return out;
  }

  /** The audio has ended: what is held. */
  flush(): readonly PcmFrame[] {
    return this.#chunk ? [this.#take(false)] : NOTHING;
  }

  /** Forgets what is held. */
  reset(): void {
    if (this.#chunk) giveSamples(this.#chunk);
    this.#chunk = undefined;
  }

  /** Takes back the samples of a chunk that nobody reads any more. */
  recycle(samples: Samples): void {
    if (samples.length === this.#chunkSamples) giveSamples(samples);
  }

  #begin(startMs: number): Samples {
    this.#filled = 0;
    this.#startMs = startMs;
    this.#receivedAtMs = -Infinity;
    this.#voiced = false;
    return takeSamples(this.#chunkSamples);
  }

  #take(endOfVoice: boolean): PcmFrame {
    const chunk = this.#chunk!;
    this.#chunk = undefined;
    return {
      samples: this.#filled === chunk.length ? chunk : shortened(chunk, this.#filled),
      sampleRateHz: this.#sampleRateHz,
      startMs: this.#startMs,
      receivedAtMs: this.#receivedAtMs,
      voiced: this.#voiced,
      endOfVoice,
    };
  }

  #endMs(): number {
    return this.#startMs + this.#durationMs(this.#filled);
  }

  #durationMs(samples: number): number {
    return samples * 1_000 / this.#sampleRateHz;
  }
}

/** A copy: a view of the longer one would be sent whole by whoever sends `samples.buffer`. */
function shortened(chunk: Samples, length: number): Samples {
  giveSamples(chunk);
  return chunk.slice(0, length);
}
