/**
 * How much silence speech-to-text is sent after a voice, so that its last words come: as much as it is behind. Most
 * servers only go on while audio arrives, so what follows a voice pushes its end out. Pure: time is an argument.
 *
 * How far it is behind is declared by the provider and measured here, for all who speak to it: from the end of a voice to
 * its last word. Before the first measurement the first word says how far it can be at most. While words keep coming the silence goes on,
 * whatever was measured; and a voice without any word gets more, for it may be a word not yet recognised.
 *
 *     voice ---> tail --words have settled--> over     the next voice begins anew
 *       ^---voice--'
 */
import { LIMITS } from "../domain/mod.ts";

/** A word comes when its end was heard, a chunk is 200 ms, and a network takes its time. */
const MARGIN_MS = 700;
/** Between two words of one voice there is less. */
const QUIET_MS = LIMITS.voiceTailMs;
/** A voice without a word: a recogniser known to be quick may just have become slow (a loaded one is 2 s behind). */
const WORDLESS_MS = 4_000;
/** Words that never stop do not keep a speaker's session from resting. */
const LONGEST_MS = LIMITS.speechMs + 5_000;
/** How far it was behind after so many voices; the most of these counts. */
const REMEMBERED = 16;

/** How far behind a recogniser was found to be, by all who speak to it. */
export class Lag {
  readonly #foundMs: number[] = [];

  /** ms; undefined before anybody found out. */
  get foundMs(): number | undefined {
    return this.#foundMs.length === 0 ? undefined : Math.max(...this.#foundMs);
  }

  found(ms: number): void {
    this.#foundMs.push(ms);
    if (this.#foundMs.length > REMEMBERED) this.#foundMs.shift();
  }
}

export class Tail {
  /** When the voice began and when the last of it was sent; undefined when what was sent has been settled. */
  #voice: { startMs: number; endMs: number } | undefined;
  /** Silence sent since the last voice. */
  #silenceMs = 0;
  #firstWordMs: number | undefined;
  #lastWordMs = -Infinity;
  /** Kept for words that come after the silence was thought to be long enough. */
  #settledVoiceEndMs = -Infinity;

  /** `latencyMs`: how far the provider says it is behind. */
  constructor(private readonly latencyMs: number, private readonly lag: Lag) {}

  /** How far it was found to be behind, ms; 0 before that is known. */
  get measuredMs(): number {
    return this.lag.foundMs ?? 0;
  }

  /** Silence that has to follow the voice that was sent last, ms; 0 when there is none that was not settled. */
  get neededMs(): number {
    const voice = this.#voice;
    if (!voice) return 0;
    const isMeasured = this.lag.foundMs !== undefined;
    if (this.#firstWordMs === undefined) {
      return isMeasured ? Math.max(this.#behind(this.measuredMs), WORDLESS_MS) : LIMITS.speechMs;
    }
    const atMostMs = this.#firstWordMs - voice.startMs;
    return this.#behind(isMeasured ? this.measuredMs : Math.max(this.latencyMs, atMostMs));
  }

  /** How far it may be behind the voice that was sent last, ms, as far as that is known; 0 when all of it was settled. */
  get behindMs(): number {
    if (!this.#voice) return 0;
    if (this.#firstWordMs === undefined) return Math.max(this.measuredMs, WORDLESS_MS);
    if (this.lag.foundMs !== undefined) return this.lag.foundMs;
    return Math.min(this.#firstWordMs - this.#voice.startMs, WORDLESS_MS);
  }

  /** Audio was sent. */
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

  /** Words came. */
  word(nowMs: number): void {
    this.#firstWordMs ??= nowMs;
    this.#lastWordMs = nowMs;
    const lateMs = nowMs - this.#settledVoiceEndMs;
    if (!this.#voice && lateMs <= LIMITS.sttWordsBehindMs) this.lag.found(lateMs);
  }

  /** Whether all words of what was sent have come, as far as can be known. Settles it. */
  isOver(nowMs: number): boolean {
    const voice = this.#voice;
    if (!voice) return true;
    const isEnough = this.#silenceMs >= this.neededMs && nowMs >= this.#lastWordMs + QUIET_MS;
    if (!isEnough && this.#silenceMs < LONGEST_MS) return false;
    if (this.#firstWordMs !== undefined) this.lag.found(Math.max(0, this.#lastWordMs - voice.endMs));
    this.#settledVoiceEndMs = voice.endMs;
    this.#voice = undefined;
    return true;
  }

  /** The session is gone, with what it was behind. What was measured stays. */
  reset(): void {
    this.#voice = this.#firstWordMs = undefined;
    this.#silenceMs = 0;
    this.#settledVoiceEndMs = -Infinity;
  }

  #behind(ms: number): number {
    return Math.min(Math.max(LIMITS.voiceTailMs, ms + MARGIN_MS), LIMITS.speechMs);
  }
}
