/**
 * Cuts decoded audio into chunks of 80 to 200 ms for a provider. Holds less than one chunk, and returns it early at the end
 * of a voice and at a jump of the media time.
 */
import type { PcmFrame } from "../domain/mod.ts";
import type { Samples } from "./opus.ts";
import { giveSamples, takeSamples } from "./spare_samples.ts";

/** Message overhead against a caption's delay: 12 to 5 messages a second. */
export const CHUNK_MS_MIN = 80;
export const CHUNK_MS_MAX = 200;

/** A start this far from the end of the audio before is a jump, ms. Rounding to samples is less. */
const JUMP_MS = 1;

export class Framer {
  readonly #sampleRateHz: number;
  readonly #chunkSamples: number;
  /** The chunk being filled, owned by whoever takes it; undefined while nothing is held. */
  #chunk: Samples | undefined;
  #filled = 0;
  /** What `receive` returns, reused: most calls return nothing. */
  readonly #out: PcmFrame[] = [];
  #startMs = 0;
  #receivedAtMs = 0;
  #voiced = false;

  constructor({ sampleRateHz, chunkMs = CHUNK_MS_MAX }: { sampleRateHz: number; chunkMs?: number }) {
    if (!(chunkMs >= CHUNK_MS_MIN && chunkMs <= CHUNK_MS_MAX)) {
      throw new RangeError(
        `Cannot cut audio into ${chunkMs} ms: a chunk has ${CHUNK_MS_MIN} to ${CHUNK_MS_MAX} ms`,
      );
    }
    this.#sampleRateHz = sampleRateHz;
    this.#chunkSamples = Math.round(chunkMs * sampleRateHz / 1_000);
  }

  /** Whether part of a chunk is held. */
  get isHolding(): boolean {
    return this.#chunk !== undefined;
  }

  /** Audio that completes the chunk being filled, ms. */
  get missingMs(): number {
    return this.#durationMs(this.#chunk ? this.#chunkSamples - this.#filled : this.#chunkSamples);
  }

  /** Returns the chunks that the audio completes, in an array valid until the next call. RangeError for another rate. */
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

  /** Returns what is held. */
  flush(): readonly PcmFrame[] {
    return this.#chunk ? [this.#take(false)] : [];
  }

  /** Discards what is held. */
  reset(): void {
    if (this.#chunk) giveSamples(this.#chunk);
    this.#chunk = undefined;
  }

  /** Reuses the samples of a chunk that is no longer read. */
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

/** A copy: of a view, whoever sends `samples.buffer` would send the whole. */
function shortened(chunk: Samples, length: number): Samples {
  giveSamples(chunk);
  return chunk.slice(0, length);
}
