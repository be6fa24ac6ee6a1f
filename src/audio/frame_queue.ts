/**
 * A queue of encoded frames in memory that is used again: a column for each property in place of an object a frame, and
 * payloads one after the other in one buffer. Most speakers of a call are silent most of the time, and objects kept for
 * a fifth of a second for each of them would be garbage by the time a collector calls them old. Bounded by its owner.
 */
import type { CodedFrame } from "../domain/mod.ts";

/** Memory at first: most people in a call say nothing. */
const FRAMES_FIRST = 8;
const BYTES_FIRST = 256;
/** Memory that is not released when nothing is held: what a speaker takes whose words come in time. */
const FRAMES_KEPT = 64;
const BYTES_KEPT = 8_192;

const KINDS = ["coded", "lost", "silence"] as const satisfies CodedFrame["kind"][];
const EMPTY = new Uint8Array();

export class FrameQueue {
  #columns = columnsFor(FRAMES_FIRST);
  #capacity = FRAMES_FIRST;
  #bytes = new Uint8Array(BYTES_FIRST);
  /** End of the newest payload. */
  #bytesEnd = 0;
  #payloadBytes = 0;
  #durationMs = 0;
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get durationMs(): number {
    return this.#durationMs;
  }

  get payloadBytes(): number {
    return this.#payloadBytes;
  }

  /** Memory taken, bytes. */
  get byteLength(): number {
    return Object.values(this.#columns).reduce((sum, { byteLength }) => sum + byteLength, this.#bytes.length);
  }

  /** Until the next push. A frame's row in them: see `row`. */
  get columns(): ReturnType<typeof columnsFor> {
    return this.#columns;
  }

  /** The row of a frame, counted from the oldest. */
  row(index: number): number {
    return (this.#head + index) % this.#capacity;
  }

  /** Whether the oldest frame is an Opus packet, or PCM. */
  get isOldestCoded(): boolean {
    return this.#columns.kinds[this.#head] === 0;
  }

  get oldestMs(): number {
    return this.#columns.durationsMs[this.#head];
  }

  /** Keeps a copy. `flags` are the owner's. */
  push(frame: CodedFrame, flags = 0): void {
    if (this.#size === this.#capacity) this.#grow();
    const payload = frame.kind === "coded" ? frame.payload : EMPTY;
    const start = this.#reserve(payload.length);
    this.#bytes.set(payload, start);
    this.#bytesEnd = start + payload.length;
    this.#payloadBytes += payload.length;
    const columns = this.#columns;
    const row = this.row(this.#size++);
    columns.kinds[row] = frame.kind === "coded" ? 0 : KINDS.indexOf(frame.kind);
    columns.flags[row] = flags;
    columns.startsMs[row] = frame.startMs;
    columns.durationsMs[row] = frame.durationMs;
    columns.receivedAtMs[row] = frame.receivedAtMs;
    columns.byteStarts[row] = start;
    columns.byteLengths[row] = payload.length;
    this.#durationMs += columns.durationsMs[row];
  }

  /** A frame, counted from the oldest. Its payload is valid until the next push. */
  at(index: number): CodedFrame {
    const row = this.row(index);
    const columns = this.#columns;
    const kind = KINDS[columns.kinds[row]];
    const times = {
      startMs: columns.startsMs[row],
      durationMs: columns.durationsMs[row],
      receivedAtMs: columns.receivedAtMs[row],
    };
    if (kind !== "coded") return { kind, ...times };
    const start = columns.byteStarts[row];
    return { kind, ...times, payload: this.#bytes.subarray(start, start + columns.byteLengths[row]) };
  }

  /** Removes the oldest frame. */
  shift(): void {
    this.#durationMs -= this.#columns.durationsMs[this.#head];
    this.#payloadBytes -= this.#columns.byteLengths[this.#head];
    this.#head = this.row(1);
    this.#size--;
  }

  /** Removes every frame, and releases memory that only a lot of them needs. */
  clear(): void {
    this.#head =
      this.#size =
      this.#bytesEnd =
      this.#payloadBytes =
      this.#durationMs =
        0;
    if (this.#bytes.length > BYTES_KEPT) this.#bytes = new Uint8Array(BYTES_FIRST);
    if (this.#capacity <= FRAMES_KEPT) return;
    this.#columns = columnsFor(FRAMES_FIRST);
    this.#capacity = FRAMES_FIRST;
  }

  /** Doubles the columns; the oldest frame comes first in them. */
  #grow(): void {
    const old = Object.values(this.#columns);
    const head = this.#head;
    this.#columns = columnsFor(2 * this.#capacity);
    Object.values(this.#columns).forEach((column, at) => {
      column.set(old[at].subarray(head));
      column.set(old[at].subarray(0, head), this.#capacity - head);
    });
    this.#capacity *= 2;
    this.#head = 0;
  }

  /** Where so many bytes can be written: payloads are moved to the front when the buffer is full. */
  #reserve(length: number): number {
    if (this.#size === 0) this.#bytesEnd = 0; // frames without a payload have a start, too
    if (this.#bytesEnd + length <= this.#bytes.length) return this.#bytesEnd;
    const { byteStarts } = this.#columns;
    const from = this.#size === 0 ? 0 : byteStarts[this.#head];
    const used = this.#bytes.subarray(from, this.#bytesEnd);
    const isRoomy = used.length + length <= this.#bytes.length * 3 / 4; // or it would be moved again soon
    const bytes = isRoomy
      ? this.#bytes
      : new Uint8Array(Math.max(2 * this.#bytes.length, used.length + length));
    bytes.set(used);
    this.#bytes = bytes;
    for (let index = 0; index < this.#size; index++) byteStarts[this.row(index)] -= from;
    return this.#bytesEnd = used.length;
  }
}

function columnsFor(frames: number) {
  return {
    kinds: new Uint8Array(frames),
    flags: new Uint8Array(frames),
    startsMs: new Float64Array(frames),
    durationsMs: new Float32Array(frames), // whole 2.5 ms are exact
    receivedAtMs: new Float64Array(frames),
    /** The owner's, too. */
    marks: new Float64Array(frames),
    /** Where each payload begins, and how long it is. */
    byteStarts: new Uint32Array(frames),
    byteLengths: new Uint16Array(frames),
  };
}
