/** All sessions of all doors: bounds them, counts them, and ends them with their last words. */
import {
  type Admission,
  type Clock,
  type Log,
  type Meter,
  type Refusal,
  SPEAKER_TROUBLES,
  type SpeakerHost,
  type SpeakerTrouble,
  type Translations,
  UnavailableError,
} from "../domain/mod.ts";
import { type Scope, untilAborted } from "../flow/mod.ts";
import { Joining } from "./joining.ts";
import { Session, type SessionOptions } from "./session.ts";
import type { Speaks } from "./speakers.ts";

export interface SessionsOptions {
  host: SpeakerHost;
  /** Whether sessions are opened that were not before; of speakers the host decides. */
  admission: Admission;
  /** Without it captions come in the language spoken alone. */
  translations?: Translations;
  sessionsMax: number;
  speakersPerSessionMax: number;
  /** Of all doors. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** What a door gives for a session of its own; the rest is the same for all. */
export type OwnSessionOptions =
  & Pick<SessionOptions, "languageId" | "viewers" | "send" | "isReady" | "onFreed" | "onEmpty">
  & {
    /** Leaves, once the last words are out; the signal may cut it short. */
    leave?: (goodbye?: AbortSignal) => Promise<void>;
    /** A task of the session failed: nothing of it runs any more, and it is to be closed. */
    onBroken: (error: unknown) => void;
  };

/** What is known of an open session. */
interface Owned {
  scope: Scope;
  leave: (goodbye?: AbortSignal) => Promise<void>;
}

export interface SessionsStatus {
  sessions: number;
  speakers: number;
  viewers: number;
  /** Why no new speaker is taken now; absent while they are. */
  refusal?: Refusal["code"];
  /** Speakers who cannot be captioned now, by why; empty while all is well. */
  troubles: Partial<Record<SpeakerTrouble, number>>;
}

/** A session that is closed gets this long to deliver its last words. */
const CLOSE_MS = 3_000;

export class Sessions {
  /** The line in which speakers of all doors wait to be connected to. */
  readonly joining: Joining;
  readonly #options: SessionsOptions;
  readonly #open = new Map<Session, Owned>();
  /** Last words are on their way, sockets are closing. */
  readonly #closing = new Set<Promise<void>>();
  #isDraining = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.joining = new Joining(options.clock);
    const { scope, meter } = options;
    const gauge = (name: string, help: string, read: () => number) =>
      scope.use(meter.gauge(name, help, read));
    gauge("transcription_rooms_active", "Calls being captioned", () => this.#open.size);
    gauge("transcription_speakers_active", "Speakers in these calls", () => this.status().speakers);
    gauge(
      "tiro_speakers_heard",
      "Speakers whose audio arrives",
      () => this.#sum(({ speakers }) => speakers.heardCount),
    );
    gauge("tiro_listeners", "Listeners who are in their call", () => this.status().viewers);
    gauge("tiro_joins_waiting", "Speakers in line for an offer", () => this.joining.waiting);
    gauge("tiro_joins_under_way", "Speakers being subscribed to", () => this.joining.underWay);
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

  /** Most there may be, those being closed included. */
  get max(): number {
    return this.#options.sessionsMax;
  }

  /**
   * Why no session is opened that was not there before; `goesOn`: it was there, and comes back. A speaker who sends
   * nothing may make way.
   */
  refusalOf({ goesOn = false } = {}): Refusal | undefined {
    const { refusal } = this.#options.admission;
    const makesWay = refusal?.code === "speakers_max" && this.joining.silent.size > 0;
    return refusal && !makesWay && !goesOn ? refusal : undefined;
  }

  /** Throws UnavailableError: "draining" or "busy". `action`: what cannot be done then. */
  open<Speaker extends Speaks>(
    action: string,
    own: OwnSessionOptions,
  ): Session<Speaker> {
    const { sessionsMax, speakersPerSessionMax: speakersMax, translations, clock, log, meter } =
      this.#options;
    if (this.#isDraining) {
      throw new UnavailableError(`Cannot ${action}: the service is shutting down`, "draining");
    }
    if (this.#open.size + this.#closing.size >= sessionsMax) {
      throw new UnavailableError(
        `Cannot ${action}: ${sessionsMax} calls are being captioned already; ` +
          "wait until one has ended, or raise MAX_ROOMS",
        "busy",
      );
    }
    const scope = this.#options.scope.child("session");
    const { onBroken, leave = () => Promise.resolve(), ...options } = own;
    const session = new Session<Speaker>({ ...options, speakersMax, translations, scope, clock, log, meter });
    this.#open.set(session, { scope, leave });
    void scope.failed.then((error) => {
      if (this.#open.has(session) && !this.#options.scope.signal.aborted) onBroken(error);
    });
    return session;
  }

  /**
   * Out at once; its last words, and leaving, come behind that. However that goes, it is no reason to end the other
   * sessions. Resolves when nothing of it is left; never rejects.
   */
  close(session: Session): Promise<void> {
    const owned = this.#open.get(session);
    if (!owned) return Promise.resolve();
    this.#open.delete(session);
    const closed = this.#finish(session, owned).finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
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

  /**
   * Opens none any more; delivers what was received and leaves every session. The signals bound the waits for the one and
   * the other.
   */
  async drain(words: AbortSignal, goodbyes?: AbortSignal): Promise<void> {
    this.#isDraining = true;
    const draining = [...this.#open].map(async ([session, { leave }]) => {
      await session.drain(words);
      await leave(goodbyes);
    });
    const closing = untilAborted(Promise.all(this.#closing), words).catch(() => {});
    await Promise.all([...draining, closing]);
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  async #finish(session: Session, { scope, leave }: Owned): Promise<void> {
    try {
      await using _scope = scope;
      await session.drain(AbortSignal.any([scope.signal, AbortSignal.timeout(CLOSE_MS)]));
      await leave();
    } catch (error) {
      const { log, meter } = this.#options;
      meter.count("transcription_errors_total", "unexpected");
      log.error("call not left cleanly", error);
    }
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
