/**
 * When a speaker's session is replaced by one in another language. A second session takes over where the voice pauses, so
 * that no word is cut in two. Without speech the current one ends first. Pure: time is an argument.
 */
import type { VoicedPcm } from "../domain/mod.ts";
import type { LiveSession } from "./live_session.ts";

/** A voice pauses within this; after it, the session is replaced in the middle of a word. */
const PAUSE_WITHIN_MS = 3_000;
/** Time between two changes: as long as one takes. Bounds the sessions that endless changes open. */
const CHANGES_APART_MS = 3_000;

export class LanguageChange {
  /** The second session, once it is open. */
  next: LiveSession | undefined;
  #startedAtMs = -Infinity;
  #isRefused = false;

  get mayStartAtMs(): number {
    return this.#startedAtMs + CHANGES_APART_MS;
  }

  started(nowMs: number): void {
    this.#startedAtMs = nowMs;
  }

  /** The second session did not open, perhaps for lack of capacity: the current one has to end first. */
  refused(): void {
    this.#isRefused = true;
  }

  /** Whether the current session is to end now, or the second one is no longer needed. */
  isDue(
    session: LiveSession | undefined,
    languageId: string,
    { isPause, speech, nowMs }: { isPause: boolean; speech: VoicedPcm; nowMs: number },
  ): boolean {
    const { next } = this;
    if (next && (!session || next.languageId !== languageId)) return true;
    if (!session || session.languageId === languageId) return next !== undefined;
    if (next) return isPause || nowMs >= next.sinceMs + PAUSE_WITHIN_MS;
    return isPause && (this.#isRefused || nowMs >= this.mayStartAtMs) && !speech.hasSpeech(nowMs);
  }

  take(): LiveSession | undefined {
    const { next } = this;
    this.next = undefined;
    this.#isRefused = false;
    return next;
  }
}
