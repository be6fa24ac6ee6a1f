/**
 * The end of a speaker's audio chain: keeps a speech-to-text session where there is a voice, writes the speech to it and
 * passes on what it recognises. Opens a session at the first speech, keeps it for 30 s after the last, opens another when
 * it fails, and sends again what a failed one had not answered for. Meanwhile speech waits in `speech`, which is bounded.
 *
 *     none --speech--> opening --open--> live --30 s without speech--> closed --> none
 *                         |  ^            |  '--much voice, no word--> another is opened beside it, and takes its place
 *                    failed  policy <--failed
 *
 * Another language is recognised by another session, opened beside the one in use, which takes the audio until that is
 * open and the voice pauses: so no word is cut in two, and none is lost however often the language changes.
 *
 * One loop does all that takes time, one thing after the other; a second task reads what the session says.
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
import type { SttSessions } from "./stt_sessions.ts";
import { Tail } from "./tail.ts";
import { WaitingNotice } from "./waiting_notice.ts";

export interface SttFeedEvents {
  /** Audio was handed to the session, what is sent again included. */
  sent(frame: PcmFrame): void;
  /** `stalledUntilMs`: see SttSession. Throws SttError where the session is to be replaced for it. */
  event(event: SttEvent, stalledUntilMs?: number): void;
  /** A session opened; what `event` tells from now on is in this language. */
  opened(languageId: string): void;
  /** The session is over; the words so far stand as they are. */
  sessionEnded(): void;
  /** Speech has waited for some seconds: for a session, or for one to take it. */
  waiting(): void;
  /** Why nothing can be recognised now, or (undefined) that it can again. */
  trouble(trouble: SpeakerTrouble | undefined): void;
}

export interface SttFeedOptions {
  speech: VoicedPcm;
  /** Shared by all speakers of a thread. */
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

/** Without a frame for this long while a voice was heard, silence is put in its place to push the last words out. */
const STARVED_MS = 600;
/** The end of that, counted once the rest has passed: a thread that was busy reads first what came meanwhile. */
const LOOK_MS = 200;
/** A chunk is taken at once, or when the one before it was read; readers wait as long for a session to open. */
const STALLED_MS = 10_000;
/** A burst after a wait is recognised at twice the speed it was spoken at, or faster. */
const CATCH_UP = 2;
/** Longer than any sentence a recogniser waits for the end of (Whisper's are cut at 30 s). */
const NEVER_SPOKE_MS = 30_000;
/** A voice pauses within this; one that does not has its word cut where it is. */
const PAUSE_WITHIN_MS = 3_000;
/** Sessions in other languages are opened this far apart: as long as it takes to change to one. */
const LANGUAGES_APART_MS = 3_000;
/** Music and laughter are longer than a sentence; a session that did recognise something gets more time for them. */
const STOPPED_SPEAKING_MS = 75_000;

export class SttFeed {
  readonly #options: SttFeedOptions;
  readonly #retry: RetryPolicy;
  readonly #trouble: RecogniserTrouble;
  readonly #notice: WaitingNotice;
  readonly #tail: Tail;
  #languageId: string;
  #session: LiveSession | undefined;
  /** A session in another language that is to take the place of the one in use. */
  #next: { opened: SttSession; languageId: string; atMs: number } | undefined;
  /** When one was last opened for another language; and whether that failed, perhaps for want of a second place. */
  #changedAtMs = -Infinity;
  #isRefused = false;
  /** The session opened last was of no use, since the language had changed. */
  #isUnused = false;
  /** The last audio sent, silence included. */
  #last:
    | { endMs: number; receivedAtMs: number; isOver: boolean; isPause: boolean; starvedAtMs?: number }
    | undefined;
  /** Time up to which audio was sent: silence follows in its pace. */
  #coveredMs = 0;
  #lastSpeechMs = 0;
  /** When what was sent will have been recognised, were it sent as it was spoken. */
  #recognisedAtMs = 0;
  #isReplacing = false;
  /** Sessions in a row that failed and recognised nothing. */
  #uselessSessions = 0;
  #hasRun = false;
  /** Whether the loop waits for speech, too. */
  #isResting = false;
  #woken: PromiseWithResolvers<void> | undefined;
  #timer: Disposable | undefined;

  constructor(options: SttFeedOptions) {
    this.#options = options;
    const { scope, clock, events, sessions, speech } = options;
    this.#languageId = options.languageId;
    this.#retry = new RetryPolicy();
    this.#tail = new Tail(sessions.stt.features.latencyMs, sessions.lag);
    this.#trouble = scope.use(sessions.trouble((trouble) => events.trouble(trouble)));
    this.#notice = scope.use(new WaitingNotice(clock, () => events.waiting()));
    scope.defer(() => this.#disarm());
    // Once, not for each wait: there are five a second.
    scope.signal.addEventListener("abort", this.#wake, { once: true });
    speech.onSpeech = () => {
      if (this.#isResting) this.#wake();
    };
  }

  /** From the next pause in the voice on. The newest counts: of those before, one may be on its way. */
  setLanguage(languageId: string): void {
    this.#languageId = languageId;
    this.#wake();
  }

  /** Resolves when the speech has ended and its last words are in; rejects with the scope's reason. */
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

  /** Whether the session in use is to end for another language, or the one opened beside it is not needed any more. */
  #isChangeDue(): boolean {
    const { speech, clock } = this.#options;
    const [session, next] = [this.#session, this.#next];
    if (next && (!session || next.languageId !== this.#languageId)) return true;
    if (!session || session.languageId === this.#languageId) return next !== undefined;
    const nowMs = clock.now();
    const isPause = this.#last?.isPause !== false;
    // Where nobody speaks nothing is lost while another is opened.
    if (!next) {
      return isPause && (this.#isRefused || nowMs >= this.#mayChangeAtMs) && !speech.hasSpeech(nowMs);
    }
    return isPause || nowMs >= next.atMs + PAUSE_WITHIN_MS;
  }

  /** Languages that change without end open and end no more sessions than this lets them. */
  get #mayChangeAtMs(): number {
    return this.#changedAtMs + LANGUAGES_APART_MS;
  }

  /** Ends the session in use; its last words come first, and what is said meanwhile waits for the next one. */
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
    this.#isUnused = false;
    this.#lastSpeechMs = this.#coveredMs = clock.now();
    const patienceMs = session.hasSpoken ? STOPPED_SPEAKING_MS : NEVER_SPOKE_MS;
    // What was sent again in a burst has had no time to be answered for.
    if (session.unansweredMs >= patienceMs && nowMs >= session.openedAtMs + patienceMs) {
      this.#replace(session);
    }
  }

  async #write(session: LiveSession, frame: PcmFrame): Promise<void> {
    const { scope, clock, events } = this.#options;
    const { voiced, endOfVoice, receivedAtMs } = frame;
    const durationMs = frame.samples.length / frame.sampleRateHz * 1_000;
    const stalled = clock.timer(STALLED_MS, this.#stalled);
    try {
      await session.write(frame);
      if (this.#session !== session) return; // it ended meanwhile, and what it took is to be sent again
      const isPause = endOfVoice || !voiced;
      this.#last = { endMs: frame.startMs + durationMs, receivedAtMs, isOver: endOfVoice, isPause };
      this.#tail.sent({ voiced, durationMs }, clock.now());
      events.sent(frame);
    } catch (error) {
      scope.signal.throwIfAborted();
      if (codeOf(error) === "stt_over") this.#closed(session);
      else this.#lost(session, error);
    } finally {
      stalled[Symbol.dispose]();
    }
  }

  /** The session takes nothing: it may go on, or fail. */
  readonly #stalled = (): void => {
    this.#trouble.stalled();
    this.#options.events.waiting();
  };

  /** There is no speech: silence pushes the last words out, and in the end the session is closed. */
  async #rest(): Promise<void> {
    const { clock, speech, chunkMs, sessions } = this.#options;
    this.#notice.over();
    const session = this.#session;
    const last = this.#last;
    if (!session) return await this.#untilSpeech(Infinity);
    const nowMs = clock.now();
    if (last && !this.#tail.isOver(nowMs)) {
      const dueMs = this.#coveredMs + (last.isOver ? chunkMs : STARVED_MS - LOOK_MS);
      if (nowMs < dueMs) return await this.#untilSpeech(dueMs);
      if (!last.isOver) {
        last.starvedAtMs ??= nowMs + LOOK_MS;
        if (nowMs < last.starvedAtMs) return await this.#untilSpeech(last.starvedAtMs);
      }
      // As much as time has passed; but none for the time in which nothing was taken.
      this.#coveredMs = Math.max(this.#coveredMs, nowMs - STARVED_MS) + chunkMs;
      const { sampleRateHz } = sessions.stt;
      return await this.#write(session, {
        samples: new Float32Array(Math.round(chunkMs * sampleRateHz / 1_000)),
        sampleRateHz,
        startMs: last.endMs,
        receivedAtMs: last.receivedAtMs,
        voiced: false,
        endOfVoice: true,
      });
    }
    speech.acknowledge(Infinity); // what had words has had them
    const closeAtMs = this.#lastSpeechMs + LIMITS.sttWarmMs;
    if (nowMs < closeAtMs) return await this.#untilSpeech(closeAtMs);
    this.#over(session);
    await session[Symbol.asyncDispose]();
  }

  /** Opens a session once it is this speaker's turn. Undefined when that failed, or nothing waits for it any more. */
  async #open(): Promise<LiveSession | undefined> {
    const { scope: { signal }, sessions, speech, clock } = this.#options;
    this.#notice.waits();
    const waitMs = this.#retry.waitMs(clock.now());
    if (waitMs > 0) {
      await this.#until(clock.now() + waitMs);
      return undefined;
    }
    if (sessions.fault !== undefined) this.#trouble.notOpened(sessions.fault);
    const attempt = await sessions.turn(signal);
    if (!speech.hasSpeech(clock.now())) {
      attempt.abandoned();
      return undefined;
    }
    this.#trouble.opening();
    const languageId = this.#languageId;
    try {
      const opened = await sessions.open(attempt, this.#sttOptions(languageId), signal);
      // What waits was said in the newest language, as far as is known. Once: whoever changes it without end is recognised.
      if (languageId === this.#languageId || this.#isUnused) return this.#adopt(languageId, opened);
      this.#isUnused = true;
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
    scope.run(() => this.#listen(session));
    return session;
  }

  async #listen(session: LiveSession): Promise<void> {
    const { events, meter, scope } = this.#options;
    try {
      for await (const event of session.events) {
        if (this.#session !== session) continue; // its words have had their final
        events.event(event, session.stalledUntilMs);
        this.#receive(session, event);
      }
      meter.count("tiro_stt_sessions_total", "closed");
      this.#closed(session);
    } catch (error) {
      if (!scope.signal.aborted) this.#lost(session, error);
    } finally {
      await session[Symbol.asyncDispose]();
    }
  }

  #receive(session: LiveSession, event: SttEvent): void {
    const { speech, clock, sessions } = this.#options;
    const { acknowledges } = sessions.stt.features;
    session.spoke();
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
    this.#tail.word(nowMs);
    if (!acknowledges) speech.acknowledge(nowMs - this.#tail.measuredMs);
  }

  /** The provider closed it in good order. One that does so at once is of no more use than one that fails. */
  #closed(session: LiveSession): void {
    const lastedMs = this.#options.clock.now() - session.openedAtMs;
    const error = new SttError("Cannot go on with STT session: the server closes each at once", {
      code: "stt_closed",
      retryable: true,
    });
    if (session.hasSpoken || session.isFinishing || lastedMs >= GOOD_LIFE_MS) this.#over(session);
    else this.#lost(session, error);
  }

  /** A session failed; reported once, whether its reader or its writer noticed first. */
  #lost(session: LiveSession, error: unknown): void {
    if (!this.#over(session)) return;
    const { sessions, meter, clock } = this.#options;
    this.#retry.failed(clock.now(), error);
    if (!session.hasRecognised) this.#uselessSessions++;
    this.#trouble.lost(error, this.#uselessSessions);
    meter.count("tiro_stt_sessions_total", "failed");
    meter.count("transcription_errors_total", codeOf(error));
    sessions.lost(error);
  }

  /** Takes leave of the session; what it did not answer for is sent to the next. False when that is done already. */
  #over(session: LiveSession): boolean {
    if (this.#session !== session) return false;
    const { speech, events } = this.#options;
    this.#session = this.#last = undefined;
    this.#tail.reset();
    if (session.isFinishing) speech.acknowledge(Infinity);
    else speech.rewind();
    events.sessionEnded();
    this.#wake();
    return true;
  }

  /**
   * Much voice and no word: it may be music, or a server that takes audio and has no place for it. Opens another session
   * beside this one, which gives way once that is open, with nothing lost: what it did not answer for is sent again.
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
      sessions.silent(session.hasSpoken);
      this.#over(session);
      this.#adopt(languageId, opened);
      await session[Symbol.asyncDispose]();
    });
  }

  /** Opens a session in the newest language beside the one in use, unless one is. */
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
      this.#wake();
    }, () => this.#isRefused = true);
  }

  /** One at a time. */
  #openBeside(
    languageId: string,
    use: (opened: SttSession) => Promise<void>,
    onFailed: () => void = () => {},
  ): void {
    const { scope, sessions } = this.#options;
    this.#isReplacing = true;
    scope.run(async (signal) => {
      try {
        await use(await sessions.open(await sessions.turn(signal), this.#sttOptions(languageId), signal));
      } catch {
        signal.throwIfAborted(); // else it was reported, and the session in use goes on
        onFailed();
      } finally {
        this.#isReplacing = false;
      }
    });
  }

  /** Pushes the last words out and closes; the session's events have all been handled when this resolves. */
  async #finish(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    session.isFinishing = true;
    try {
      await session.finish(this.#tail.behindMs);
    } catch (error) {
      this.#options.scope.signal.throwIfAborted();
      this.#lost(session, error);
    }
    await session.ended;
  }

  /** Resolves at that time, with speech, or when something happened. */
  async #untilSpeech(atMs: number): Promise<void> {
    const mayChangeAtMs = this.#mayChangeAtMs;
    const isInAnother = this.#session !== undefined && this.#session.languageId !== this.#languageId;
    const isLater = mayChangeAtMs > this.#options.clock.now();
    this.#isResting = true;
    await this.#until(isInAnother && isLater ? Math.min(atMs, mayChangeAtMs) : atMs);
    this.#isResting = false;
  }

  /** Resolves at that time, or when something happened. */
  async #until(atMs: number): Promise<void> {
    const { scope: { signal }, clock } = this.#options;
    signal.throwIfAborted();
    const woken = this.#woken = Promise.withResolvers<void>();
    if (atMs < Infinity) this.#timer = clock.timer(Math.max(0, atMs - clock.now()), this.#wake);
    await woken.promise;
    this.#disarm();
  }

  readonly #wake = (): void => {
    this.#woken?.resolve();
    this.#woken = undefined;
  };

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
