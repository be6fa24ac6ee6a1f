/**
 * The one place where live audio is lost: a speaker's newest speech, encoded, from the moment it was found to be a voice
 * until speech-to-text has acknowledged it.
 *
 *     | sent | read, not sent | waiting |      <- push
 *     ^ acknowledge      sent ^   read ^
 *
 * What waits longer than the bound is dropped, oldest first, and counted: late audio makes late captions. What was sent
 * is kept to be sent again if its session fails; dropping it first is no loss. Pauses are not kept, so ten seconds of
 * speech may have been spoken in a minute. Ten seconds of Opus are some 50 KB.
 */
import type { CodedFrame } from "../domain/mod.ts";
import { FrameQueue } from "./frame_queue.ts";

export interface SpeechBufferOptions {
  /** Limits of what is held. */
  durationMs: number;
  frames: number;
  bytes: number;
  /** Audio is sent for the first time, ms. */
  onSent: (durationMs: number) => void;
  /** Audio was dropped that was never sent, ms, in so many packets. */
  onDropped: (durationMs: number, packets: number) => void;
}

/** Chunks are cut at samples, and frames end at 2.5 ms. */
const ROUNDING_MS = 0.1;

const VOICED = 1;
const END_OF_VOICE = 2;
/** Was sent at least once, and counted. */
const COUNTED = 4;

export class SpeechBuffer {
  readonly #options: SpeechBufferOptions;
  readonly #frames = new FrameQueue();
  /** Frames from the head that were sent, and that were read; as many or more. */
  #sent = 0;
  #read = 0;

  constructor(options: SpeechBufferOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#frames.size;
  }

  /** Frames that were not read yet. */
  get unread(): number {
    return this.#frames.size - this.#read;
  }

  get byteLength(): number {
    return this.#frames.byteLength;
  }

  /**
   * Keeps a copy of the newest frame, which counts as read where its audio is being sent already. False when frames that
   * were read and not sent had to be dropped.
   */
  push(frame: CodedFrame, flags: { voiced: boolean; endOfVoice: boolean; isRead: boolean }): boolean {
    const { durationMs, frames, bytes } = this.#options;
    const payloadBytes = frame.kind === "coded" ? frame.payload.length : 0;
    const held = this.#frames;
    let untouched = true;
    while (
      held.size > 0 &&
      (held.durationMs + frame.durationMs > durationMs || held.size >= frames ||
        held.payloadBytes + payloadBytes > bytes)
    ) {
      untouched = this.#dropOldest() && untouched;
    }
    held.push(frame, (flags.voiced ? VOICED : 0) | (flags.endOfVoice ? END_OF_VOICE : 0));
    if (flags.isRead) this.#read = held.size;
    return untouched;
  }

  /** The oldest frame that was not read yet. Its payload is valid until the next push. */
  read(): { frame: CodedFrame; voiced: boolean; endOfVoice: boolean } | undefined {
    if (this.unread === 0) return undefined;
    const index = this.#read++;
    const flags = this.#frames.columns.flags[this.#frames.row(index)];
    return {
      frame: this.#frames.at(index),
      voiced: (flags & VOICED) !== 0,
      endOfVoice: (flags & END_OF_VOICE) !== 0,
    };
  }

  /** All that was read and ends by this media time is sent. `mark` is what will acknowledge it. */
  sent(untilMs: number, mark: number): void {
    const { startsMs, durationsMs, marks, flags } = this.#frames.columns;
    let newMs = 0;
    for (; this.#sent < this.#read; this.#sent++) {
      const row = this.#frames.row(this.#sent);
      if (startsMs[row] + durationsMs[row] > untilMs + ROUNDING_MS) break;
      marks[row] = mark;
      if ((flags[row] & COUNTED) === 0) newMs += durationsMs[row];
      flags[row] |= COUNTED;
    }
    if (newMs > 0) this.#options.onSent(newMs);
  }

  /** Removes what was sent with a mark of this at the most. */
  acknowledge(mark: number): void {
    const { columns } = this.#frames;
    while (this.#sent > 0 && columns.marks[this.#frames.row(0)] <= mark) this.#removeOldest();
    if (this.size === 0) this.#frames.clear();
  }

  /** What was read and not sent is to be read again. */
  reread(): void {
    this.#read = this.#sent;
  }

  /**
   * The session has ended: what it did not acknowledge is to be sent again, if there is any voice in it. Returns how much
   * of it was sent before, ms.
   */
  rewind(): number {
    this.#sent = this.#read = 0;
    if (!this.#hasVoice()) this.clear();
    const { flags, durationsMs } = this.#frames.columns;
    let againMs = 0;
    for (let index = 0; index < this.size; index++) {
      const row = this.#frames.row(index);
      if ((flags[row] & COUNTED) !== 0) againMs += durationsMs[row];
    }
    return againMs;
  }

  /** Drops what was received before this and still waits. False as for `push`. */
  expire(receivedBeforeMs: number): boolean {
    const { columns } = this.#frames;
    let untouched = true;
    while (this.#sent < this.size && columns.receivedAtMs[this.#frames.row(0)] < receivedBeforeMs) {
      untouched = this.#dropOldest() && untouched;
    }
    if (this.size === 0) this.#frames.clear();
    return untouched;
  }

  /** Removes everything; what never was sent is dropped. */
  clear(): void {
    while (this.size > 0) this.#dropOldest();
    this.#frames.clear();
  }

  /** False when the frame was read and not sent. */
  #dropOldest(): boolean {
    const { columns, oldestMs, isOldestCoded } = this.#frames;
    const untouched = this.#sent > 0 || this.#read === 0;
    const isCounted = (columns.flags[this.#frames.row(0)] & COUNTED) !== 0;
    this.#removeOldest();
    if (!isCounted) this.#options.onDropped(oldestMs, isOldestCoded ? 1 : 0);
    return untouched;
  }

  #removeOldest(): void {
    this.#frames.shift();
    if (this.#sent > 0) this.#sent--;
    if (this.#read > 0) this.#read--;
  }

  #hasVoice(): boolean {
    const { flags } = this.#frames.columns;
    for (let index = 0; index < this.size; index++) {
      if ((flags[this.#frames.row(index)] & VOICED) !== 0) return true;
    }
    return false;
  }
}
