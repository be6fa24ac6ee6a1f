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
import { GOOD_LIFE_MS, type Scope } from "../flow/mod.ts";
import type { LiveSession } from "./live_session.ts";
import type { OpenOptions } from "./recogniser.ts";
import { RecognisedUntil } from "./recognised_until.ts";
import { RepeatedWords } from "./repeated_words.ts";
import type { RecogniserTrouble } from "./recogniser_trouble.ts";
import { SecondSession } from "./second_session.ts";
import { SessionOpener } from "./session_opener.ts";
import { ServedBy } from "./served_by.ts";
import { SilenceSource } from "./silence_source.ts";
import type { SttSessions } from "./stt_sessions.ts";
import { WaitingNotice } from "./waiting_notice.ts";
import { Wakeup } from "./wakeup.ts";

export interface SttFeedEvents {
  /** Audio was written to the session, again after a failure. */
  sent(frame: PcmFrame): void;
  /** Of this provider. `stalledUntilMs`: see SttSession. A thrown SttError fails the session. */
  event(event: SttEvent, provider: string, stalledUntilMs?: number): void;
  /** A session opened; events from now on are in this language. */
  opened(languageId: string): void;
  /**
   * The session ended; there are no more words of it. `isSentAgain`: all it has not settled will be recognised by the next,
   * as it acknowledges only what it has settled.
   */
  sessionEnded(isSentAgain: boolean): void;
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
/** The same where another recogniser can serve. */
const BLOCKED_MS = 2_000;
/** Words for what was sent again may come this much later than usual: it is sent in a burst. */
const LATE_MS = 2_000;

export class SttFeed {
  readonly #options: SttFeedOptions;
  readonly #opener: SessionOpener;
  readonly #trouble: RecogniserTrouble;
  readonly #notice: WaitingNotice;
  readonly #silence: SilenceSource;
  readonly #wakeup: Wakeup;
  #languageId: string;
  #session: LiveSession | undefined;
  readonly #servedBy: ServedBy;
  readonly #second: SecondSession;
  /** The last session opened was discarded, as the language had changed. */
  #isDiscarded = false;
  #lastSpeechMs = 0;
  readonly #recognised = new RecognisedUntil();
  readonly #repeated = new RepeatedWords();
  /** Sessions in a row that failed without recognising anything. */
  #uselessSessions = 0;
  /** Whether new speech is to wake the loop. */
  #isIdle = false;

  constructor(options: SttFeedOptions) {
    this.#options = options;
    const { scope, clock, events, sessions, speech, chunkMs, expectedWords } = options;
    this.#languageId = options.languageId;
    this.#servedBy = new ServedBy(sessions);
    const recycle = speech.recycle.bind(speech);
    this.#opener = new SessionOpener({ sessions, recycle, expectedWords, scope, clock });
    this.#second = new SecondSession({
      opener: this.#opener,
      clock,
      current: () => ({ session: this.#session, languageId: this.#languageId }),
      wake: () => this.#wakeup.wake(),
      takeOver: (first, second) => this.#takeOver(first, second),
    });
    this.#silence = new SilenceSource({ chunkMs, sampleRateHz: sessions.sampleRateHz });
    this.#trouble = scope.use(sessions.trouble((trouble) => events.trouble(trouble)));
    this.#notice = new WaitingNotice(clock, () => events.waiting());
    scope.defer(() => this.#notice.over());
    this.#wakeup = new Wakeup(scope, clock);
    speech.onSpeech = () => {
      if (this.#isIdle) this.#wakeup.wake();
    };
  }

  /** Recognisers that served so far, in the order of their first session. */
  get providers(): readonly string[] {
    return this.#servedBy.names;
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
        if (this.#second.isChangeDue(this.#silence.isPause, speech)) await this.#change();
        else if (speech.hasSpeech(clock.now())) await this.#send();
        else if (speech.hasEnded) return await this.#finish();
        else await this.#rest();
      }
    } finally {
      this.#servedBy.ended(this.#session);
      await this.#second.close();
    }
  }

  /** Finishes the current session; speech waits for the next one. */
  async #change(): Promise<void> {
    const taken = this.#second.take();
    let unused = taken?.next;
    try {
      if (taken && !taken.isWanted) return;
      await this.#finish();
      if (!taken) return;
      unused = undefined;
      this.#adopt(taken.next);
    } finally {
      await unused?.[Symbol.asyncDispose]();
    }
  }

  async #send(): Promise<void> {
    const { speech, clock } = this.#options;
    const session = this.#session ?? await this.#open();
    if (!session || session !== this.#session) return;
    const { acknowledges } = session.recogniser.stt.features;
    const nowMs = clock.now();
    const chunk = speech.take((durationMs) => {
      const markMs = this.#recognised.sent(durationMs, nowMs);
      return acknowledges ? session.sentMs + durationMs : markMs;
    });
    if (!chunk) return;
    await this.#write(session, chunk);
    this.#isDiscarded = false;
    this.#lastSpeechMs = clock.now();
    this.#silence.spoke(this.#lastSpeechMs);
    if (session === this.#session) this.#second.sent(session, nowMs);
  }

  async #write(session: LiveSession, frame: PcmFrame): Promise<void> {
    const { scope, clock, events } = this.#options;
    const durationMs = frame.samples.length / frame.sampleRateHz * 1_000;
    using _stalled = clock.timer(STALLED_MS, this.#stalled);
    using _blocked = this.#opener.isAlone ? undefined : clock.timer(BLOCKED_MS, () => this.#blocked(session));
    try {
      await session.write(frame, durationMs, clock.now());
      if (this.#session !== session) return; // it ended meanwhile, and its audio will be sent again
      this.#silence.sent(frame, durationMs);
      session.trailing.sent({ voiced: frame.voiced, durationMs }, clock.now());
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

  #blocked(session: LiveSession): void {
    if (session === this.#session) this.#second.suspect(session);
  }

  /** Without speech: sends silence, which flushes the last words, then closes the session. */
  async #rest(): Promise<void> {
    const { clock } = this.#options;
    this.#notice.over();
    const session = this.#session;
    if (!session) return await this.#untilSpeech(Infinity);
    const nowMs = clock.now();
    const dueAtMs = this.#silence.dueAtMs(nowMs);
    if (dueAtMs !== undefined && !session.trailing.isOver(nowMs)) {
      if (nowMs < dueAtMs) return await this.#untilSpeech(dueAtMs);
      return await this.#write(session, this.#silence.take(nowMs));
    }
    const closeAtMs = this.#lastSpeechMs + LIMITS.sttWarmMs;
    const lookAtMs = nowMs < closeAtMs ? this.#second.doubts(session) : undefined;
    if (lookAtMs !== undefined) return await this.#untilSpeech(Math.min(closeAtMs, lookAtMs));
    this.#acknowledgeAll(nowMs);
    if (nowMs < closeAtMs && !this.#second.hasBetter(session)) return await this.#untilSpeech(closeAtMs);
    this.#release(session);
    await session[Symbol.asyncDispose]();
  }

  /** Undefined if a retry has to wait, opening failed, or no speech waits any more. */
  async #open(): Promise<LiveSession | undefined> {
    const { scope: { signal }, sessions, speech, clock } = this.#options;
    this.#notice.waits();
    const waitMs = this.#opener.waitMs(this.#languageId);
    if (waitMs > 0) {
      await this.#wakeup.sleep(clock.now() + waitMs);
      return undefined;
    }
    if (sessions.fault !== undefined) this.#trouble.notOpened(sessions.fault);
    const choice = await this.#opener.anyChoice(this.#languageId);
    if (!speech.hasSpeech(clock.now())) {
      choice.attempt.abandoned();
      return undefined;
    }
    this.#trouble.opening();
    try {
      const opened = await this.#opener.openFirst(
        choice,
        this.#languageId,
        (late) => this.#second.offer(late),
      );
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

  #adopt(session: LiveSession): LiveSession {
    const { scope, events, clock } = this.#options;
    this.#lastSpeechMs = session.sinceMs = clock.now();
    this.#opener.used(session);
    this.#trouble.opened();
    this.#notice.over();
    this.#session = session;
    this.#servedBy.began(session);
    events.opened(session.languageId);
    scope.run(() => this.#read(session));
    return session;
  }

  async #read(session: LiveSession): Promise<void> {
    const { events, scope, clock } = this.#options;
    try {
      for await (const event of session.stt.events) {
        if (this.#session !== session) continue; // released: its last final was sent
        const isNew = this.#repeated.new(event, session.sentMs - session.latencyMs - LATE_MS);
        if (isNew) events.event(isNew, session.recogniser.name, session.stt.stalledUntilMs);
        this.#repeated.returned(event, clock.now());
        this.#receive(session, event);
      }
      session.recogniser.closed();
      this.#closed(session);
    } catch (error) {
      if (!scope.signal.aborted) this.#failed(session, error);
    } finally {
      await session[Symbol.asyncDispose]();
    }
  }

  #receive(session: LiveSession, event: SttEvent): void {
    const { speech, clock, sessions } = this.#options;
    const { acknowledges, acknowledgesHypotheses } = session.recogniser.stt.features;
    session.responded();
    if (event.type === "progress") {
      if (!acknowledges) return;
      // What it has processed is not sent again, but for the rest of a chunk, which may be that of a word.
      if (acknowledgesHypotheses) this.#recognised.word(clock.now(), 0);
      else this.#recognised.all(clock.now());
      return speech.acknowledge(event.processedMs);
    }
    if (!("text" in event) || event.text.trim() === "") return;
    session.hasRecognised = true;
    this.#opener.recognised(session);
    const failed = this.#second.recognised(session);
    if (failed) this.#opener.returnedNothing(failed);
    this.#uselessSessions = 0;
    sessions.recognised(session);
    const nowMs = clock.now();
    session.trailing.word(nowMs);
    if (!acknowledges) speech.acknowledge(this.#recognised.word(nowMs, session.trailing.atMostMs));
  }

  #acknowledgeAll(nowMs: number): void {
    this.#recognised.all(nowMs);
    this.#options.speech.acknowledge(Infinity);
  }

  /** The provider closed it cleanly. One that does so at once without an event counts as failed. */
  #closed(session: LiveSession): void {
    const lastedMs = this.#options.clock.now() - session.sinceMs;
    const message = "Cannot continue STT session: the server closes each at once";
    const hasLasted = lastedMs >= GOOD_LIFE_MS || session.sinceMs > session.openedAtMs;
    if (session.hasResponded || session.isFinishing || hasLasted) this.#release(session);
    else this.#failed(session, new SttError(message, { code: "stt_closed", retryable: true }));
  }

  /** Reported once, whether its reader or its writer fails first. */
  #failed(session: LiveSession, error: unknown): void {
    if (!this.#release(session)) return;
    this.#servedBy.left("failed");
    this.#opener.failed(session, error);
    session.recogniser.lost(error);
    if (!session.hasRecognised) this.#uselessSessions++;
    if (!this.#opener.hasOther(session)) this.#trouble.lost(error, this.#uselessSessions);
  }

  /** The session is no longer in use; what it did not acknowledge is sent to the next. False if it was not in use. */
  #release(session: LiveSession): boolean {
    if (this.#session !== session) return false;
    const { speech, events, clock } = this.#options;
    const nowMs = clock.now();
    this.#session = undefined;
    this.#servedBy.ended(session);
    this.#silence.reset();
    // Voice that a finished session returned nothing for is sent to a better recogniser, not to one of another language.
    const isOver = session.unansweredMs === 0 || session.languageId !== this.#languageId;
    if (session.isFinishing && isOver) this.#acknowledgeAll(nowMs);
    const againMs = session.isFinishing && isOver ? 0 : speech.rewind();
    const { acknowledges, acknowledgesHypotheses } = session.recogniser.stt.features;
    const replaces = acknowledges && !acknowledgesHypotheses && !session.isFinishing &&
      speech.hasSpeech(nowMs);
    this.#repeated.sentAgain(this.#recognised.sinceMs, againMs, { replaces });
    this.#recognised.all(nowMs);
    events.sessionEnded(replaces);
    this.#wakeup.wake();
    return true;
  }

  #takeOver(first: LiveSession, second: LiveSession): void {
    this.#release(first);
    this.#servedBy.left("silent");
    this.#adopt(second);
  }

  /** Flushes the last words and closes; the session's events have been handled when this resolves. */
  async #finish(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    session.isFinishing = true;
    try {
      await session.stt.finish({ behindMs: session.trailing.behindMs });
    } catch (error) {
      this.#options.scope.signal.throwIfAborted();
      this.#failed(session, error);
    }
    await session.ended;
  }

  /** Sleeps until that time, new speech, or a change of language that is due. */
  async #untilSpeech(atMs: number): Promise<void> {
    const { mayStartAtMs } = this.#second;
    const hasChanged = this.#session !== undefined && this.#session.languageId !== this.#languageId;
    const isLater = mayStartAtMs > this.#options.clock.now();
    this.#isIdle = true;
    await this.#wakeup.sleep(hasChanged && isLater ? Math.min(atMs, mayStartAtMs) : atMs);
    this.#isIdle = false;
  }
}
