/**
 * How much silence is sent after a voice so that its last words arrive: as much as the recogniser is behind, since most
 * servers only advance while audio arrives. Pure: time is an argument.
 *
 * The latency is declared by the provider, and measured from the end of a voice to its last word, for all speakers of it
 * together. Before the first measurement the first word is an upper bound. While words arrive the silence continues,
 * whatever was measured; a voice without a word gets more, as it may be a word not yet recognised.
 *
 *     voice ---> silence --words have settled--> over     the next voice begins anew
 *       ^---voice---'
 */
import { LIMITS } from "../domain/mod.ts";

/** A word is recognised after its end, a chunk is 200 ms, and the network adds some time. */
const MARGIN_MS = 700;
/** The pause between two words of one voice is shorter. */
const QUIET_MS = LIMITS.voiceTailMs;
/** For a voice without a word: a fast recogniser may have become slow (a loaded one is 2 s behind). */
const WORDLESS_MS = 4_000;
/** Bounds the silence if words never stop. */
const LONGEST_MS = LIMITS.speechMs + 5_000;
/** Measurements kept; the largest counts. */
const REMEMBERED = 16;

/** The measured latency of a recogniser, over all its sessions. */
export class MeasuredLatency {
  readonly #samplesMs: number[] = [];

  /** Undefined before the first measurement. */
  get currentMs(): number | undefined {
    return this.#samplesMs.length === 0 ? undefined : Math.max(...this.#samplesMs);
  }

  add(ms: number): void {
    this.#samplesMs.push(ms);
    if (this.#samplesMs.length > REMEMBERED) this.#samplesMs.shift();
  }
}

export class TrailingSilence {
  /** When the first and the last of the voice was sent; undefined when its words have settled. */
  #voice: { startMs: number; endMs: number } | undefined;
  /** Silence sent since the last voice. */
  #silenceMs = 0;
  #firstWordMs: number | undefined;
  #lastWordMs = -Infinity;
  /** For words that arrive after the silence. */
  #settledVoiceEndMs = -Infinity;

  /** `declaredMs`: the latency the provider declares. */
  constructor(private readonly declaredMs: number, private readonly latency: MeasuredLatency) {}

  /** 0 before the first measurement. */
  get measuredMs(): number {
    return this.latency.currentMs ?? 0;
  }

  /**
   * How far its words are behind at the most: as declared or measured; before that the time from the voice to its first
   * word. Either alone may be less: that word may be of the voice before, and a voice may end without a word.
   */
  get atMostMs(): number {
    const firstMs = (this.#firstWordMs ?? 0) - (this.#voice?.startMs ?? 0);
    return Math.max(this.declaredMs, this.latency.currentMs ?? firstMs);
  }

  /** Silence needed after the last voice, ms; 0 when its words have settled. */
  get neededMs(): number {
    const voice = this.#voice;
    if (!voice) return 0;
    const isMeasured = this.latency.currentMs !== undefined;
    if (this.#firstWordMs === undefined) {
      return isMeasured ? Math.max(this.#behind(this.measuredMs), WORDLESS_MS) : LIMITS.speechMs;
    }
    const atMostMs = this.#firstWordMs - voice.startMs;
    return this.#behind(isMeasured ? this.measuredMs : Math.max(this.declaredMs, atMostMs));
  }

  /** How far words may be behind the last voice, ms; 0 when they have settled. */
  get behindMs(): number {
    if (!this.#voice) return 0;
    if (this.#firstWordMs === undefined) return Math.max(this.measuredMs, WORDLESS_MS);
    if (this.latency.currentMs !== undefined) return this.latency.currentMs;
    return Math.min(this.#firstWordMs - this.#voice.startMs, WORDLESS_MS);
  }

  sent(audio: { voiced: boolean; durationMs: number }, nowMs: number): void {
    if (!audio.voiced) {
      this.#silenceMs += audio.durationMs;
      return;
    }
    if (this.#voice) this.#voice.endMs = nowMs;
    else {
      this.#voice = { startMs: nowMs, endMs: nowMs };
      this.#firstWordMs = undefined;
    }
    this.#silenceMs = 0;
  }

  word(nowMs: number): void {
    this.#firstWordMs ??= nowMs;
    this.#lastWordMs = nowMs;
    const lateMs = nowMs - this.#settledVoiceEndMs;
    if (!this.#voice && lateMs <= LIMITS.sttWordsBehindMs) this.latency.add(lateMs);
  }

  /** Whether all words of the voice have arrived, as far as can be known; if so, it is settled. */
  isOver(nowMs: number): boolean {
    const voice = this.#voice;
    if (!voice) return true;
    const isEnough = this.#silenceMs >= this.neededMs && nowMs >= this.#lastWordMs + QUIET_MS;
    if (!isEnough && this.#silenceMs < LONGEST_MS) return false;
    if (this.#firstWordMs !== undefined) this.latency.add(Math.max(0, this.#lastWordMs - voice.endMs));
    this.#settledVoiceEndMs = voice.endMs;
    this.#voice = undefined;
    return true;
  }

  /** The session ended; measurements are kept. */
  reset(): void {
    this.#voice = this.#firstWordMs = undefined;
    this.#silenceMs = 0;
    this.#settledVoiceEndMs = -Infinity;
  }

  #behind(ms: number): number {
    return Math.min(Math.max(LIMITS.voiceTailMs, ms + MARGIN_MS), LIMITS.speechMs);
  }
}
