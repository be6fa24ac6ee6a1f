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
 * One loop does all waiting; a second task reads the session's events.
 */
import {
  type Clock,
  codeOf,
  LIMITS,
  type PcmFrame,
  type SpeakerTrouble,
  SttError,
  type SttEvent,
  type VoicedPcm,
} from "../domain/mod.ts";
import { GOOD_LIFE_MS, RetryPolicy, type Scope, type SharedAttempt } from "../flow/mod.ts";
import { LanguageChange } from "./language_change.ts";
import { LiveSession } from "./live_session.ts";
import type { RecogniserTrouble } from "./recogniser_trouble.ts";
import { SilenceSource } from "./silence_source.ts";
import type { OpenOptions, SttSessions } from "./stt_sessions.ts";
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
  sessions: SttSessions;
  languageId: string;
  expectedWords?: () => OpenOptions["words"];
  /** The speaker's. */
  scope: Scope;
  clock: Clock;
  /** Length of the silence sent at a time. */
  chunkMs: number;
  events: SttFeedEvents;
}

/** A write that takes this long stalls: one is usually taken at once. Viewers wait as long for a session to open. */
const STALLED_MS = 10_000;
/** A burst is recognised at least at twice the speed of speech. */
const CATCH_UP = 2;
export class SttFeed {
  readonly #options: SttFeedOptions;
  readonly #retry = new RetryPolicy();
  readonly #trouble: RecogniserTrouble;
  readonly #notice: WaitingNotice;
  readonly #trailing: TrailingSilence;
  readonly #silence: SilenceSource;
  readonly #wakeup: Wakeup;
  #languageId: string;
  #session: LiveSession | undefined;
  readonly #languageChange = new LanguageChange();
  /** The last session opened was discarded, as the language had changed. */
  #isDiscarded = false;
  #lastSpeechMs = 0;
  /** When the audio sent will have been recognised. */
  #recognisedAtMs = 0;
  /** Whether a second session is being opened. */
  #isOpeningSecond = false;
  /** Sessions in a row that failed without recognising anything. */
  #uselessSessions = 0;
  #hasRun = false;
  /** Whether new speech is to wake the loop. */
  #isIdle = false;

  constructor(options: SttFeedOptions) {
    this.#options = options;
    const { scope, clock, events, sessions, speech, chunkMs } = options;
    this.#languageId = options.languageId;
    this.#trailing = new TrailingSilence(sessions.stt.features.latencyMs, sessions.latency);
    this.#silence = new SilenceSource({ chunkMs, sampleRateHz: sessions.stt.sampleRateHz });
    this.#trouble = scope.use(sessions.trouble((trouble) => events.trouble(trouble)));
    this.#notice = new WaitingNotice(clock, () => events.waiting());
    scope.defer(() => this.#notice.over());
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
      await this.#languageChange.next?.[Symbol.asyncDispose]();
    }
  }

  #isChangeDue(): boolean {
    const { speech, clock } = this.#options;
    const now = { isPause: this.#silence.isPause, speech, nowMs: clock.now() };
    return this.#languageChange.isDue(this.#session, this.#languageId, now);
  }

  /** Finishes the current session; speech waits for the next one. */
  async #change(): Promise<void> {
    const next = this.#languageChange.take();
    let unused = next;
    try {
      const isWanted = this.#session?.languageId !== this.#languageId;
      if (next && (next.languageId !== this.#languageId || !isWanted)) return;
      if (!next) this.#languageChange.started(this.#options.clock.now());
      await this.#finish();
      if (!next) return;
      unused = undefined;
      this.#adopt(next);
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
    if (session.isSilent(nowMs)) this.#replace(session);
  }

  async #write(session: LiveSession, frame: PcmFrame): Promise<void> {
    const { scope, clock, events } = this.#options;
    const durationMs = frame.samples.length / frame.sampleRateHz * 1_000;
    using _stalled = clock.timer(STALLED_MS, this.#stalled);
    try {
      await session.write(frame, durationMs);
      if (this.#session !== session) return; // it ended meanwhile, and its audio will be sent again
      this.#silence.sent(frame, durationMs);
      this.#trailing.sent({ voiced: frame.voiced, durationMs }, clock.now());
      events.sent(frame);
    } catch (error) {
      scope.signal.throwIfAborted();
      if (codeOf(error) === "stt_over") this.#closed(session);
      else this.#failed(session, error);
    }
  }

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

  /** Undefined if a retry has to wait, opening failed, or no speech waits any more. */
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
    try {
      const opened = await this.#openSession(attempt, this.#languageId);
      // Speech that waits is taken to be in the newest language. Only once, or endless changes would prevent recognition.
      if (opened.languageId === this.#languageId || this.#isDiscarded) return this.#adopt(opened);
      this.#isDiscarded = true;
      await opened[Symbol.asyncDispose]();
    } catch (error) {
      signal.throwIfAborted();
      this.#trouble.notOpened(error);
    }
    return undefined;
  }

  async #openSession(attempt: SharedAttempt, languageId: string): Promise<LiveSession> {
    const { scope, sessions, speech, clock, expectedWords } = this.#options;
    const options = { languageId, words: expectedWords?.(), recycle: speech.recycle.bind(speech) };
    return new LiveSession(await sessions.open(attempt, options, scope.signal), languageId, clock.now());
  }

  #adopt(session: LiveSession): LiveSession {
    const { scope, events, clock } = this.#options;
    this.#lastSpeechMs = session.sinceMs = clock.now();
    this.#retry.opened(session.sinceMs);
    this.#trouble.opened();
    this.#notice.over();
    this.#session = session;
    events.opened(session.languageId);
    scope.run(() => this.#read(session));
    return session;
  }

  async #read(session: LiveSession): Promise<void> {
    const { events, sessions, scope } = this.#options;
    try {
      for await (const event of session.stt.events) {
        if (this.#session !== session) continue; // released: its last final was sent
        events.event(event, session.stt.stalledUntilMs);
        this.#receive(session, event);
      }
      sessions.closed();
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
    const lastedMs = this.#options.clock.now() - session.sinceMs;
    const message = "Cannot continue STT session: the server closes each at once";
    if (session.hasResponded || session.isFinishing || lastedMs >= GOOD_LIFE_MS) this.#release(session);
    else this.#failed(session, new SttError(message, { code: "stt_closed", retryable: true }));
  }

  /** Reported once, whether its reader or its writer fails first. */
  #failed(session: LiveSession, error: unknown): void {
    if (!this.#release(session)) return;
    const { sessions, clock } = this.#options;
    this.#retry.failed(clock.now(), error);
    if (!session.hasRecognised) this.#uselessSessions++;
    this.#trouble.lost(error, this.#uselessSessions);
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
    const { sessions, clock } = this.#options;
    if (this.#isOpeningSecond || this.#retry.waitMs(clock.now()) > 0) return;
    session.suspect();
    this.#openSecond(session.languageId, async (second) => {
      if (this.#session !== session || !session.isSuspected || session.isFinishing) {
        return await second[Symbol.asyncDispose]();
      }
      sessions.replaced(session.hasResponded);
      this.#release(session);
      this.#adopt(second);
      await session[Symbol.asyncDispose]();
    });
  }

  #openNext(): void {
    const change = this.#languageChange;
    const nowMs = this.#options.clock.now();
    if (this.#isOpeningSecond || change.next || this.#retry.waitMs(nowMs) > 0) return;
    if (nowMs < change.mayStartAtMs) return;
    change.started(nowMs);
    this.#openSecond(this.#languageId, async (second) => {
      if (this.#hasRun) return await second[Symbol.asyncDispose]();
      change.next = second;
      this.#wakeup.wake();
    }, () => change.refused());
  }

  /** One at a time. */
  #openSecond(
    languageId: string,
    use: (second: LiveSession) => Promise<void>,
    onFailed: () => void = () => {},
  ): void {
    const { scope, sessions } = this.#options;
    this.#isOpeningSecond = true;
    scope.run(async (signal) => {
      try {
        await use(await this.#openSession(await sessions.attempt(signal), languageId));
      } catch {
        signal.throwIfAborted(); // else it was reported, and the current session continues
        onFailed();
      } finally {
        this.#isOpeningSecond = false;
      }
    });
  }

  /** Flushes the last words and closes; the session's events have been handled when this resolves. */
  async #finish(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    session.isFinishing = true;
    try {
      await session.stt.finish({ behindMs: this.#trailing.behindMs });
    } catch (error) {
      this.#options.scope.signal.throwIfAborted();
      this.#failed(session, error);
    }
    await session.ended;
  }

  /** Sleeps until that time, new speech, or a change of language that is due. */
  async #untilSpeech(atMs: number): Promise<void> {
    const { mayStartAtMs } = this.#languageChange;
    const hasChanged = this.#session !== undefined && this.#session.languageId !== this.#languageId;
    const isLater = mayStartAtMs > this.#options.clock.now();
    this.#isIdle = true;
    await this.#wakeup.sleep(hasChanged && isLater ? Math.min(atMs, mayStartAtMs) : atMs);
    this.#isIdle = false;
  }
}
