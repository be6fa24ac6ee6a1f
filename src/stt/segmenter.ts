/**
 * Cuts a speaker's audio into spans for recognisers that decode a piece at a time. Sans-IO: audio with a speech probability
 * in, spans out. A span begins some time before the voice, and ends after a pause in it, or when it is long, at its
 * quietest place. Audio without a voice is in no span, except next to one; no audio is in two final spans.
 *
 *     silence --voice--> span --pause--> silence
 *                        |  ^
 *                        '--long: cut, the rest begins the next span
 *
 * Time is session time: audio pushed so far.
 */

export interface SegmenterOptions {
  sampleRateHz: number;
  /** Audio kept from before the voice: quiet consonants are detected late. */
  preRollMs?: number;
  /** A pause this long ends a span. */
  pauseMs?: number;
  /** How much of that pause is in the span. At most `pauseMs`. */
  tailMs?: number;
  /** The longest span. */
  longestMs?: number;
}

/** Audio to decode: owned by the receiver. */
export interface SpeechSpan {
  samples: Float32Array<ArrayBuffer>;
  startMs: number;
  endMs: number;
}

/** Measured with Moonshine and Whisper: spans of at most 6 s make a quarter more errors. */
const LONGEST_MS = 8_500;
/** A pause of 500 to 700 ms makes the fewest errors. */
const DEFAULTS = { preRollMs: 300, pauseMs: 500, tailMs: 300, longestMs: LONGEST_MS };
/** A voice begins at this probability, and continues at the lower one: syllables end softly. */
const BEGINS = 0.5;
const CONTINUES = 0.35;
/** A long span is cut within this last part of it, in the middle of the quietest window. */
const CUT_WITHIN = 1 / 3;
const QUIET_MS = 60;
/** Resolution of the search, and of the audio appended at a time. */
const STEP_MS = 20;
const NONE: readonly SpeechSpan[] = Object.freeze([]);

export class Segmenter {
  readonly #rateHz: number;
  readonly #preRoll: number;
  readonly #pause: number;
  readonly #tail: number;
  readonly #longest: number;
  readonly #step: number;
  /** Audio from `#start` to `#end`: the open span, or what may precede the next one. */
  #held = new Float32Array(0);
  /** Positions in samples of the session. */
  #start = 0;
  #end = 0;
  /** Where the last voice of the open span ended; undefined while none is open. */
  #voiceEnd: number | undefined;
  #wasVoice = false;
  /** Voice up to here was in a partial span. */
  #shownEnd = 0;

  constructor({ sampleRateHz, ...given }: SegmenterOptions) {
    const { preRollMs, pauseMs, tailMs, longestMs } = { ...DEFAULTS, ...given };
    const samples = (ms: number) => Math.round(ms * sampleRateHz / 1_000);
    this.#rateHz = sampleRateHz;
    this.#preRoll = samples(preRollMs);
    this.#pause = samples(pauseMs);
    this.#tail = Math.min(samples(tailMs), this.#pause);
    this.#longest = samples(longestMs);
    this.#step = samples(STEP_MS);
  }

  /** Whether a span is open: there was a voice, and no pause since. */
  get isOpen(): boolean {
    return this.#voiceEnd !== undefined;
  }

  /** Audio pushed, ms. */
  get endMs(): number {
    return this.#msOf(this.#end);
  }

  /** Audio before this is in a final span, or in none: the start of the open span, or of one that would open now. */
  get settledMs(): number {
    return this.#msOf(this.#start);
  }

  /** Audio held, samples. */
  get held(): number {
    return this.#end - this.#start;
  }

  /** Audio of any length, with the probability of speech in it (1 and 0 for a flag). Returns the spans that are over. */
  push(samples: Float32Array, speech: number): readonly SpeechSpan[] {
    let spans: SpeechSpan[] | undefined;
    for (let at = 0; at < samples.length; at += this.#step) {
      const span = this.#append(samples.subarray(at, at + this.#step), speech);
      if (span) (spans ??= []).push(span);
    }
    return spans ?? NONE;
  }

  /** The open span so far, if it has voice that no partial span had. */
  partial(): SpeechSpan | undefined {
    if (this.#voiceEnd === undefined || this.#voiceEnd <= this.#shownEnd) return undefined;
    this.#shownEnd = this.#voiceEnd;
    return this.#span(Math.min(this.#end, this.#voiceEnd + this.#tail));
  }

  /** The open span as it will end if the pause goes on; undefined while its tail is not complete. */
  ending(): SpeechSpan | undefined {
    if (this.#voiceEnd === undefined || this.#end < this.#voiceEnd + this.#tail) return undefined;
    this.#shownEnd = this.#voiceEnd;
    return this.#span(Math.min(this.#voiceEnd + this.#tail, this.#start + this.#longest));
  }

  /** The voice has ended: the open span is over without a pause. */
  finish(): SpeechSpan | undefined {
    return this.#voiceEnd === undefined ? undefined : this.#close(this.#voiceEnd);
  }

  #append(samples: Float32Array, speech: number): SpeechSpan | undefined {
    const isVoice = speech >= (this.#wasVoice ? CONTINUES : BEGINS);
    this.#wasVoice = isVoice;
    this.#hold(samples);
    if (isVoice) this.#voiceEnd = this.#end;
    const voiceEnd = this.#voiceEnd;
    if (voiceEnd === undefined) {
      this.#drop(this.#end - this.#preRoll);
      return undefined;
    }
    const isLong = this.#end - this.#start >= this.#longest;
    if (isLong && isVoice) return this.#cut();
    return isLong || this.#end - voiceEnd >= this.#pause ? this.#close(voiceEnd) : undefined;
  }

  #close(voiceEnd: number): SpeechSpan {
    const end = Math.min(this.#end, voiceEnd + this.#tail, this.#start + this.#longest);
    const span = this.#span(end);
    this.#voiceEnd = undefined;
    this.#wasVoice = false;
    this.#drop(Math.max(end, this.#end - this.#preRoll));
    return span;
  }

  /** In the middle of a voice; the rest is the next span. */
  #cut(): SpeechSpan {
    const end = this.#start + this.#quietest();
    const span = this.#span(end);
    this.#drop(end);
    return span;
  }

  /** Samples of the open span before its quietest place. */
  #quietest(): number {
    const steps = Math.floor(this.held / this.#step);
    const first = Math.floor(steps * (1 - CUT_WITHIN));
    const width = Math.round(QUIET_MS / STEP_MS);
    let best = steps;
    let bestEnergy = Infinity;
    for (let at = first; at + width <= steps; at++) {
      const energy = energyOf(this.#held.subarray(at * this.#step, (at + width) * this.#step));
      if (energy > bestEnergy) continue; // the latest of equals: as much context as there is
      bestEnergy = energy;
      best = at + width / 2;
    }
    return Math.round(best * this.#step);
  }

  #span(end: number): SpeechSpan {
    return {
      samples: this.#held.slice(0, end - this.#start),
      startMs: this.#msOf(this.#start),
      endMs: this.#msOf(end),
    };
  }

  #hold(samples: Float32Array): void {
    const needed = this.held + samples.length;
    if (needed > this.#held.length) {
      // At most the longest span and a step: it is cut then.
      const most = Math.max(needed, this.#longest + this.#step);
      const grown = new Float32Array(Math.min(most, Math.max(2 * needed, 2 * this.#preRoll)));
      grown.set(this.#held.subarray(0, this.held));
      this.#held = grown;
    }
    this.#held.set(samples, this.held);
    this.#end += samples.length;
  }

  /** Drops what is before a position. */
  #drop(position: number): void {
    const dropped = Math.min(Math.max(0, position - this.#start), this.held);
    this.#held.copyWithin(0, dropped, this.held);
    this.#start += dropped;
  }

  #msOf(position: number): number {
    return position * 1_000 / this.#rateHz;
  }
}

function energyOf(samples: Float32Array): number {
  let energy = 0;
  for (let at = 0; at < samples.length; at++) energy += samples[at] * samples[at];
  return energy;
}
