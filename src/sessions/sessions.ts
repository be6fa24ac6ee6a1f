/** All sessions of all doors: limits and counts them, and closes them with their last words. */
import {
  type Admission,
  type Clock,
  type Log,
  type Meter,
  type Refusal,
  type SessionAbout,
  type SessionEvents,
  type SessionObserver,
  SPEAKER_TROUBLES,
  type SpeakerHost,
  type SpeakerTrouble,
  type Translations,
  UnavailableError,
} from "../domain/mod.ts";
import { guarded, type Scope, untilAborted } from "../flow/mod.ts";
import { JoinLimiter } from "./join_limiter.ts";
import { Session, type SessionOptions } from "./session.ts";
import type { WordsTaken } from "./session_words.ts";
import { type Speaks, withDeadline } from "./speakers.ts";

export interface SessionsOptions {
  host: SpeakerHost;
  /** Whether new sessions are opened; the host decides about speakers. */
  admission: Admission;
  /** Absent: captions are in the spoken language only. */
  translations?: Translations;
  /** Default: the recognisers take no words to expect. */
  wordsTaken?: WordsTaken;
  /** Are reported every session. Default: none. */
  observers?: readonly SessionObserver[];
  /** Of a door that has no limit of its own. */
  sessionsMax: number;
  speakersPerSessionMax: number;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** What a door provides for its session. */
export type OwnSessionOptions =
  & Pick<
    SessionOptions,
    "languageId" | "viewers" | "send" | "speakerName" | "isReady" | "onFreed" | "onEmpty"
  >
  & {
    about: SessionAbout;
    /** The door's own limit, and the variable that raises it; default: MAX_ROOMS. */
    limit?: SessionLimit;
    /** Disconnects after the last words; the signal bounds it. */
    leave?: (goodbye?: AbortSignal) => Promise<void>;
    /** A task of the session failed: all of it has stopped, and its owner must close it. */
    onBroken: (error: unknown) => void;
  };

export interface SessionLimit {
  most: number;
  variable: string;
}

type Leave = NonNullable<OwnSessionOptions["leave"]>;

export interface SessionsStatus {
  sessions: number;
  speakers: number;
  viewers: number;
  /** Why no new speaker is accepted now. */
  refusal?: Refusal["code"];
  /** Speakers who cannot be captioned now, by reason. */
  troubles: Partial<Record<SpeakerTrouble, number>>;
}

/** For the last words of a session that is closed. */
const CLOSE_MS = 3_000;

export class Sessions {
  /** Limits how many speakers of all doors are being connected to. */
  readonly joins: JoinLimiter;
  readonly #options: SessionsOptions;
  readonly #open = new Map<Session, Leave>();
  /** With their doors. */
  readonly #closing = new Map<Promise<void>, string>();
  #isDraining = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.joins = new JoinLimiter(options.clock);
    const { scope, meter } = options;
    const gauge = (name: string, help: string, read: () => number) =>
      scope.use(meter.gauge(name, help, read));
    gauge("transcription_rooms_active", "Sessions being captioned", () => this.#open.size);
    gauge("transcription_speakers_active", "Speakers in these sessions", () => this.status().speakers);
    gauge(
      "tiro_speakers_heard",
      "Speakers whose audio is received",
      () => this.#sum(({ speakers }) => speakers.receivingCount),
    );
    gauge("tiro_listeners", "Viewers who are present", () => this.status().viewers);
    gauge("tiro_joins_waiting", "Speakers waiting to be connected to", () => this.joins.queued);
    gauge("tiro_joins_under_way", "Speakers being connected to", () => this.joins.connecting);
    scope.use(
      meter.gaugeBy("tiro_speakers_in_trouble", "Speakers who cannot be captioned now", "reason", () => ({
        ...Object.fromEntries(SPEAKER_TROUBLES.map((trouble) => [trouble, 0])),
        ...this.#troubles(),
      })),
    );
  }

  get host(): SpeakerHost {
    return this.#options.host;
  }

  /** Absent: captions are in the spoken language only. */
  get translations(): Translations | undefined {
    return this.#options.translations;
  }

  get wordsTaken(): WordsTaken {
    return this.#options.wordsTaken ?? { words: false, names: false };
  }

  /** Most sessions, those being closed included. */
  get max(): number {
    return this.#options.sessionsMax;
  }

  /** Why no new session is opened now. Places that are idle can be freed for it. */
  get refusal(): Refusal | undefined {
    const { refusal } = this.#options.admission;
    return refusal?.code === "speakers_max" && this.joins.idlePlaces.size > 0 ? undefined : refusal;
  }

  /** Throws UnavailableError: "draining" or "busy". `action` is for its message. */
  open<Speaker extends Speaks>(
    action: string,
    own: OwnSessionOptions,
  ): Session<Speaker> {
    const { sessionsMax, speakersPerSessionMax: speakersMax, wordsTaken, translations, observers = [] } =
      this.#options;
    const { clock, log, meter } = this.#options;
    if (this.#isDraining) {
      throw new UnavailableError(`Cannot ${action}: the service is shutting down`, "draining");
    }
    const { about, limit = { most: sessionsMax, variable: "MAX_ROOMS" }, onBroken, ...others } = own;
    if (this.#countOf(about.door) >= limit.most) {
      throw new UnavailableError(
        `Cannot ${action}: ${limit.most} sessions are being captioned already; ` +
          `wait until one has ended, or raise ${limit.variable}`,
        "busy",
      );
    }
    const scope = this.#options.scope.child("session");
    const { leave = () => Promise.resolve(), ...options } = others;
    const events: SessionEvents[] = [];
    for (const each of observers) {
      guarded("observer", () => {
        const reports = each.opened(about, options.languageId);
        if (reports) events.push(reports);
      })();
    }
    const session = new Session<Speaker>({
      ...options,
      ...{ about, events, wordsTaken, speakersMax, translations, scope, clock, log, meter },
      isShuttingDown: () => this.#isDraining || this.#options.scope.signal.aborted,
    });
    this.#open.set(session, leave);
    void scope.failed.then((error) => {
      if (this.#open.has(session) && !this.#options.scope.signal.aborted) onBroken(error);
    });
    return session;
  }

  /**
   * Removes a session at once, then delivers its last words, leaves, and disposes it. Errors do not affect other
   * sessions. Resolves when it is disposed; never rejects.
   *
   * `wordsMs`: for the last words.
   */
  close(session: Session, wordsMs = CLOSE_MS): Promise<void> {
    const leave = this.#open.get(session);
    if (!leave) return Promise.resolve();
    this.#open.delete(session);
    const closed = this.#finish(session, leave, wordsMs).finally(() => this.#closing.delete(closed));
    this.#closing.set(closed, session.about.door);
    this.#options.scope.run(() => closed);
    return closed;
  }

  status(): SessionsStatus {
    const { admission } = this.#options;
    return {
      sessions: this.#open.size,
      speakers: this.#sum(({ speakers }) => speakers.size),
      viewers: this.#sum(({ viewerCount }) => viewerCount),
      refusal: admission.refusal?.code,
      troubles: this.#troubles(),
    };
  }

  /** Opens no more sessions; delivers last words until `words` aborts, then leaves every session until `goodbyes` does. */
  async drain(words: AbortSignal, goodbyes?: AbortSignal): Promise<void> {
    this.#isDraining = true;
    const draining = [...this.#open].map(async ([session, leave]) => {
      await session.drain(words);
      await leave(goodbyes);
    });
    const closing = untilAborted(Promise.all(this.#closing.keys()), words).catch(() => {});
    await Promise.all([...draining, closing]);
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  async #finish(session: Session, leave: Leave, wordsMs: number): Promise<void> {
    const { clock, log, meter } = this.#options;
    try {
      await using scope = session.scope;
      await withDeadline(wordsMs, { scope, clock }, (signal) => session.drain(signal));
      await leave();
    } catch (error) {
      meter.count("transcription_errors_total", "unexpected");
      log.error("session not closed cleanly", error);
    }
  }

  /** Sessions of a door, those being closed included. */
  #countOf(door: string): number {
    const doors = [...Array.from(this.#open.keys(), ({ about }) => about.door), ...this.#closing.values()];
    return doors.filter((each) => each === door).length;
  }

  #sum(count: (session: Session) => number): number {
    let sum = 0;
    for (const session of this.#open.keys()) sum += count(session);
    return sum;
  }

  #troubles(): Partial<Record<SpeakerTrouble, number>> {
    const troubles = {};
    for (const { speakers } of this.#open.keys()) speakers.addTroubles(troubles);
    return troubles;
  }
}
