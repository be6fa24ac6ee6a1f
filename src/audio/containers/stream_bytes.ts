/** Bytes of a stream, cut anywhere, for a parser that knows how many it needs next: no others are kept. */

/** Bytes the parser has used, more than there are to skip those that follow; or how many it needs, more than there are. */
export type Step = { used: number } | { needs: number };

/** Gets all bytes there are, valid until it returns. It asks for no more than decides what it does next. */
export type Parse = (bytes: Uint8Array) => Step;

const NOTHING = new Uint8Array();

export class StreamBytes {
  /** Of the size that is needed. */
  #held = NOTHING;
  #heldBytes = 0;
  #skip = 0;

  /** Kept at the moment, with the memory for what is still needed. */
  get byteLength(): number {
    return this.#held.length;
  }

  receive(chunk: Uint8Array, parse: Parse): void {
    let at = 0;
    for (;;) {
      const skipped = Math.min(this.#skip, chunk.length - at);
      at += skipped;
      this.#skip -= skipped;
      const isHolding = this.#held.length > 0;
      if (isHolding) at += this.#hold(chunk.subarray(at));
      if (isHolding ? this.#heldBytes < this.#held.length : at === chunk.length) return;
      const bytes = isHolding ? this.#held : chunk.subarray(at);
      const step = parse(bytes);
      if ("needs" in step) {
        this.#grow(bytes, step.needs);
        if (!isHolding) return;
      } else {
        this.#skip = Math.max(0, step.used - bytes.length);
        if (isHolding) this.#held = NOTHING;
        else at += Math.min(step.used, bytes.length);
        this.#heldBytes = 0;
      }
    }
  }

  #hold(bytes: Uint8Array): number {
    const taken = bytes.subarray(0, this.#held.length - this.#heldBytes);
    this.#held.set(taken, this.#heldBytes);
    this.#heldBytes += taken.length;
    return taken.length;
  }

  #grow(bytes: Uint8Array, needs: number): void {
    const held = new Uint8Array(needs);
    held.set(bytes);
    this.#held = held;
    this.#heldBytes = bytes.length;
  }
}
