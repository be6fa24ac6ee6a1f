/**
 * Opens speech-to-text sessions for all speakers of a worker: one attempt each, but one after the other while the server is
 * known to fail, so that 500 speakers do not each probe it. A fault and its end are logged once.
 */
import {
  type Clock,
  codeOf,
  type ExpectedWords,
  expectedWordsFor,
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
import { MeasuredLatency } from "./trailing_silence.ts";

/** Of one session. The words depend on the recogniser that opens it. */
export interface OpenOptions extends Omit<SttOptions, "words"> {
  words?: ExpectedWords;
}

export interface SttSessionsOptions {
  stt: SpeechToText;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** Sessions often fail together: one log line per kind in this time. */
const LOG_EVERY_MS = 10_000;
/** A session takes half a second to open, longer if something has to start. */
const SLOW_MS = 3_000;

export class SttSessions {
  readonly stt: SpeechToText;
  readonly latency = new MeasuredLatency();
  readonly #options: SttSessionsOptions;
  readonly #retry: SharedRetry;
  #fault: { code: string; error: unknown; sinceMs: number } | undefined;
  /** When the first slow attempt began. */
  #slowSinceMs: number | undefined;
  /** Speakers in trouble: other speakers' sessions may show that it is over, as these may not speak for long. */
  readonly #troubled = new Set<RecogniserTrouble>();
  /** When each kind was logged last. */
  readonly #loggedMs = new Map<string, number>();

  constructor(options: SttSessionsOptions) {
    this.#options = options;
    this.stt = options.stt;
    this.#retry = new SharedRetry({ clock: options.clock });
  }

  /** The last error of opening; undefined while sessions can be opened. */
  get fault(): unknown {
    return this.#fault?.error;
  }

  /** Resolves when the caller may open a session. The attempt has to end, by `open` or by `abandoned`. */
  attempt(signal: AbortSignal): Promise<SharedAttempt> {
    return this.#retry.turn(signal);
  }

  /** Rejects with SttError, or the signal's reason. */
  async open(attempt: SharedAttempt, options: OpenOptions, signal: AbortSignal): Promise<SttSession> {
    const { stt, clock, meter } = this.#options;
    const startMs = clock.now();
    using _slow = clock.timer(SLOW_MS, () => this.#slow(startMs));
    try {
      const words = expectedWordsFor(stt.features, options.words ?? {});
      const session = await stt.open({ ...options, words }, signal);
      if (signal.aborted) await session[Symbol.asyncDispose](); // aborted while it opened
      signal.throwIfAborted();
      meter.observe("tiro_stt_open_ms", clock.now() - startMs);
      attempt.worked();
      this.#available();
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

  /** Reports the trouble of one speaker when it changes. */
  trouble(report: (trouble: SpeakerTrouble | undefined) => void): RecogniserTrouble {
    const own: RecogniserTrouble = new RecogniserTrouble(this.#options.clock, (trouble) => {
      if (trouble === undefined) this.#troubled.delete(own);
      else this.#troubled.add(own);
      report(trouble);
    }, () => this.#troubled.delete(own));
    return own;
  }

  /** A session of any speaker recognised something. */
  recognised(): void {
    for (const trouble of this.#troubled) trouble.recognised();
  }

  /** An open session ended without an error. */
  closed(): void {
    this.#options.meter.count("tiro_stt_sessions_total", "closed");
  }

  /** An open session failed. */
  lost(error: unknown): void {
    const { meter } = this.#options;
    meter.count("tiro_stt_sessions_total", "failed");
    meter.count("transcription_errors_total", codeOf(error));
    if (!(error instanceof TiroError && error.retryable)) this.#retry.failed(error);
    this.#logSeldom(codeOf(error), () => this.#logFailure("speech-to-text session failed", error));
  }

  /** A session was replaced because it sent no events for long. */
  replaced(hasResponded: boolean): void {
    const { log, meter } = this.#options;
    meter.count("tiro_stt_sessions_total", "silent");
    const message = "speech-to-text session replaced: much sound and no word, which may be music";
    this.#logSeldom("silent", () => log.info(message, { provider: this.stt.name, hasResponded }));
  }

  #logSeldom(kind: string, write: () => void): void {
    const nowMs = this.#options.clock.now();
    if (nowMs < (this.#loggedMs.get(kind) ?? -Infinity) + LOG_EVERY_MS) return;
    this.#loggedMs.set(kind, nowMs);
    write();
  }

  #logFailure(message: string, error: unknown): void {
    const { log } = this.#options;
    // An error that needs somebody to act is logged with its message.
    if (error instanceof TiroError && !error.retryable) {
      log.error(message, error, { provider: this.stt.name });
    } else log.warn(message, { provider: this.stt.name, code: codeOf(error) });
  }

  #slow(startMs: number): void {
    if (this.#slowSinceMs !== undefined || this.#fault) return;
    this.#slowSinceMs = startMs;
    this.#options.log.warn("speech-to-text slow to answer: it may be starting", { provider: this.stt.name });
  }

  #failed(error: unknown): void {
    const code = codeOf(error);
    if (this.#fault?.code === code) return;
    this.#fault = { code, error, sinceMs: this.#fault?.sinceMs ?? this.#options.clock.now() };
    this.#logFailure("speech-to-text unavailable", error);
  }

  #available(): void {
    const { clock, log } = this.#options;
    const sinceMs = this.#fault?.sinceMs ?? this.#slowSinceMs;
    if (sinceMs === undefined) return;
    this.#fault = this.#slowSinceMs = undefined;
    const seconds = Math.round((clock.now() - sinceMs) / 1_000);
    log.info("speech-to-text available", { provider: this.stt.name, seconds });
  }
}
