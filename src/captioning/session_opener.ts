/**
 * Opens one speaker's sessions with the first recogniser that can serve them. After a failure the next one is tried at
 * once; where one takes long to open (it hangs, or starts), the next serves meanwhile:
 *
 *     first --failed, or nothing for 1.5 s--> next --...--> none is left: the error of the last
 *       '--opens later: offered as a better one
 *
 * What is known of a recogniser for all speakers is in `recogniser.ts`; here is what this speaker's sessions showed.
 */
import { type Clock, codeOf } from "../domain/mod.ts";
import { type Backoff, RetryPolicy, type Scope, type SharedAttempt } from "../flow/mod.ts";
import type { LiveSession } from "./live_session.ts";
import { HANGING_MS, type OpenOptions, type Recogniser } from "./recogniser.ts";
import type { SttSessions } from "./stt_sessions.ts";

export interface SessionOpenerOptions {
  sessions: SttSessions;
  recycle: OpenOptions["recycle"];
  expectedWords?: () => OpenOptions["words"];
  /** The speaker's. */
  scope: Scope;
  clock: Clock;
}

/** A recogniser that the speaker may open a session of. The attempt has to end, by opening or `abandoned`. */
export interface Choice {
  recogniser: Recogniser;
  attempt: SharedAttempt;
}

/** A recogniser that works for some seconds at a time is not returned to each time. */
const HOLD_DOWN: Backoff = { baseMs: 5_000, maxMs: 300_000 };
/** A session that lasted this long was good. */
const STEADY_MS = 60_000;

/** What this speaker's sessions of a recogniser showed. */
interface Own {
  /** While no other can serve. */
  readonly retry: RetryPolicy;
  /** While another one can. */
  readonly holdDown: RetryPolicy;
  /** Sessions being opened. */
  opening: number;
}

export class SessionOpener {
  readonly #options: SessionOpenerOptions;
  readonly #own: ReadonlyMap<Recogniser, Own>;
  #isOpeningSecond = false;

  constructor(options: SessionOpenerOptions) {
    this.#options = options;
    this.#own = new Map(options.sessions.recognisers.map((recogniser) => [recogniser, {
      retry: new RetryPolicy(),
      holdDown: new RetryPolicy({ backoff: HOLD_DOWN, goodLifeMs: STEADY_MS }),
      opening: 0,
    }]));
  }

  /** Whether there is one recogniser only. */
  get isAlone(): boolean {
    return this.#own.size === 1;
  }

  get isOpeningSecond(): boolean {
    return this.#isOpeningSecond;
  }

  /** Time until this speaker may open a session, ms. */
  waitMs(languageId: string): number {
    const nowMs = this.#options.clock.now();
    const able = this.#options.sessions.withLanguage(languageId);
    return Math.min(...able.map((each) => this.#of(each).retry.waitMs(nowMs)));
  }

  /** Whether another recogniser could take over from the session's. */
  hasOther({ recogniser, languageId }: LiveSession): boolean {
    return this.#able(languageId, (each) => each !== recogniser).length > 0;
  }

  /** Whether there is another one, available or not. */
  hasAlternative({ recogniser, languageId }: LiveSession): boolean {
    return this.#options.sessions.withLanguage(languageId).some((each) => each !== recogniser);
  }

  /** Whether one could that comes before the session's. */
  hasBetter({ recogniser, languageId }: LiveSession): boolean {
    const isBetter = (each: Recogniser) => this.#isUnopened(each) && each.rank < recogniser.rank;
    return recogniser.rank > 0 && this.#able(languageId, isBetter).length > 0;
  }

  /** A choice of one that comes before the session's. */
  better({ recogniser, languageId }: LiveSession): Choice | undefined {
    const isBetter = (each: Recogniser) => this.#isUnopened(each) && each.rank < recogniser.rank;
    return recogniser.rank === 0 ? undefined : this.choice(languageId, isBetter);
  }

  /** The first that is available and wanted. */
  choice(languageId: string, isWanted: (recogniser: Recogniser) => boolean): Choice | undefined {
    for (const recogniser of this.#able(languageId, isWanted)) {
      const attempt = recogniser.attemptNow();
      if (attempt) return { recogniser, attempt };
    }
    return undefined;
  }

  /** The first that is available, else whichever may be tried first. Rejects with the signal's reason. */
  async anyChoice(languageId: string): Promise<Choice> {
    const { clock, sessions, scope: { signal } } = this.#options;
    const available = this.choice(languageId, () => true);
    if (available) return available;
    const able = sessions.withLanguage(languageId);
    const nowMs = clock.now();
    const free = able.filter((each) => this.#of(each).retry.waitMs(nowMs) <= 0);
    for (const recogniser of free) {
      const attempt = recogniser.attemptUntrusted();
      if (attempt) return { recogniser, attempt };
    }
    let isChosen = false;
    const lost = new AbortController();
    const turns = (free.length > 0 ? free : able).map(async (recogniser): Promise<Choice> => {
      const attempt = await recogniser.attempt(AbortSignal.any([signal, lost.signal]));
      if (isChosen) attempt.abandoned();
      lost.signal.throwIfAborted();
      isChosen = true;
      return { recogniser, attempt };
    });
    try {
      return await Promise.any(turns);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      lost.abort();
    }
  }

  /** A session of the chosen recogniser only. Rejects with SttError, or the signal's reason. */
  async open({ recogniser, attempt }: Choice, languageId: string): Promise<LiveSession> {
    const { recycle, expectedWords, clock, scope: { signal } } = this.#options;
    const own = this.#of(recogniser);
    own.opening++;
    try {
      return await recogniser.open(attempt, { languageId, words: expectedWords?.(), recycle }, signal);
    } catch (error) {
      // Another language may still work.
      if (codeOf(error) === "stt_language") own.retry.failed(clock.now(), error);
      throw error;
    } finally {
      own.opening--;
    }
  }

  /**
   * The first session that opens, of the chosen recogniser or one after it. `late`: one that comes before that in the list
   * opened later. Rejects with the last SttError, or the signal's reason.
   */
  openFirst(choice: Choice, languageId: string, late: (session: LiveSession) => Promise<void>) {
    const { scope, clock, sessions } = this.#options;
    if (scope.signal.aborted) choice.attempt.abandoned();
    scope.signal.throwIfAborted();
    const first = Promise.withResolvers<LiveSession>();
    const untried = new Set(sessions.withLanguage(languageId));
    let opened: LiveSession | undefined;
    let opening = 0;
    let failure: unknown;
    let timer: Disposable | undefined;
    const use = async (session: LiveSession) => {
      if (opened) {
        return await (session.recogniser.rank < opened.recogniser.rank ? late(session) : close(session));
      }
      opened = session;
      timer?.[Symbol.dispose]();
      first.resolve(session);
    };
    const start = (choice: Choice) => {
      untried.delete(choice.recogniser);
      opening++;
      scope.run(async () => {
        try {
          await use(await this.open(choice, languageId));
        } catch (error) {
          failure = error;
        }
        opening--;
        advance();
      });
    };
    const advance = () => {
      timer?.[Symbol.dispose]();
      if (opened || scope.signal.aborted) return first.reject(scope.signal.reason);
      const next = this.choice(languageId, (each) => untried.has(each));
      if (next) start(next);
      else if (opening === 0) return first.reject(failure);
      if (untried.size > 0) timer = clock.timer(HANGING_MS, advance);
    };
    scope.signal.addEventListener("abort", advance, { once: true });
    start(choice);
    if (untried.size > 0) timer = clock.timer(HANGING_MS, advance);
    return first.promise.finally(() => scope.signal.removeEventListener("abort", advance));
  }

  /**
   * Opens a second session beside the one in use; one at a time. `use` gets it, `refused` is called where it does not open.
   */
  openSecond(
    open: () => Promise<LiveSession>,
    use: (second: LiveSession) => Promise<void>,
    refused: () => void,
  ): void {
    const { scope } = this.#options;
    this.#isOpeningSecond = true;
    scope.run(async (signal) => {
      try {
        await use(await open());
      } catch {
        signal.throwIfAborted(); // else it was reported, and the current session continues
        refused();
      } finally {
        this.#isOpeningSecond = false;
      }
    });
  }

  /** The session came into use. */
  used({ recogniser }: LiveSession): void {
    const own = this.#of(recogniser);
    const nowMs = this.#options.clock.now();
    own.retry.opened(nowMs);
    own.holdDown.opened(nowMs);
  }

  /** The session recognised something. */
  recognised({ recogniser }: LiveSession): void {
    this.#of(recogniser).retry.worked();
  }

  /** Another recogniser found words in what the session returned nothing for. */
  returnedNothing(session: LiveSession): void {
    const { foreign } = session.stt;
    this.failed(session, foreign);
    if (foreign) session.recogniser.lost(foreign);
  }

  /** The session failed, or recognised nothing. */
  failed(session: LiveSession, error?: unknown): void {
    const { retry, holdDown } = this.#of(session.recogniser);
    const nowMs = this.#options.clock.now();
    retry.failed(nowMs, error);
    holdDown.failed(nowMs, error);
    if (!session.hasRecognised) session.recogniser.useless(session, error);
  }

  #able(languageId: string, isWanted: (recogniser: Recogniser) => boolean): readonly Recogniser[] {
    const nowMs = this.#options.clock.now();
    return this.#options.sessions.withLanguage(languageId).filter((each) => {
      const { retry, holdDown } = this.#of(each);
      return retry.waitMs(nowMs) <= 0 && holdDown.waitMs(nowMs) <= 0 && isWanted(each) && each.isAvailable;
    });
  }

  #isUnopened(recogniser: Recogniser): boolean {
    return this.#of(recogniser).opening === 0;
  }

  #of(recogniser: Recogniser): Own {
    const own = this.#own.get(recogniser);
    if (!own) throw new Error("Cannot use a recogniser: it is not in the list");
    return own;
  }
}

async function close(session: LiveSession): Promise<void> {
  await session[Symbol.asyncDispose]();
}
