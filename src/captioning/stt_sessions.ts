/**
 * Opens speech-to-text sessions for all speakers of a thread: one attempt each, but in turn while the server is known to
 * be dead or to refuse, so that 500 speakers do not each find it out again and again. What is wrong is logged once, and
 * so is its end, whoever waits for it.
 */
import {
  type Clock,
  codeOf,
  type Log,
  type Meter,
  type SpeakerTrouble,
  type SpeechToText,
  type SttOptions,
  type SttSession,
  TiroError,
} from "../domain/mod.ts";
import { type SharedAttempt, SharedRetry } from "../flow/mod.ts";
import { RecogniserTrouble } from "./recogniser_trouble.ts";
import { Lag } from "./tail.ts";

export interface SttSessionsOptions {
  stt: SpeechToText;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** A session that is lost is seldom lost alone: more than one line in this time says nothing new. */
const LOG_EVERY_MS = 10_000;
/** A session takes half a second to open; one that takes this long waits for something to start. */
const SLOW_MS = 3_000;

export class SttSessions {
  readonly stt: SpeechToText;
  /** How far behind it is found to be. */
  readonly lag = new Lag();
  readonly #options: SttSessionsOptions;
  readonly #retry: SharedRetry;
  /** What is known to be wrong, since when. */
  #fault: { code: string; error: unknown; sinceMs: number } | undefined;
  /** Since when sessions take long to open. */
  #slowSinceMs: number | undefined;
  /** Speakers in trouble: of what is over they hear from others, for they may not speak for long. */
  readonly #troubled = new Set<RecogniserTrouble>();
  /** When each kind of line was written last. */
  readonly #loggedMs = new Map<string, number>();

  constructor(options: SttSessionsOptions) {
    this.#options = options;
    this.stt = options.stt;
    this.#retry = new SharedRetry({ clock: options.clock });
  }

  /** Why the last attempt of anybody failed; undefined while sessions can be opened. */
  get fault(): unknown {
    return this.#fault?.error;
  }

  /** Resolves when the caller may open a session: with `open`, or not at all (`abandoned`). */
  turn(signal: AbortSignal): Promise<SharedAttempt> {
    return this.#retry.turn(signal);
  }

  /** Opens a session. Rejects with SttError, or the signal's reason. */
  async open(attempt: SharedAttempt, options: SttOptions, signal: AbortSignal): Promise<SttSession> {
    const { stt, clock, meter } = this.#options;
    const startMs = clock.now();
    using _slow = clock.timer(SLOW_MS, () => this.#slow(startMs));
    try {
      const session = await stt.open(options, signal);
      if (signal.aborted) await session[Symbol.asyncDispose](); // it opened as its speaker left
      signal.throwIfAborted();
      meter.observe("tiro_stt_open_ms", clock.now() - startMs);
      attempt.worked();
      this.#works();
      for (const trouble of this.#troubled) trouble.available();
      return session;
    } catch (error) {
      if (signal.aborted) attempt.abandoned();
      else {
        attempt.failed(error);
        meter.count("tiro_stt_sessions_total", "not_opened");
        meter.count("transcription_errors_total", codeOf(error));
        this.#failed(error);
      }
      throw error;
    }
  }

  /** The trouble of one speaker, as it comes and goes. */
  trouble(report: (trouble: SpeakerTrouble | undefined) => void): RecogniserTrouble {
    const own: RecogniserTrouble = new RecogniserTrouble(this.#options.clock, (trouble) => {
      if (trouble === undefined) this.#troubled.delete(own);
      else this.#troubled.add(own);
      report(trouble);
    }, () => this.#troubled.delete(own));
    return own;
  }

  /** Some speaker's session recognised something. */
  recognised(): void {
    for (const trouble of this.#troubled) trouble.recognised();
  }

  /** A session that was open failed. */
  lost(error: unknown): void {
    if (!(error instanceof TiroError && error.retryable)) this.#retry.failed(error);
    this.#seldom(codeOf(error), () => this.#complain("speech-to-text session lost", error));
  }

  /** A session gave way to another because nothing was recognised in it for long. */
  silent(hasSpoken: boolean): void {
    const message = "speech-to-text session replaced: much sound and no word, which may be music";
    this.#seldom("silent", () => this.#options.log.info(message, { provider: this.stt.name, hasSpoken }));
  }

  #seldom(kind: string, write: () => void): void {
    const nowMs = this.#options.clock.now();
    if (nowMs < (this.#loggedMs.get(kind) ?? -Infinity) + LOG_EVERY_MS) return;
    this.#loggedMs.set(kind, nowMs);
    write();
  }

  #complain(message: string, error: unknown): void {
    const { log } = this.#options;
    // What does not get better by itself needs the whole of its message: somebody has to act on it.
    if (error instanceof TiroError && !error.retryable) {
      log.error(message, error, { provider: this.stt.name });
    } else log.warn(message, { provider: this.stt.name, code: codeOf(error) });
  }

  #slow(startMs: number): void {
    if (this.#slowSinceMs !== undefined || this.#fault) return;
    this.#slowSinceMs = startMs;
    this.#options.log.warn("speech-to-text does not answer yet: it may be starting", {
      provider: this.stt.name,
    });
  }

  #failed(error: unknown): void {
    const code = codeOf(error);
    if (this.#fault?.code === code) return;
    this.#fault = { code, error, sinceMs: this.#fault?.sinceMs ?? this.#options.clock.now() };
    this.#complain("speech-to-text not available", error);
  }

  #works(): void {
    const { clock, log } = this.#options;
    const sinceMs = this.#fault?.sinceMs ?? this.#slowSinceMs;
    if (sinceMs === undefined) return;
    this.#fault = this.#slowSinceMs = undefined;
    const seconds = Math.round((clock.now() - sinceMs) / 1_000);
    log.info("speech-to-text is available", { provider: this.stt.name, seconds });
  }
}
