/**
 * The end of a speaker's audio chain: keeps a speech-to-text session where there is a voice, writes the audio to it
 * and tells what it says. Opens a session at the first audio, keeps it warm for 30 s, reopens it when it fails, and
 * sends again what a failed one had not answered for. It never drops audio to keep up: while it waits (an answer, a
 * cold start, a backoff) nothing is read, so the RTP inbox drops, and counts.
 *
 *     none --audio--> opening --open--> live --30 s without audio--> finishing --> none
 *                      |  ^              |
 *                 failed  backoff <---failed
 */
import {
  type AudioLedger,
  type Clock,
  LIMITS,
  type Log,
  type Meter,
  type PcmFrame,
  type SpeakerTrouble,
  type SpeechToText,
  type SttEvent,
  type SttSession,
  TiroError,
} from "../domain/mod.ts";
import { delay, RetryPolicy, Scope } from "../flow/mod.ts";
import { RecogniserTrouble } from "./recogniser_trouble.ts";

export interface SttFeedEvents {
  /** Audio was handed to the session, what is said again included. */
  sent(frame: PcmFrame): void;
  event(event: SttEvent): void;
  /** A session opened; what `event` tells from now on is in this language. */
  opened(languageId: string): void;
  /** The session is over; the words so far stand as they are. */
  sessionEnded(): void;
  /** Why nothing can be recognised now, or (undefined) that it can again. */
  trouble(trouble: SpeakerTrouble | undefined): void;
}

export interface SttFeedOptions {
  /** The speaker's. */
  ledger: AudioLedger;
  stt: SpeechToText;
  languageId: string;
  /** The speaker's scope: aborting it ends everything at once. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  events: SttFeedEvents;
  /** A chunk is not needed any more: its memory may be used again. */
  release: (frame: PcmFrame) => void;
}

/** Without a frame for this long while a voice was heard, silence is put in its place to push the last words out. */
const STARVED_MS = 600;
/** Unanswered audio older than this is not worth saying again. */
const REPLAY_MAX_AGE_MS = 5_000;

export class SttFeed {
  readonly #options: SttFeedOptions;
  #languageId: string;
  #session: LiveSession | undefined;
  readonly #retry: RetryPolicy;
  readonly #trouble: RecogniserTrouble;
  /** Frames the session has not answered for, oldest first; at most LIMITS.sttInFlightMs of audio. */
  #unanswered: PcmFrame[] = [];
  #unansweredMs = 0;
  /** Frames of a session that failed, to be said again to the next one; at most LIMITS.sttInFlightMs. */
  #again: PcmFrame[] = [];
  #timer: Disposable | undefined;
  /** Writes, flushes and closes happen one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(options: SttFeedOptions) {
    this.#options = options;
    this.#languageId = options.languageId;
    this.#retry = new RetryPolicy({ clock: options.clock });
    this.#trouble = options.scope.use(
      new RecogniserTrouble(options.clock, (trouble) => options.events.trouble(trouble)),
    );
    options.scope.defer(() => this.#disarm());
  }

  /** Where the chunks go. Closing it flushes the session; its backpressure is the session's. */
  readonly writable: WritableStream<PcmFrame> = new WritableStream({
    write: (frame) =>
      this.#inTurn(async () => {
        await this.#write(frame);
        this.#options.ledger.add("sentMs", durationMs(frame));
      }),
    close: () => this.#inTurn(() => this.#finish()),
    abort: () => this.#disarm(),
  });

  /** From the next frame on. */
  setLanguage(languageId: string): void {
    if (languageId === this.#languageId) return;
    this.#languageId = languageId;
    if (this.#options.scope.signal.aborted) return;
    this.#options.scope.run(() => this.#inTurn(() => this.#finish()));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => {}); // its caller hears of it; the next one gets its turn all the same
    return turn;
  }

  async #write(frame: PcmFrame): Promise<void> {
    const { scope, events } = this.#options;
    this.#disarm();
    for (;;) {
      const session = this.#session ?? await this.#open();
      try {
        for (let again = this.#again[0]; again !== undefined; again = this.#again[0]) {
          await session.write(again);
          if (this.#session !== session) break; // it ended meanwhile, and what it took is to be said again
          this.#again.shift();
          this.#remember(again);
          events.sent(again);
        }
        if (this.#again.length > 0) continue;
        await session.write(frame);
        break;
      } catch (error) {
        scope.signal.throwIfAborted();
        this.#lost(session, error);
      }
    }
    this.#remember(frame);
    events.sent(frame);
    this.#arm(frame);
  }

  /** Opens a session however long it takes: a speaker without captions is never given up. */
  async #open(): Promise<LiveSession> {
    const { scope, stt, clock, meter, events } = this.#options;
    for (;;) {
      if (this.#retry.waitMs > 0) await delay(this.#retry.waitMs, scope.signal, clock);
      scope.signal.throwIfAborted();
      const startMs = clock.now();
      this.#trouble.opening();
      try {
        const languageId = this.#languageId;
        const session = new LiveSession(await stt.open({ languageId }, scope.signal));
        if (scope.signal.aborted) await session[Symbol.asyncDispose](); // it opened as we were told to stop
        scope.signal.throwIfAborted();
        meter.observe("tiro_stt_open_ms", clock.now() - startMs);
        this.#retry.opened();
        this.#trouble.opened();
        this.#session = session;
        events.opened(languageId);
        scope.run(() => this.#listen(session));
        return session;
      } catch (error) {
        scope.signal.throwIfAborted();
        this.#retry.failed(error);
        this.#trouble.notOpened(error);
        this.#report("not_opened", error);
        this.#complain("speech-to-text not available", error);
      }
    }
  }

  async #listen(session: LiveSession): Promise<void> {
    const { events, meter, scope } = this.#options;
    try {
      for await (const event of session.events) {
        if (this.#session !== session) continue; // retired: its words have had their final
        for (const frame of this.#unanswered) this.#options.release(frame);
        this.#forgetUnanswered();
        if (event.type !== "progress") {
          this.#retry.worked();
          this.#trouble.recognised();
        }
        events.event(event);
      }
      meter.count("tiro_stt_sessions_total", "closed");
      this.#over(session);
    } catch (error) {
      if (!scope.signal.aborted) this.#lost(session, error);
    } finally {
      await session[Symbol.asyncDispose]();
    }
  }

  /** A session failed; told once, whether its reader or its writer noticed first. */
  #lost(session: LiveSession, error: unknown): void {
    if (!this.#over(session)) return;
    this.#retry.failed(error);
    this.#trouble.lost(error, this.#retry.failures);
    this.#report("failed", error);
    this.#complain("speech-to-text session lost", error);
  }

  #complain(message: string, error: unknown): void {
    const { log, stt } = this.#options;
    const fields = { provider: stt.name, failures: this.#retry.failures };
    // What does not get better by itself needs the whole of its message: somebody has to act on it.
    if (error instanceof TiroError && !error.retryable) log.error(message, error, fields);
    else log.warn(message, { ...fields, code: codeOf(error) });
  }

  /** Takes leave of the session; what it did not answer for is said again to the next. False when already done. */
  #over(session: LiveSession): boolean {
    if (this.#session !== session) return false;
    this.#session = undefined;
    const oldestMs = this.#options.clock.now() - REPLAY_MAX_AGE_MS;
    const again = [...this.#unanswered, ...this.#again].filter((frame) => frame.heardAtMs >= oldestMs);
    this.#forgetUnanswered();
    for (const frame of again) this.#remember(frame); // keeps the newest two seconds
    this.#again = this.#unanswered;
    this.#forgetUnanswered();
    this.#options.events.sessionEnded();
    return true;
  }

  #report(outcome: string, error: unknown): void {
    this.#options.meter.count("tiro_stt_sessions_total", outcome);
    this.#options.meter.count("transcription_errors_total", codeOf(error));
  }

  /** Pushes the last words out and closes; the session's events have all been handled when this resolves. */
  async #finish(): Promise<void> {
    this.#disarm();
    const session = this.#session;
    if (!session) return;
    try {
      await session.finish();
    } catch (error) {
      this.#options.scope.signal.throwIfAborted();
      this.#lost(session, error);
    }
    await session.ended;
    this.#again = [];
  }

  /** Closes a session that has been idle: all it had to say was pushed out by the silence after the voice. */
  async #retire(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#over(session);
    this.#again = [];
    await session[Symbol.asyncDispose]();
  }

  /** What happens when no audio follows this frame: first silence to push the last words out, in the end the close. */
  #arm(frame: PcmFrame): void {
    const { scope, clock } = this.#options;
    const starving = !frame.endOfVoice;
    // By then the frame's memory may be another's.
    const { sampleRateHz, heardAtMs } = frame;
    const end = { sampleRateHz, heardAtMs, startMs: frame.startMs + durationMs(frame) };
    this.#timer = clock.timer(starving ? STARVED_MS : LIMITS.sttWarmMs, () => {
      if (scope.signal.aborted) return;
      scope.run(() => starving ? this.#inTurn(() => this.#flush(end)) : this.#retire());
    });
  }

  #flush(end: Pick<PcmFrame, "sampleRateHz" | "heardAtMs" | "startMs">): Promise<void> {
    const samples = new Float32Array(end.sampleRateHz * LIMITS.sttFlushMs / 1000);
    return this.#write({ ...end, samples, voiced: false, endOfVoice: true });
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #remember(frame: PcmFrame): void {
    this.#unanswered.push(frame);
    this.#unansweredMs += durationMs(frame);
    while (this.#unansweredMs > LIMITS.sttInFlightMs) {
      const oldest = this.#unanswered.shift()!;
      this.#unansweredMs -= durationMs(oldest);
      this.#options.release(oldest);
    }
  }

  #forgetUnanswered(): void {
    this.#unanswered = [];
    this.#unansweredMs = 0;
  }
}

/** A session together with the news that its events have all been handled. */
class LiveSession implements AsyncDisposable {
  readonly #ended = Promise.withResolvers<void>();
  readonly ended: Promise<void> = this.#ended.promise;

  constructor(private readonly session: SttSession) {}

  write(frame: PcmFrame): Promise<void> {
    return this.session.write(frame);
  }

  finish(): Promise<void> {
    return this.session.finish();
  }

  get events(): ReadableStream<SttEvent> {
    return this.session.events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.session[Symbol.asyncDispose]();
    } finally {
      this.#ended.resolve();
    }
  }
}

function durationMs(frame: PcmFrame): number {
  return frame.samples.length / frame.sampleRateHz * 1000;
}

function codeOf(error: unknown): string {
  return error instanceof TiroError ? error.code : "unexpected";
}
