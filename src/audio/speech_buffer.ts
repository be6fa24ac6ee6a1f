/**
 * The one place where live audio is lost: a speaker's newest speech, encoded, from the moment it was found to be a voice
 * until speech-to-text has acknowledged it.
 *
 *     | sent, unanswered | read, not sent | waits |      <- push
 *     ^ acknowledge       sent ^      read ^
 *
 * What waits longer than the bound is dropped, oldest first, and counted: late audio makes late captions. What was sent
 * is kept to be sent again should its session fail; it goes first, and that is no loss. Pauses are not kept, so ten
 * seconds of speech may have been spoken in a minute.
 *
 * Ten seconds of Opus are some 50 KB. Memory grows with what is held and is given back when nothing is.
 */
import type { CodedFrame } from "../domain/mod.ts";

export interface SpeechBufferOptions {
  /** Most that is held. */
  durationMs: number;
  frames: number;
  bytes: number;
  /** Audio is sent for the first time, ms. */
  onSent: (durationMs: number) => void;
  /** Audio was dropped that never was sent, ms, in so many packets. */
  onDropped: (durationMs: number, packets: number) => void;
}

/** A frame that is held. */
export interface SpeechFrame {
  /** Good until the next is read or pushed. */
  frame: CodedFrame;
  voiced: boolean;
  endOfVoice: boolean;
}

/** Memory at first: most people in a call say nothing. */
const FRAMES_FIRST = 8;
const BYTES_FIRST = 256;
/** Memory that is not given back when nothing is held: what a speaker takes whose words come in time. */
const FRAMES_KEPT = 64;
const BYTES_KEPT = 8_192;
/** Chunks are cut at samples, and frames end at 2.5 ms. */
const ROUNDING_MS = 0.1;
const EMPTY = new Uint8Array();

const KINDS = ["coded", "lost", "silence"] as const satisfies CodedFrame["kind"][];
const VOICED = 1;
const END_OF_VOICE = 2;
/** Sent at least once. */
const COUNTED = 4;

export class SpeechBuffer {
  readonly #options: SpeechBufferOptions;
  #rows = columnsFor(FRAMES_FIRST);
  #capacity = FRAMES_FIRST;
  #bytes = new Uint8Array(BYTES_FIRST);
  /** End of the newest payload. */
  #bytesEnd = 0;
  #bytesHeld = 0;
  #head = 0;
  #size = 0;
  /** Frames from the head that were sent, and that were read; as many or more. */
  #sent = 0;
  #read = 0;
  #heldMs = 0;

  constructor(options: SpeechBufferOptions) {
    this.#options = options;
  }

  /** Frames held. */
  get size(): number {
    return this.#size;
  }

  /** Frames that were not read yet. */
  get unread(): number {
    return this.#size - this.#read;
  }

  /** Memory taken, bytes. */
  get byteLength(): number {
    return Object.values(this.#rows).reduce((sum, { byteLength }) => sum + byteLength, this.#bytes.length);
  }

  /**
   * Keeps a copy of the newest frame, which counts as read where its audio is on its way already. False when frames that
   * were read and not sent had to go.
   */
  push(frame: CodedFrame, flags: { voiced: boolean; endOfVoice: boolean; isRead: boolean }): boolean {
    const payload = "payload" in frame ? frame.payload : EMPTY;
    const { durationMs, frames, bytes } = this.#options;
    let untouched = true;
    while (
      this.#size > 0 &&
      (this.#heldMs + frame.durationMs > durationMs || this.#size >= frames ||
        this.#bytesHeld + payload.length > bytes)
    ) {
      untouched = this.#dropOldest() && untouched;
    }
    if (this.#size === this.#capacity) this.#grow();
    const start = this.#room(payload.length);
    this.#bytes.set(payload, start);
    this.#bytesEnd = start + payload.length;
    this.#bytesHeld += payload.length;
    this.#heldMs += frame.durationMs;
    const rows = this.#rows;
    const at = (this.#head + this.#size++) % this.#capacity;
    rows.kinds[at] = frame.kind === "coded" ? 0 : KINDS.indexOf(frame.kind);
    rows.flags[at] = (flags.voiced ? VOICED : 0) | (flags.endOfVoice ? END_OF_VOICE : 0);
    rows.startsMs[at] = frame.startMs;
    rows.durationsMs[at] = frame.durationMs;
    rows.receivedAtMs[at] = frame.receivedAtMs;
    rows.byteStarts[at] = start;
    rows.byteLengths[at] = payload.length;
    if (flags.isRead) this.#read = this.#size;
    return untouched;
  }

  /** The oldest frame that was not read yet. */
  read(): SpeechFrame | undefined {
    if (this.#read === this.#size) return undefined;
    const rows = this.#rows;
    const at = (this.#head + this.#read++) % this.#capacity;
    const kind = KINDS[rows.kinds[at]];
    const times = {
      startMs: rows.startsMs[at],
      durationMs: rows.durationsMs[at],
      receivedAtMs: rows.receivedAtMs[at],
    };
    const start = rows.byteStarts[at];
    const frame: CodedFrame = kind === "coded"
      ? { kind, ...times, payload: this.#bytes.subarray(start, start + rows.byteLengths[at]) }
      : { kind, ...times };
    return {
      frame,
      voiced: (rows.flags[at] & VOICED) !== 0,
      endOfVoice: (rows.flags[at] & END_OF_VOICE) !== 0,
    };
  }

  /** All that was read and ends by this media time is sent. `mark` is what will acknowledge it. */
  sent(untilMs: number, mark: number): void {
    const rows = this.#rows;
    let newMs = 0;
    for (; this.#sent < this.#read; this.#sent++) {
      const at = (this.#head + this.#sent) % this.#capacity;
      if (rows.startsMs[at] + rows.durationsMs[at] > untilMs + ROUNDING_MS) break;
      rows.marks[at] = mark;
      if ((rows.flags[at] & COUNTED) === 0) newMs += rows.durationsMs[at];
      rows.flags[at] |= COUNTED;
    }
    if (newMs > 0) this.#options.onSent(newMs);
  }

  /** Forgets what was sent with a mark of this at the most. */
  acknowledge(mark: number): void {
    while (this.#sent > 0 && this.#rows.marks[this.#head] <= mark) this.#forgetOldest();
    if (this.#size === 0) this.#giveBack();
  }

  /** What was read and not sent is to be read again. */
  reread(): void {
    this.#read = this.#sent;
  }

  /** The session is gone: what it did not answer for is to be sent again, if there is any voice in it. */
  rewind(): void {
    this.#sent = this.#read = 0;
    if (!this.#hasVoice()) this.clear();
  }

  /** Drops what was heard before this and still waits. False as for `push`. */
  expire(heardBeforeMs: number): boolean {
    let untouched = true;
    while (this.#sent < this.#size && this.#rows.receivedAtMs[this.#head] < heardBeforeMs) {
      untouched = this.#dropOldest() && untouched;
    }
    if (this.#size === 0) this.#giveBack();
    return untouched;
  }

  /** Forgets everything; what never was sent is dropped. */
  clear(): void {
    while (this.#size > 0) this.#dropOldest();
    this.#giveBack();
  }

  /** Makes room. False when the frame was read and not sent. */
  #dropOldest(): boolean {
    const wasSent = this.#sent > 0;
    const wasRead = this.#read > 0;
    const durationMs = this.#rows.durationsMs[this.#head];
    const isCounted = (this.#rows.flags[this.#head] & COUNTED) !== 0;
    const packets = this.#rows.kinds[this.#head] === 0 ? 1 : 0;
    this.#forgetOldest();
    if (!isCounted) this.#options.onDropped(durationMs, packets);
    return wasSent || !wasRead;
  }

  #forgetOldest(): void {
    this.#heldMs -= this.#rows.durationsMs[this.#head];
    this.#bytesHeld -= this.#rows.byteLengths[this.#head];
    this.#head = (this.#head + 1) % this.#capacity;
    this.#size--;
    if (this.#sent > 0) this.#sent--;
    if (this.#read > 0) this.#read--;
  }

  #hasVoice(): boolean {
    for (let index = 0; index < this.#size; index++) {
      if ((this.#rows.flags[(this.#head + index) % this.#capacity] & VOICED) !== 0) return true;
    }
    return false;
  }

  #giveBack(): void {
    this.#head = this.#bytesEnd = 0;
    if (this.#capacity > FRAMES_KEPT) {
      this.#rows = columnsFor(FRAMES_FIRST);
      this.#capacity = FRAMES_FIRST;
    }
    if (this.#bytes.length > BYTES_KEPT) this.#bytes = new Uint8Array(BYTES_FIRST);
  }

  /** Doubles the columns; the oldest frame comes first in them. */
  #grow(): void {
    const old = Object.values(this.#rows);
    const head = this.#head;
    this.#rows = columnsFor(2 * this.#capacity);
    Object.values(this.#rows).forEach((column, at) => {
      column.set(old[at].subarray(head));
      column.set(old[at].subarray(0, head), this.#capacity - head);
    });
    this.#capacity *= 2;
    this.#head = 0;
  }

  /** Where so many bytes can be written: payloads lie one after the other, and are moved to the front when it is full. */
  #room(length: number): number {
    if (this.#size === 0) this.#bytesEnd = 0; // frames without a payload have a place, too
    if (this.#bytesEnd + length <= this.#bytes.length) return this.#bytesEnd;
    const { byteStarts } = this.#rows;
    const from = this.#size === 0 ? 0 : byteStarts[this.#head];
    const used = this.#bytes.subarray(from, this.#bytesEnd);
    const isRoomy = used.length + length <= this.#bytes.length / 2; // or it would be moved again soon
    const bytes = isRoomy
      ? this.#bytes
      : new Uint8Array(Math.max(2 * this.#bytes.length, used.length + length));
    bytes.set(used);
    this.#bytes = bytes;
    for (let index = 0; index < this.#size; index++) {
      byteStarts[(this.#head + index) % this.#capacity] -= from;
    }
    return this.#bytesEnd = used.length;
  }
}

/** A column for each property of a frame, so that a frame takes no object. */
function columnsFor(frames: number) {
  return {
    kinds: new Uint8Array(frames),
    flags: new Uint8Array(frames),
    startsMs: new Float64Array(frames),
    durationsMs: new Float32Array(frames), // whole 2.5 ms are exact
    receivedAtMs: new Float64Array(frames),
    marks: new Float64Array(frames),
    /** Where each payload begins, and how long it is. */
    byteStarts: new Uint32Array(frames),
    byteLengths: new Uint16Array(frames),
  };
}
