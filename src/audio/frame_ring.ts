/**
 * Frames that are kept for a moment, in memory that is used again: most speakers of a call are silent most of the time,
 * and what is kept of them for a fifth of a second each would be garbage by the time a collector calls it old. Grows to
 * what the fullest moment took.
 */
import type { CodedFrame } from "../domain/mod.ts";

/** A place for one frame; which of the fields hold is told by `kind`. */
interface Slot {
  kind: CodedFrame["kind"];
  startMs: number;
  durationMs: number;
  receivedAtMs: number;
  payload: Uint8Array;
  /** Where the payload lies, at the beginning. */
  bytes: Uint8Array;
}

/** Silence, mostly. */
const FIRST_BYTES = 64;

export class FrameRing {
  readonly #slots: Slot[] = [];
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The oldest frame, good until it is shifted out. */
  get oldest(): CodedFrame | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head];
  }

  /** Keeps a copy. */
  push(frame: CodedFrame): void {
    if (this.#size === this.#slots.length) this.#grow();
    const slot = this.#slots[(this.#head + this.#size++) % this.#slots.length];
    slot.kind = frame.kind;
    slot.startMs = frame.startMs;
    slot.durationMs = frame.durationMs;
    slot.receivedAtMs = frame.receivedAtMs;
    if (frame.kind !== "coded") return;
    const { length } = frame.payload;
    if (length > slot.bytes.length) slot.bytes = new Uint8Array(Math.max(length, 2 * slot.bytes.length));
    slot.bytes.set(frame.payload);
    // Packets of silence are often as long as the one before.
    if (slot.payload.length !== length || slot.payload.buffer !== slot.bytes.buffer) {
      slot.payload = slot.bytes.subarray(0, length);
    }
  }

  shift(): void {
    this.#head = (this.#head + 1) % this.#slots.length;
    this.#size--;
  }

  clear(): void {
    this.#size = 0;
  }

  /** Oldest first; good until the next push. */
  *[Symbol.iterator](): Generator<CodedFrame> {
    for (let index = 0; index < this.#size; index++) {
      yield this.#slots[(this.#head + index) % this.#slots.length];
    }
  }

  /** Room for one more, at the end: the others keep their places and their order. */
  #grow(): void {
    const inOrder = [...this.#slots.slice(this.#head), ...this.#slots.slice(0, this.#head)];
    const bytes = new Uint8Array(FIRST_BYTES);
    inOrder.push({ kind: "silence", startMs: 0, durationMs: 0, receivedAtMs: 0, payload: bytes, bytes });
    this.#slots.splice(0, this.#slots.length, ...inOrder);
    this.#head = 0;
  }
}
