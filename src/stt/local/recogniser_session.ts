/**
 * One speaker's session within the recogniser's process: audio in, texts out. Finds the voice, cuts it into segments, asks
 * for decodes and sends what they return. No IO, and no timer: partials are due when audio arrives.
 *
 * A session takes no more audio (`isFull`) while segments wait to be decoded, or while it waits for a voice detector.
 */
import type { Detectors } from "./detectors.ts";
import { HeldAudio } from "./held_audio.ts";
import type { VoiceDetector } from "./native.ts";
import { type FromRecogniser, SAMPLE_RATE_HZ } from "./protocol.ts";
import { type Segment, Segmenter, WINDOW_SAMPLES } from "./segmenter.ts";
import { cleanText } from "./text.ts";
import type { DecodeKind } from "./decode_order.ts";

export interface SessionOptions {
  detectors: Detectors;
  /** Asks for a decode, which then takes `audioFor` and gives `decoded`. */
  ask(kind: DecodeKind): void;
  send(message: FromRecogniser): void;
  /** Time between two partials, ms. */
  partialEveryMs(): number;
  /** Corrects the text of a decode. */
  correct?: (text: string) => string;
}

/** Audio of a decode. */
export interface DecodeAudio {
  samples: Float32Array<ArrayBuffer>;
  segment: Segment;
}

/** Ended segments that wait. Audio of a third is not read until one was decoded. */
export const FINALS_MAX = 2;
/** A decode of audio with as many zeros at each end changes its last words less, and seldom repeats itself. */
export const ZEROS_MS = 200;
const ZEROS = ZEROS_MS * SAMPLE_RATE_HZ / 1_000;
/** Audio without a voice until its detector is given back, and between two reports of progress. */
const DETECTOR_IDLE = 2 * SAMPLE_RATE_HZ;
const PROGRESS_EVERY = SAMPLE_RATE_HZ / 2;
/** The model ends every text as if the voice were over. */
const CLOSING_MARKS = /[.,;:!?…]+$/;
/** A voice that has spoken within this is talking. */
export const TALKING_MS = 5_000;

export class RecogniserSession {
  readonly #options: SessionOptions;
  readonly #audio = new HeldAudio();
  readonly #segmenter = new Segmenter();
  /** What is left of less than a window. */
  readonly #window = new Float32Array(WINDOW_SAMPLES);
  #windowLength = 0;
  #detector: VoiceDetector | undefined;
  /** Audio since the last voice. */
  #quiet = 0;
  /** Segments that wait for their final, the one being decoded included. */
  #finals: DecodeAudio[] = [];
  #partialAtMs = -Infinity;
  /** A partial was asked for, and not decoded yet. */
  #isPartialDue = false;
  #lastPartial: { text: string; from: number; voiceTo: number } | undefined;
  #progress = 0;
  #talkedAtMs: number;
  #isFinishing = false;
  /** Audio that arrived while the session could take none. */
  #held: Float32Array | undefined;

  constructor(options: SessionOptions, nowMs: number) {
    this.#options = options;
    this.#talkedAtMs = nowMs;
  }

  /** Whether it takes no more audio now. */
  get isFull(): boolean {
    return this.#finals.length >= FINALS_MAX || this.#held !== undefined;
  }

  /** Whether audio waits for a detector. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** Whether somebody talks, or has just opened it to talk. */
  isTalking(nowMs: number): boolean {
    return nowMs < this.#talkedAtMs + TALKING_MS;
  }

  /** At 16 kHz, at most AUDIO_BYTES_MAX / 2 samples. What arrives while `isFull` is held, which is once. */
  receive(samples: Float32Array, nowMs: number): void {
    if (!this.#takeDetector(samples)) {
      this.#held = this.#held ? joined(this.#held, samples) : samples;
      return;
    }
    for (let at = 0; at < samples.length;) {
      const taken = Math.min(WINDOW_SAMPLES - this.#windowLength, samples.length - at);
      this.#window.set(samples.subarray(at, at + taken), this.#windowLength);
      this.#windowLength += taken;
      at += taken;
      if (this.#windowLength < WINDOW_SAMPLES) break;
      this.#windowLength = 0;
      this.#takeWindow(nowMs);
    }
    this.#askPartial(nowMs);
    this.#reportProgress(PROGRESS_EVERY);
  }

  /** A detector was given back by another session. */
  retry(nowMs: number): void {
    const held = this.#held;
    if (!held) return;
    this.#held = undefined;
    this.receive(held, nowMs);
    if (this.#isFinishing) this.#finishIfDone();
  }

  /** No more audio follows: decodes what is left, then sends `done`. */
  finish(): void {
    this.#isFinishing = true;
    if (!this.#held) this.#endAudio();
    this.#finishIfDone();
  }

  /** What to decode; undefined where that is no longer wanted. */
  audioFor(kind: DecodeKind): DecodeAudio | undefined {
    if (kind === "final") return this.#finals.at(0);
    this.#isPartialDue = false;
    const segment = this.#segmenter.segment;
    return segment && this.#decodeOf(segment);
  }

  decoded(kind: DecodeKind, { segment }: DecodeAudio, text: string): void {
    const clean = cleanText(text, msOf(segment.to - segment.from));
    const corrected = this.#options.correct?.(clean) ?? clean;
    if (kind === "final") this.#final(segment, corrected);
    else this.#partial(segment, corrected);
  }

  dispose(): void {
    this.#giveBack();
    this.#finals = [];
    this.#held = undefined;
  }

  #takeWindow(nowMs: number): void {
    this.#audio.push(this.#window);
    const power = powerOf(this.#window);
    // Zeros hold no voice: the silence that follows one takes no time.
    const isVoice = this.#detector?.isVoice(this.#window) ?? false;
    if (isVoice) {
      this.#quiet = 0;
      this.#talkedAtMs = nowMs;
    } else this.#quiet += WINDOW_SAMPLES;
    const ended = this.#segmenter.window(isVoice, power);
    if (ended) this.#ended(ended);
    this.#audio.forget(this.#segmenter.settledTo);
    if (this.#quiet >= DETECTOR_IDLE) this.#giveBack();
  }

  /** False where it needs a detector and gets none. */
  #takeDetector(samples: Float32Array): boolean {
    if (this.#detector || samples.every((sample) => sample === 0)) return true;
    this.#detector = this.#options.detectors.take();
    this.#quiet = 0;
    return this.#detector !== undefined;
  }

  #giveBack(): void {
    if (this.#detector) this.#options.detectors.giveBack(this.#detector);
    this.#detector = undefined;
  }

  #ended(segment: Segment): void {
    this.#finals.push(this.#decodeOf(segment));
    this.#options.ask("final");
  }

  #decodeOf(segment: Segment): DecodeAudio {
    return { samples: this.#audio.copy(segment.from, segment.to, ZEROS), segment };
  }

  #askPartial(nowMs: number): void {
    const { segment, voiceTo } = this.#segmenter;
    if (!segment || this.#isPartialDue || nowMs < this.#partialAtMs + this.#options.partialEveryMs()) return;
    const last = this.#lastPartial;
    if (last?.from === segment.from && last.voiceTo === voiceTo) return; // no voice since then
    this.#partialAtMs = nowMs;
    this.#isPartialDue = true;
    this.#options.ask("partial");
  }

  #partial(segment: Segment, decoded: string): void {
    const { segment: current, voiceTo } = this.#segmenter;
    if (current?.from !== segment.from) return; // it has ended: its final follows
    const last = this.#lastPartial?.from === segment.from ? this.#lastPartial.text : "";
    const text = decoded.replace(CLOSING_MARKS, "");
    this.#lastPartial = { text: text || last, from: segment.from, voiceTo: Math.min(voiceTo, segment.to) };
    if (text === "" || text === last) return;
    this.#options.send({ type: "partial", text, startMs: msOf(segment.from), endMs: msOf(segment.to) });
  }

  #final({ from, to }: Segment, text: string): void {
    this.#finals.shift();
    const ms = msOf(this.#settledTo);
    this.#progress = this.#settledTo;
    // Empty text withdraws nothing: a partial that was shown stays.
    this.#options.send({ type: "final", text, startMs: msOf(from), endMs: msOf(to), ms });
    this.#finishIfDone();
  }

  /** Up to here everything was captioned, or held no voice. */
  get #settledTo(): number {
    return this.#finals.at(0)?.segment.from ?? this.#segmenter.settledTo;
  }

  #reportProgress(every: number): void {
    const settledTo = this.#settledTo;
    if (settledTo < this.#progress + every) return;
    this.#progress = settledTo;
    this.#options.send({ type: "progress", ms: msOf(settledTo) });
  }

  #endAudio(): void {
    const ended = this.#segmenter.end();
    if (ended) this.#ended(ended);
  }

  #finishIfDone(): void {
    if (!this.#isFinishing || this.#held) return;
    this.#endAudio();
    if (this.#finals.length === 0) this.#options.send({ type: "done" });
  }
}

function msOf(samples: number): number {
  return Math.round(samples * 1_000 / SAMPLE_RATE_HZ);
}

function powerOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return sum;
}

function joined(a: Float32Array, b: Float32Array): Float32Array {
  const whole = new Float32Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
