/**
 * One speaker's session within the recogniser's process: audio in, texts out. Finds the voice, cuts it into segments, asks
 * for decodes and sends what they return. No IO, and no timer: partials are due when audio arrives.
 *
 * A session takes no more audio (`isFull`) while segments wait to be decoded, or while it waits for a voice detector.
 */
import type { Detectors } from "./detectors.ts";
import { type VoiceDetector, WINDOW_SAMPLES } from "./native.ts";
import { type FromRecogniser, SAMPLE_RATE_HZ } from "./protocol.ts";
import { Segmenter, type SpeechSpan } from "../segmenter.ts";
import { cleanText } from "./text.ts";
import type { DecodeKind } from "./decode_order.ts";

export interface SessionOptions {
  detectors: Detectors;
  /** Asks for a decode, which then takes `spanFor` and gives `decoded`. */
  ask(kind: DecodeKind): void;
  send(message: FromRecogniser): void;
  /** Time between two partials of a segment of this length, ms. */
  partialEveryMs(segmentMs: number): number;
  /** Corrects the text of a decode. */
  correct?: (text: string) => string;
}

/** A first consonant is quieter than a voice, and the detector takes 100 ms of voice to find it. */
const PRE_ROLL_MS = 400;
/** Of less audio, pre-roll included, the model guesses. */
const FIRST_MS = PRE_ROLL_MS + 300;
/** Of 500, 600 and 700 ms the shorter ones make more errors and the longer ones later finals (docs/decisions/0030). */
const PAUSE_MS = 600;
const TAIL_MS = 400;
/** Ended segments that wait. Audio of a third is not read until one was decoded. */
export const FINALS_MAX = 2;
/** A decode of audio with as many zeros at each end changes its last words less, and seldom repeats itself. */
export const ZEROS_MS = 200;
const TAIL = TAIL_MS * SAMPLE_RATE_HZ / 1_000;
const ZEROS = ZEROS_MS * SAMPLE_RATE_HZ / 1_000;
/** Audio without a voice until its detector is given back; and between two reports of progress. */
const DETECTOR_IDLE = 2 * SAMPLE_RATE_HZ;
const PROGRESS_EVERY_MS = 500;
/** The model ends every text as if the voice were over. */
const CLOSING_MARKS = /[.,;:!?…]+$/;
/** A voice that has spoken within this is talking. */
export const TALKING_MS = 5_000;

export class RecogniserSession {
  readonly #options: SessionOptions;
  readonly #segmenter = new Segmenter({
    sampleRateHz: SAMPLE_RATE_HZ,
    preRollMs: PRE_ROLL_MS,
    pauseMs: PAUSE_MS,
    tailMs: TAIL_MS,
  });
  /** What is left of less than a window. */
  readonly #window = new Float32Array(WINDOW_SAMPLES);
  #windowLength = 0;
  #detector: VoiceDetector | undefined;
  /** Audio since the last voice. */
  #quiet = 0;
  /** Segments that wait for their final, the one being decoded included. */
  #finals: SpeechSpan[] = [];
  /** Segments that ended because they were long: the sentence continues. */
  readonly #cut = new WeakSet<SpeechSpan>();
  #partialAtMs = -Infinity;
  /** What was asked for, and is not decoded yet, but for finals. */
  #asked: DecodeKind | undefined;
  /** The pause of the segment in progress was decoded, or is about to be. */
  #isForeseen = false;
  /** A segment as it will be if its pause goes on, decoded before it has ended. */
  #foreseen: { startMs: number; endMs: number; text: string } | undefined;
  /** The text that was sent of the segment that began there. */
  #shown = { startMs: -1, text: "" };
  #progressMs = 0;
  #talkedAtMs: number;
  #isFinishing = false;
  #isDone = false;
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
    if (this.#settledMs >= this.#progressMs + PROGRESS_EVERY_MS) this.#reportProgress();
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
  spanFor(kind: DecodeKind): SpeechSpan | undefined {
    if (kind === "final") return this.#finals.at(0);
    this.#asked = undefined;
    const ending = this.#segmenter.ending();
    if (ending) this.#isForeseen = true;
    return ending ?? this.#segmenter.partial();
  }

  decoded(kind: DecodeKind, span: SpeechSpan, text: string): void {
    const clean = cleanText(text, span.endMs - span.startMs);
    const corrected = this.#options.correct?.(clean) ?? clean;
    if (kind === "final") {
      this.#finals.shift();
      if (this.#finals.length > 0) this.#options.ask("final");
      const isSentence = !this.#cut.has(span);
      return this.#final(span, isSentence ? corrected : corrected.replace(CLOSING_MARKS, ""));
    }
    this.#foreseen = { startMs: span.startMs, endMs: span.endMs, text: corrected };
    this.#partial(span, corrected);
  }

  dispose(): void {
    this.#giveBack();
    this.#finals = [];
    this.#held = undefined;
  }

  #takeWindow(nowMs: number): void {
    // Zeros hold no voice: the silence that follows one takes no time.
    const isVoice = this.#detector?.isVoice(this.#window) ?? false;
    if (isVoice) {
      this.#quiet = 0;
      this.#isForeseen = false;
      this.#talkedAtMs = nowMs;
    } else this.#quiet += WINDOW_SAMPLES;
    for (const span of this.#segmenter.push(this.#window, isVoice ? 1 : 0)) {
      if (this.#segmenter.isOpen) this.#cut.add(span);
      this.#ended(span);
    }
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

  #ended(span: SpeechSpan): void {
    const { startMs, endMs, text } = this.#foreseen ?? {};
    this.#foreseen = undefined;
    const isDecoded = text !== undefined && startMs === span.startMs && endMs === span.endMs;
    if (isDecoded && this.#finals.length === 0) return this.#final(span, text);
    this.#finals.push(span);
    // The next one is asked for when it was decoded: two decodes may run at once, and finals are sent in order.
    if (this.#finals.length === 1) this.#options.ask("final");
  }

  #askPartial(nowMs: number): void {
    const { isOpen, settledMs, endMs } = this.#segmenter;
    const isGuess = endMs - settledMs < FIRST_MS;
    if (!isOpen || isGuess || this.#asked === "first" || this.#asked === "ending") return;
    // Once the tail is there, the segment is decoded as its final will be.
    const isEnding = this.#quiet >= TAIL;
    const isDue = isEnding
      ? !this.#isForeseen
      : nowMs >= this.#partialAtMs + this.#options.partialEveryMs(endMs - settledMs);
    const kind = isEnding ? "ending" : settledMs === this.#shown.startMs ? "partial" : "first";
    if (!isDue || kind === this.#asked) return;
    this.#partialAtMs = nowMs;
    this.#asked = kind;
    this.#options.ask(kind);
  }

  #partial({ startMs, endMs }: SpeechSpan, decoded: string): void {
    const isOpen = this.#segmenter.isOpen && this.#segmenter.settledMs === startMs;
    if (!isOpen) return; // it has ended: its final follows
    const text = decoded.replace(CLOSING_MARKS, "");
    if (text === "" || (this.#shown.startMs === startMs && this.#shown.text === text)) return;
    this.#shown = { startMs, text };
    this.#options.send({ type: "partial", text, startMs: Math.round(startMs), endMs: Math.round(endMs) });
  }

  #final({ startMs, endMs }: SpeechSpan, text: string): void {
    this.#progressMs = this.#settledMs;
    this.#options.send({
      type: "final",
      text, // empty: a partial that was sent is settled as it is
      startMs: Math.round(startMs),
      endMs: Math.round(endMs),
      ms: Math.floor(this.#progressMs),
    });
    this.#finishIfDone();
  }

  /** Up to here everything was captioned, or held no voice. */
  get #settledMs(): number {
    return this.#finals.at(0)?.startMs ?? this.#segmenter.settledMs;
  }

  #reportProgress(): void {
    this.#progressMs = this.#settledMs;
    this.#options.send({ type: "progress", ms: Math.floor(this.#progressMs) });
  }

  #endAudio(): void {
    const span = this.#segmenter.finish();
    if (span) this.#ended(span);
  }

  #finishIfDone(): void {
    if (!this.#isFinishing || this.#held) return;
    this.#endAudio();
    if (this.#finals.length > 0 || this.#isDone) return;
    this.#isDone = true;
    this.#options.send({ type: "done" });
  }
}

/** The audio as it is decoded. */
export function withZeros(samples: Float32Array): Float32Array<ArrayBuffer> {
  const padded = new Float32Array(samples.length + 2 * ZEROS);
  padded.set(samples, ZEROS);
  return padded;
}

function joined(a: Float32Array, b: Float32Array): Float32Array {
  const whole = new Float32Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
