/** A session's newest audio, from a position on. Positions are samples since the session began. */

/** What a session without a voice keeps: half a second. Doubles up to what one segment takes. */
const SAMPLES_MIN = 8_192;

export class HeldAudio {
  #samples = new Float32Array(SAMPLES_MIN);
  #from = 0;
  #length = 0;

  /** Samples of memory, for tests. */
  get capacity(): number {
    return this.#samples.length;
  }

  push(samples: Float32Array): void {
    if (this.#length + samples.length > this.#samples.length) this.#resize(this.#length + samples.length);
    this.#samples.set(samples, this.#length);
    this.#length += samples.length;
  }

  /** A copy with so many zeros before and after it. */
  copy(from: number, to: number, zeros: number): Float32Array<ArrayBuffer> {
    const copied = new Float32Array(to - from + 2 * zeros);
    copied.set(this.#samples.subarray(from - this.#from, to - this.#from), zeros);
    return copied;
  }

  /** Audio before this position is not needed any more. */
  forget(before: number): void {
    const count = Math.min(this.#length, before - this.#from);
    if (count <= 0) return;
    this.#samples.copyWithin(0, count, this.#length);
    this.#length -= count;
    this.#from += count;
    if (this.#samples.length > SAMPLES_MIN && this.#length <= SAMPLES_MIN / 2) this.#resize(SAMPLES_MIN);
  }

  #resize(samples: number): void {
    let capacity = SAMPLES_MIN;
    while (capacity < samples) capacity *= 2;
    const larger = new Float32Array(capacity);
    larger.set(this.#samples.subarray(0, this.#length));
    this.#samples = larger;
  }
}
