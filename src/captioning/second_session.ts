/**
 * The second session of a speaker, opened while the first takes the audio; one at a time:
 *
 *     in another language                  takes over at a pause, within seconds
 *     of a better recogniser               takes over at a pause
 *     for a session that returns nothing   takes over at once, with what that one did not acknowledge
 */
import type { Clock, VoicedPcm } from "../domain/mod.ts";
import type { LiveSession } from "./live_session.ts";
import { SessionChange } from "./session_change.ts";
import type { SessionOpener } from "./session_opener.ts";
import { Suspicion } from "./suspicion.ts";

export interface SecondSessionOptions {
  opener: SessionOpener;
  clock: Clock;
  /** The session in use, if any, and the language wanted. */
  current: () => { session: LiveSession | undefined; languageId: string };
  /** Something changed for the feed. */
  wake: () => void;
  /** Uses the second session instead, and sends it what the first did not acknowledge. */
  takeOver: (first: LiveSession, second: LiveSession) => void;
}

/** A recogniser that takes over serves at least this long, so that speakers do not go to and fro. */
const SERVES_MS = 5_000;

/** Time between two looks whether another recogniser is available again. */
const LOOK_MS = 1_000;

export class SecondSession {
  readonly #options: SecondSessionOptions;
  readonly #change = new SessionChange();
  readonly #suspicion = new Suspicion();
  #isClosed = false;

  constructor(options: SecondSessionOptions) {
    this.#options = options;
  }

  /** When the language may be changed. */
  get mayStartAtMs(): number {
    return this.#change.mayStartAtMs;
  }

  /** Whether the current session is to end now, or the second one is no longer needed. */
  isChangeDue(isPause: boolean, speech: VoicedPcm): boolean {
    const { clock, current } = this.#options;
    const { session, languageId } = current();
    return this.#change.isDue(session, languageId, { isPause, speech, nowMs: clock.now() });
  }

  /** The second session, and whether it is to be used. */
  take(): { next: LiveSession; isWanted: boolean } | undefined {
    const { clock, current } = this.#options;
    const { session, languageId } = current();
    const nowMs = clock.now();
    const taken = this.#change.take(session, languageId, nowMs);
    if (!taken) this.#change.started(nowMs);
    return taken;
  }

  /** Audio was sent to the session in use. */
  sent(session: LiveSession, nowMs: number): void {
    if (session.isLate(nowMs)) this.suspect(session);
    if (session.isSilent(nowMs)) this.#replace(session, "any");
    if (session.languageId !== this.#options.current().languageId) this.#openNext();
    else this.#improve(session);
  }

  /** The session in use recognised something: returns one that had failed to, in the same audio. */
  recognised(session: LiveSession): LiveSession | undefined {
    return this.#suspicion.recognised(session);
  }

  /** The session returned nothing for a voice: another recogniser is to get it. */
  suspect(session: LiveSession): void {
    if (this.#maySuspect(session)) this.#replace(session, "other");
  }

  /** Whether another recogniser can be given what this one returned nothing for. */
  #maySuspect(session: LiveSession): boolean {
    return !this.#suspicion.isFruitless && this.#options.opener.hasOther(session);
  }

  /**
   * Whether another recogniser is to get what the session returned nothing for, or may have to: when to ask again.
   * Undefined where that was noise, or there is no other one.
   */
  doubts(session: LiveSession): number | undefined {
    const { opener, clock } = this.#options;
    if (session.isSuspected && opener.isOpeningSecond) return Infinity;
    const isNoise = session.unansweredMs === 0 || this.#suspicion.isFruitless;
    if (isNoise || !opener.hasAlternative(session)) return undefined;
    if (!session.isUnanswered) return Infinity;
    this.suspect(session);
    return clock.now() + LOOK_MS;
  }

  /** Whether the next session would be of a better recogniser. */
  hasBetter(session: LiveSession): boolean {
    const { opener, clock } = this.#options;
    const isKept = clock.now() < session.sinceMs + SERVES_MS || this.#suspicion.isOpenFor(session);
    return !isKept && opener.hasBetter(session);
  }

  /** A session of a better recogniser opened after another one had to serve. */
  async offer(late: LiveSession): Promise<void> {
    const { session } = this.#options.current();
    const isBetter = session && late.recogniser.rank < session.recogniser.rank;
    await (isBetter && !this.#change.next ? this.#keep(late) : close(late));
  }

  /** No second session is used any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#change.next?.[Symbol.asyncDispose]();
  }

  /** Voice and no event may be music, or a server that takes audio without capacity for it. */
  #replace(session: LiveSession, by: "other" | "any"): void {
    const { opener, current, takeOver, wake } = this.#options;
    const { languageId, recogniser } = session;
    if (opener.isOpeningSecond || opener.waitMs(languageId) > 0) return;
    const other = by === "other" ? opener.choice(languageId, (each) => each !== recogniser) : undefined;
    if (by === "other" && !other) return;
    session.suspect();
    opener.openSecond(
      async () => await opener.open(other ?? await opener.anyChoice(languageId), languageId),
      async (second) => {
        if (current().session !== session || !session.isSuspected || session.isFinishing) {
          return await close(second);
        }
        recogniser.replaced(session.hasResponded);
        if (second.recogniser !== recogniser) this.#suspicion.replaced(session, second);
        takeOver(session, second);
        await close(session);
      },
      () => {
        if (other) session.trust();
        wake();
      },
    );
  }

  #openNext(): void {
    const { opener, clock, current } = this.#options;
    const { languageId } = current();
    const nowMs = clock.now();
    if (opener.isOpeningSecond || this.#change.next || opener.waitMs(languageId) > 0) return;
    if (nowMs < this.#change.mayStartAtMs) return;
    this.#change.started(nowMs);
    opener.openSecond(
      async () => await opener.openFirst(await opener.anyChoice(languageId), languageId, close),
      (second) => this.#keep(second),
      () => this.#change.refused(),
    );
  }

  #improve(session: LiveSession): void {
    const { opener, clock } = this.#options;
    const nowMs = clock.now();
    if (session.recogniser.rank === 0 || nowMs < session.sinceMs + SERVES_MS) return;
    if (opener.isOpeningSecond || this.#suspicion.isFruitless || !this.#change.mayImprove(nowMs)) return;
    const better = opener.better(session);
    if (!better) return;
    this.#change.started(nowMs);
    opener.openSecond(
      async () => await opener.open(better, session.languageId),
      (second) => this.#keep(second),
      () => {},
    );
  }

  /** The second session takes over at a pause. One that was offered while it opened does not. */
  async #keep(second: LiveSession): Promise<void> {
    if (this.#isClosed) return await close(second);
    const offered = this.#change.next;
    this.#change.next = second;
    this.#options.wake();
    if (offered) await close(offered);
  }
}

async function close(session: LiveSession): Promise<void> {
  await session[Symbol.asyncDispose]();
}
