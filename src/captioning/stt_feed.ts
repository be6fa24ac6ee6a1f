/**
 * The end of a speaker's audio chain: opens a speech-to-text session at the first speech, writes the speech to it and
 * passes on its events. Closes it 30 s after the last speech, replaces it when it fails, and sends again what a failed one
 * had not acknowledged. Meanwhile speech waits in `speech`, which is bounded.
 *
 *     none --speech--> opening --open--> live --30 s without speech--> closed --> none
 *                         |  ^            |  '--much voice, no event--> a second one is opened and replaces it
 *                    failed  retry <--failed
 *
 * After a change of language a second session is opened while the first takes the audio, until the second is open and
 * the voice pauses: no word is cut in two, and none is lost however often the language changes.
 *
 * One loop does all that waits, in sequence; a second task reads the session's events.
 */
import {
  type Clock,
  codeOf,
  LIMITS,
  type Meter,
  type PcmFrame,
  type SpeakerTrouble,
  SttError,
  type SttEvent,
  type SttOptions,
  type SttSession,
  type VoicedPcm,
} from "../domain/mod.ts";
import { GOOD_LIFE_MS, RetryPolicy, type Scope } from "../flow/mod.ts";
import { LiveSession } from "./live_session.ts";
import type { RecogniserTrouble } from "./recogniser_trouble.ts";
import { SilenceSource } from "./silence_source.ts";
import type { SttSessions } from "./stt_sessions.ts";
import { TrailingSilence } from "./trailing_silence.ts";
import { WaitingNotice } from "./waiting_notice.ts";
import { Wakeup } from "./wakeup.ts";

export interface SttFeedEvents {
  /** Audio was written to the session, again after a failure. */
  sent(frame: PcmFrame): void;
  /** `stalledUntilMs`: see SttSession. A thrown SttError fails the session. */
  event(event: SttEvent, stalledUntilMs?: number): void;
  /** A session opened; events from now on are in this language. */
  opened(languageId: string): void;
  /** The session ended; there are no more words of it. */
  sessionEnded(): void;
  /** Speech has waited for seconds: for a session to open, or to take it. */
  waiting(): void;
  /** Why nothing can be recognised now; undefined once it can again. */
  trouble(trouble: SpeakerTrouble | undefined): void;
}

export interface SttFeedOptions {
  speech: VoicedPcm;
  /** Shared by all speakers of a worker. */
  sessions: SttSessions;
  languageId: string;
  /** The speaker's scope: aborting it ends everything at once. */
  scope: Scope;
  clock: Clock;
  meter: Meter;
  /** Length of the silence sent at a time. */
  chunkMs: number;
  events: SttFeedEvents;
}

/** A write that takes this long stalls: one is usually taken at once. Viewers wait as long for a session to open. */
const STALLED_MS = 10_000;
/** A burst after a wait is recognised at twice the speed it was spoken at, or faster. */
const CATCH_UP = 2;
/** Longer than any sentence a recogniser waits for the end of (Whisper's are cut at 30 s). */
const NO_EVENT_MS = 30_000;
/** Music and laughter last longer; a session that has recognised something gets more time for them. */
const NO_MORE_EVENTS_MS = 75_000;
/** A voice pauses within this; after it, a session is changed in the middle of a word. */
const PAUSE_WITHIN_MS = 3_000;
/** Time between two changes of language: as long as one takes. */
const CHANGES_APART_MS = 3_000;

export class SttFeed {
  readonly #options: SttFeedOptions;
  readonly #retry: RetryPolicy;
  readonly #trouble: RecogniserTrouble;
  readonly #notice: WaitingNotice;
  readonly #trailing: TrailingSilence;
  readonly #silence: SilenceSource;
  readonly #wakeup: Wakeup;
  #languageId: string;
  #session: LiveSession | undefined;
  /** An open session in another language, which is to replace the current one. */
  #next: { opened: SttSession; languageId: string; atMs: number } | undefined;
  /** When the last change of language began, and whether its second session was refused, perhaps for lack of capacity. */
  #changedAtMs = -Infinity;
  #isRefused = false;
  /** The last session opened was discarded, as the language had changed. */
  #isDiscarded = false;
  #lastSpeechMs = 0;
  /** When the audio sent will have been recognised. */
  #recognisedAtMs = 0;
  #isReplacing = false;
  /** Sessions in a row that failed without recognising anything. */
  #uselessSessions = 0;
  #hasRun = false;
  /** Whether new speech is to wake the loop. */
  #isIdle = false;

  constructor(options: SttFeedOptions) {
    this.#options = options;
    const { scope, clock, events, sessions, speech, chunkMs } = options;
    this.#languageId = options.languageId;
    this.#retry = new RetryPolicy();
    this.#trailing = new TrailingSilence(sessions.stt.features.latencyMs, sessions.latency);
    this.#silence = new SilenceSource({ chunkMs, sampleRateHz: sessions.stt.sampleRateHz });
    this.#trouble = scope.use(sessions.trouble((trouble) => events.trouble(trouble)));
    this.#notice = scope.use(new WaitingNotice(clock, () => events.waiting()));
    this.#wakeup = new Wakeup(scope, clock);
    speech.onSpeech = () => {
      if (this.#isIdle) this.#wakeup.wake();
    };
  }

  /** Takes effect at the next pause in the voice. */
  setLanguage(languageId: string): void {
    this.#languageId = languageId;
    this.#wakeup.wake();
  }

  /** Resolves when the speech has ended and its last words have arrived; rejects with the scope's reason. */
  async run(): Promise<void> {
    const { scope, speech, clock } = this.#options;
    try {
      for (;;) {
        scope.signal.throwIfAborted();
        if (this.#isChangeDue()) await this.#change();
        else if (speech.hasSpeech(clock.now())) await this.#send();
        else if (speech.hasEnded) return await this.#finish();
        else await this.#rest();
      }
    } finally {
      this.#hasRun = true;
      await this.#next?.opened[Symbol.asyncDispose]();
    }
  }

  /** Whether the current session is to end for another language, or the second one is no longer needed. */
  #isChangeDue(): boolean {
    const { speech, clock } = this.#options;
    const [session, next] = [this.#session, this.#next];
    if (next && (!session || next.languageId !== this.#languageId)) return true;
    if (!session || session.languageId === this.#languageId) return next !== undefined;
    const nowMs = clock.now();
    const { isPause } = this.#silence;
    // Without speech nothing is lost if the current session ends before another is open.
    if (!next) {
      return isPause && (this.#isRefused || nowMs >= this.#mayChangeAtMs) && !speech.hasSpeech(nowMs);
    }
    return isPause || nowMs >= next.atMs + PAUSE_WITHIN_MS;
  }

  /** Bounds the sessions that endless changes of language open. */
  get #mayChangeAtMs(): number {
    return this.#changedAtMs + CHANGES_APART_MS;
  }

  /** Finishes the current session; speech waits for the next one. */
  async #change(): Promise<void> {
    const next = this.#next;
    this.#next = undefined;
    this.#isRefused = false;
    let unused = next?.opened;
    try {
      const isWanted = this.#session?.languageId !== this.#languageId;
      if (next && (next.languageId !== this.#languageId || !isWanted)) return;
      if (!next) this.#changedAtMs = this.#options.clock.now();
      await this.#finish();
      if (!next) return;
      unused = undefined;
      this.#adopt(next.languageId, next.opened);
    } finally {
      await unused?.[Symbol.asyncDispose]();
    }
  }

  async #send(): Promise<void> {
    const { speech, clock, sessions } = this.#options;
    const session = this.#session ?? await this.#open();
    if (!session || session !== this.#session) return;
    if (session.languageId !== this.#languageId) this.#openNext();
    const nowMs = clock.now();
    const chunk = speech.take((durationMs) => {
      this.#recognisedAtMs = Math.max(nowMs, this.#recognisedAtMs + durationMs / CATCH_UP);
      return sessions.stt.features.acknowledges ? session.sentMs + durationMs : this.#recognisedAtMs;
    });
    if (!chunk) return;
    await this.#write(session, chunk);
    this.#isDiscarded = false;
    this.#lastSpeechMs = clock.now();
    this.#silence.spoke(this.#lastSpeechMs);
    const patienceMs = session.hasResponded ? NO_MORE_EVENTS_MS : NO_EVENT_MS;
    // Audio sent again in a burst has had no time to be recognised.
    if (session.unansweredMs >= patienceMs && nowMs >= session.openedAtMs + patienceMs) {
      this.#replace(session);
    }
  }

  async #write(session: LiveSession, frame: PcmFrame): Promise<void> {
    const { scope, clock, events } = this.#options;
    const { voiced } = frame;
    const durationMs = frame.samples.length / frame.sampleRateHz * 1_000;
    const stalled = clock.timer(STALLED_MS, this.#stalled);
    try {
      await session.write(frame, durationMs);
      if (this.#session !== session) return; // it ended meanwhile, and its audio will be sent again
      this.#silence.sent(frame, durationMs);
      this.#trailing.sent({ voiced, durationMs }, clock.now());
      events.sent(frame);
    } catch (error) {
      scope.signal.throwIfAborted();
      if (codeOf(error) === "stt_over") this.#closed(session);
      else this.#failed(session, error);
    } finally {
      stalled[Symbol.dispose]();
    }
  }

  /** A write takes long: the session may continue, or fail. */
  readonly #stalled = (): void => {
    this.#trouble.stalled();
    this.#options.events.waiting();
  };

  /** Without speech: sends silence, which flushes the last words, then closes the session. */
  async #rest(): Promise<void> {
    const { clock, speech } = this.#options;
    this.#notice.over();
    const session = this.#session;
    if (!session) return await this.#untilSpeech(Infinity);
    const nowMs = clock.now();
    const dueAtMs = this.#silence.dueAtMs(nowMs);
    if (dueAtMs !== undefined && !this.#trailing.isOver(nowMs)) {
      if (nowMs < dueAtMs) return await this.#untilSpeech(dueAtMs);
      return await this.#write(session, this.#silence.take(nowMs));
    }
    speech.acknowledge(Infinity); // its words have arrived
    const closeAtMs = this.#lastSpeechMs + LIMITS.sttWarmMs;
    if (nowMs < closeAtMs) return await this.#untilSpeech(closeAtMs);
    this.#release(session);
    await session[Symbol.asyncDispose]();
  }

  /** Opens a session once that is permitted. Undefined if it failed, or no speech waits any more. */
  async #open(): Promise<LiveSession | undefined> {
    const { scope: { signal }, sessions, speech, clock } = this.#options;
    this.#notice.waits();
    const waitMs = this.#retry.waitMs(clock.now());
    if (waitMs > 0) {
      await this.#wakeup.sleep(clock.now() + waitMs);
      return undefined;
    }
    if (sessions.fault !== undefined) this.#trouble.notOpened(sessions.fault);
    const attempt = await sessions.attempt(signal);
    if (!speech.hasSpeech(clock.now())) {
      attempt.abandoned();
      return undefined;
    }
    this.#trouble.opening();
    const languageId = this.#languageId;
    try {
      const opened = await sessions.open(attempt, this.#sttOptions(languageId), signal);
      // Speech that waits is taken to be in the newest language. Only once, or endless changes would prevent recognition.
      if (languageId === this.#languageId || this.#isDiscarded) return this.#adopt(languageId, opened);
      this.#isDiscarded = true;
      await opened[Symbol.asyncDispose]();
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      this.#trouble.notOpened(error);
      return undefined;
    }
  }

  #sttOptions(languageId: string): SttOptions {
    return { languageId, recycle: (samples) => this.#options.speech.recycle(samples) };
  }

  #adopt(languageId: string, opened: SttSession): LiveSession {
    const { scope, events } = this.#options;
    const session = new LiveSession(opened, languageId, this.#options.clock.now());
    this.#retry.opened(session.openedAtMs);
    this.#trouble.opened();
    this.#notice.over();
    this.#session = session;
    this.#lastSpeechMs = session.openedAtMs;
    events.opened(languageId);
    scope.run(() => this.#read(session));
    return session;
  }

  async #read(session: LiveSession): Promise<void> {
    const { events, meter, scope } = this.#options;
    try {
      for await (const event of session.events) {
        if (this.#session !== session) continue; // released: its last final was sent
        events.event(event, session.stalledUntilMs);
        this.#receive(session, event);
      }
      meter.count("tiro_stt_sessions_total", "closed");
      this.#closed(session);
    } catch (error) {
      if (!scope.signal.aborted) this.#failed(session, error);
    } finally {
      await session[Symbol.asyncDispose]();
    }
  }

  #receive(session: LiveSession, event: SttEvent): void {
    const { speech, clock, sessions } = this.#options;
    const { acknowledges } = sessions.stt.features;
    session.responded();
    if (event.type === "progress") {
      if (acknowledges) speech.acknowledge(event.processedMs);
      return;
    }
    if (!("text" in event) || event.text.trim() === "") return;
    session.hasRecognised = true;
    this.#retry.worked();
    this.#uselessSessions = 0;
    sessions.recognised();
    const nowMs = clock.now();
    this.#trailing.word(nowMs);
    if (!acknowledges) speech.acknowledge(nowMs - this.#trailing.measuredMs);
  }

  /** The provider closed it cleanly. One that does so at once without an event counts as failed. */
  #closed(session: LiveSession): void {
    const lastedMs = this.#options.clock.now() - session.openedAtMs;
    if (session.hasResponded || session.isFinishing || lastedMs >= GOOD_LIFE_MS) {
      this.#release(session);
      return;
    }
    const message = "Cannot continue STT session: the server closes each at once";
    this.#failed(session, new SttError(message, { code: "stt_closed", retryable: true }));
  }

  /** Reported once, whether its reader or its writer fails first. */
  #failed(session: LiveSession, error: unknown): void {
    if (!this.#release(session)) return;
    const { sessions, meter, clock } = this.#options;
    this.#retry.failed(clock.now(), error);
    if (!session.hasRecognised) this.#uselessSessions++;
    this.#trouble.lost(error, this.#uselessSessions);
    meter.count("tiro_stt_sessions_total", "failed");
    meter.count("transcription_errors_total", codeOf(error));
    sessions.lost(error);
  }

  /** The session is no longer in use; what it did not acknowledge is sent to the next. False if it was not in use. */
  #release(session: LiveSession): boolean {
    if (this.#session !== session) return false;
    const { speech, events } = this.#options;
    this.#session = undefined;
    this.#silence.reset();
    this.#trailing.reset();
    if (session.isFinishing) speech.acknowledge(Infinity);
    else speech.rewind();
    events.sessionEnded();
    this.#wakeup.wake();
    return true;
  }

  /**
   * Much voice and no event: it may be music, or a server that takes audio without capacity for it. Opens a second session,
   * which then replaces this one; what this one did not acknowledge is sent again.
   */
  #replace(session: LiveSession): void {
    const { sessions, meter, clock } = this.#options;
    if (this.#isReplacing || this.#retry.waitMs(clock.now()) > 0) return;
    session.suspect();
    const { languageId } = session;
    this.#openBeside(languageId, async (opened) => {
      if (this.#session !== session || !session.isSuspected || session.isFinishing) {
        return await opened[Symbol.asyncDispose]();
      }
      meter.count("tiro_stt_sessions_total", "silent");
      sessions.replaced(session.hasResponded);
      this.#release(session);
      this.#adopt(languageId, opened);
      await session[Symbol.asyncDispose]();
    });
  }

  /** Opens a second session in the newest language, unless one is open or opening. */
  #openNext(): void {
    const nowMs = this.#options.clock.now();
    if (this.#isReplacing || this.#next || nowMs < this.#mayChangeAtMs || this.#retry.waitMs(nowMs) > 0) {
      return;
    }
    this.#changedAtMs = nowMs;
    const languageId = this.#languageId;
    this.#openBeside(languageId, async (opened) => {
      if (this.#hasRun) return await opened[Symbol.asyncDispose]();
      this.#next = { opened, languageId, atMs: this.#options.clock.now() };
      this.#wakeup.wake();
    }, () => this.#isRefused = true);
  }

  /** Opens a second session; one at a time. */
  #openBeside(
    languageId: string,
    use: (opened: SttSession) => Promise<void>,
    onFailed: () => void = () => {},
  ): void {
    const { scope, sessions } = this.#options;
    this.#isReplacing = true;
    scope.run(async (signal) => {
      try {
        await use(await sessions.open(await sessions.attempt(signal), this.#sttOptions(languageId), signal));
      } catch {
        signal.throwIfAborted(); // else it was reported, and the current session continues
        onFailed();
      } finally {
        this.#isReplacing = false;
      }
    });
  }

  /** Flushes the last words and closes; the session's events have been handled when this resolves. */
  async #finish(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    session.isFinishing = true;
    try {
      await session.finish(this.#trailing.behindMs);
    } catch (error) {
      this.#options.scope.signal.throwIfAborted();
      this.#failed(session, error);
    }
    await session.ended;
  }

  /** Sleeps until that time, new speech, or a change of language that is due. */
  async #untilSpeech(atMs: number): Promise<void> {
    const mayChangeAtMs = this.#mayChangeAtMs;
    const hasChanged = this.#session !== undefined && this.#session.languageId !== this.#languageId;
    const isLater = mayChangeAtMs > this.#options.clock.now();
    this.#isIdle = true;
    await this.#wakeup.sleep(hasChanged && isLater ? Math.min(atMs, mayChangeAtMs) : atMs);
    this.#isIdle = false;
  }
}
