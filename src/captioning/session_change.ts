/**
 * When a speaker's session is replaced by a second one, in another language or of a recogniser that comes earlier in the
 * list. The second takes over where the voice pauses, so that no word is cut in two. Without speech the current one ends
 * first. Pure: time is an argument.
 */
import type { VoicedPcm } from "../domain/mod.ts";
import type { LiveSession } from "./live_session.ts";

/** A voice pauses within this; after it, a session in the wrong language is replaced in the middle of a word. */
const PAUSE_WITHIN_MS = 3_000;
/** Time between two changes: as long as one takes. Bounds the sessions that endless changes open. */
const CHANGES_APART_MS = 3_000;
/** A better recogniser's session that waits longer for a pause is closed: servers close it, too. */
const KEPT_MS = 20_000;
/** Then it is tried again. */
const IMPROVE_AGAIN_MS = 30_000;

export class SessionChange {
  /** The second session, once it is open. */
  next: LiveSession | undefined;
  #startedAtMs = -Infinity;
  #improveAtMs = -Infinity;
  #isRefused = false;

  get mayStartAtMs(): number {
    return this.#startedAtMs + CHANGES_APART_MS;
  }

  started(nowMs: number): void {
    this.#startedAtMs = nowMs;
  }

  /** Whether a session of a better recogniser may be opened. */
  mayImprove(nowMs: number): boolean {
    return !this.next && nowMs >= Math.max(this.mayStartAtMs, this.#improveAtMs);
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
    if (!session) return false;
    if (session.languageId === languageId) {
      return next !== undefined && (isPause || !isWanted(next, session, languageId, nowMs));
    }
    if (next) return isPause || nowMs >= next.sinceMs + PAUSE_WITHIN_MS;
    return isPause && (this.#isRefused || nowMs >= this.mayStartAtMs) && !speech.hasSpeech(nowMs);
  }

  /** The second session, and whether it is to be used. */
  take(
    session: LiveSession | undefined,
    languageId: string,
    nowMs: number,
  ): { next: LiveSession; isWanted: boolean } | undefined {
    const { next } = this;
    this.next = undefined;
    this.#isRefused = false;
    if (!next) return undefined;
    const wanted = isWanted(next, session, languageId, nowMs);
    if (!wanted) this.#improveAtMs = nowMs + IMPROVE_AGAIN_MS;
    return { next, isWanted: wanted };
  }
}

function isWanted(next: LiveSession, session: LiveSession | undefined, languageId: string, nowMs: number) {
  if (next.languageId !== languageId) return false;
  if (session?.languageId !== languageId) return true;
  return next.recogniser.rank < session.recogniser.rank && nowMs < next.sinceMs + KEPT_MS;
}
