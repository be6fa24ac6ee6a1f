/**
 * One speech-to-text provider for all speakers of a process: opens its sessions, one attempt each, but one after the other
 * while the server is known to fail, so that 500 speakers do not each probe it. A fault and its end are logged once.
 */
import {
  type Clock,
  codeOf,
  type ExpectedWords,
  expectedWordsFor,
  foldLanguage,
  type Log,
  type Meter,
  type RecogniserState,
  type SpeechToText,
  type SttOptions,
  TiroError,
} from "../domain/mod.ts";
import { type Backoff, type SharedAttempt, SharedRetry } from "../flow/mod.ts";
import { LiveSession } from "./live_session.ts";
import { MeasuredLatency } from "./trailing_silence.ts";
import { Trust } from "./trust.ts";

/** Of one session. The words depend on the recogniser that opens it. */
export interface OpenOptions extends Omit<SttOptions, "words"> {
  words?: ExpectedWords;
}

export interface RecogniserParts {
  clock: Clock;
  log: Log;
  meter: Meter;
  /** A session of any speaker opened. */
  opened: () => void;
}

/** A process of this service's own is replaced in half a second, and an attempt costs nothing. */
const LOCAL_BACKOFF: Backoff = { baseMs: 100, maxMs: 2_000 };
/** Sessions often fail together: one log line per kind in this time. */
const LOG_EVERY_MS = 10_000;
/** A session takes half a second to open, longer if something has to start. */
const SLOW_MS = 3_000;
/** An open that takes this long lets the next recogniser serve meanwhile. */
export const HANGING_MS = 1_500;

export class Recogniser {
  readonly latency = new MeasuredLatency();
  /** Its sessions in use: one for each speaker it serves. */
  readonly #serving = new Set<LiveSession>();
  readonly #parts: RecogniserParts;
  readonly #retry: SharedRetry;
  readonly #trust = new Trust();
  #fault: { code: string; error: unknown; sinceMs: number } | undefined;
  /** When the first slow attempt began. */
  #slowSinceMs: number | undefined;
  /** Opens that have taken longer than HANGING_MS while no other one ended. */
  readonly #hanging = new Set<SharedAttempt>();
  /** When each kind was logged last. */
  readonly #loggedMs = new Map<string, number>();

  constructor(
    readonly stt: SpeechToText,
    /** Its place in the list, 0 for the first. */
    readonly rank: number,
    parts: RecogniserParts,
  ) {
    this.#parts = parts;
    this.#retry = new SharedRetry({
      clock: parts.clock,
      backoff: stt.features.isLocal ? LOCAL_BACKOFF : undefined,
    });
  }

  get name(): string {
    return this.stt.name;
  }

  /** The last error of opening; undefined while sessions can be opened. */
  get fault(): unknown {
    return this.#fault?.error;
  }

  /** How many it serves. */
  get speakers(): number {
    return this.#serving.size;
  }

  get state(): RecogniserState {
    if (this.#fault?.code === "stt_full") return "full";
    if (this.#fault !== undefined || this.#trust.isLost) return "failing";
    return this.#hanging.size > 0 ? "starting" : "available";
  }

  /** Whether a session can be expected to open and to recognise something. */
  get isAvailable(): boolean {
    return this.#hanging.size === 0 && this.#retry.isOpen && this.#trust.admits(this.#parts.clock.now());
  }

  /** Its own id for a language; undefined where it has none. One that has not listed its languages may have it. */
  languageId(wanted: string): string | undefined {
    const { languages } = this.stt;
    return languages.length === 0 ? wanted : foldLanguage(wanted, languages.map(({ id }) => id));
  }

  /** Undefined unless it is available. The attempt has to end, by `open` or by `abandoned`. */
  attemptNow(): SharedAttempt | undefined {
    return this.isAvailable ? this.#retry.attempt() : undefined;
  }

  /** The same for one that no other recogniser could serve: undefined only where opening fails or hangs. */
  attemptUntrusted(): SharedAttempt | undefined {
    return this.#hanging.size === 0 ? this.#retry.attempt() : undefined;
  }

  /** Resolves when the caller may open a session; for one that no other recogniser could serve. */
  attempt(signal: AbortSignal): Promise<SharedAttempt> {
    return this.#retry.turn(signal);
  }

  /** `options.languageId` may be another recogniser's. Rejects with SttError, or the signal's reason. */
  async open(attempt: SharedAttempt, options: OpenOptions, signal: AbortSignal): Promise<LiveSession> {
    const { clock, meter } = this.#parts;
    const startMs = clock.now();
    const trial = this.#trust.begin(startMs);
    using _hanging = clock.timer(HANGING_MS, () => void this.#hanging.add(attempt));
    using _slow = clock.timer(SLOW_MS, () => this.#slow(startMs));
    const { languageId } = options;
    try {
      const ownId = this.languageId(languageId) ?? languageId;
      const words = expectedWordsFor(this.stt.features, options.words ?? {});
      const session = await this.stt.open({ ...options, languageId: ownId, words }, signal);
      if (signal.aborted) await session[Symbol.asyncDispose](); // aborted while it opened
      signal.throwIfAborted();
      this.#hanging.clear();
      meter.observe("tiro_stt_open_ms", clock.now() - startMs);
      attempt.worked();
      this.#available();
      this.#parts.opened();
      return new LiveSession({ stt: session, recogniser: this, languageId, nowMs: clock.now(), trial });
    } catch (error) {
      trial?.[Symbol.dispose]();
      if (signal.aborted) {
        this.#hanging.delete(attempt);
        attempt.abandoned();
      } else {
        this.#hanging.clear();
        attempt.failed(error);
        meter.count("tiro_stt_sessions_total", "not_opened");
        meter.count("transcription_errors_total", codeOf(error));
        this.#failed(error);
      }
      throw error;
    }
  }

  /** The session came into use. */
  serves(session: LiveSession): void {
    this.#serving.add(session);
  }

  /** The session is no longer in use. */
  served(session: LiveSession): void {
    this.#serving.delete(session);
  }

  /** A session recognised something. */
  recognised(session: LiveSession): void {
    const { log } = this.#parts;
    if (this.#trust.worked(session.openedAtMs)) log.info("speech-to-text recognises again", this.#fields);
  }

  /** A session recognised nothing in what another recogniser found words in, or failed without a word. */
  useless(session: LiveSession, error?: unknown): void {
    const { clock, log } = this.#parts;
    const wasLost = this.#trust.isLost;
    this.#trust.failed(clock.now(), session.openedAtMs, error);
    if (!wasLost && this.#trust.isLost) log.warn("speech-to-text recognises nothing", this.#fields);
  }

  /** An open session ended without an error. */
  closed(): void {
    this.#parts.meter.count("tiro_stt_sessions_total", "closed");
  }

  /** An open session failed. */
  lost(error: unknown): void {
    const { meter } = this.#parts;
    meter.count("tiro_stt_sessions_total", "failed");
    meter.count("transcription_errors_total", codeOf(error));
    if (!(error instanceof TiroError && error.retryable)) this.#retry.failed(error);
    this.#logSeldom(codeOf(error), () => this.#logFailure("speech-to-text session failed", error));
  }

  /** A session was replaced because it sent no events for long. */
  replaced(hasResponded: boolean): void {
    const { log, meter } = this.#parts;
    meter.count("tiro_stt_sessions_total", "silent");
    const message = "speech-to-text session replaced: much sound and no word, which may be music";
    this.#logSeldom("silent", () => log.info(message, { ...this.#fields, hasResponded }));
  }

  get #fields(): { provider: string } {
    return { provider: this.name };
  }

  #logSeldom(kind: string, write: () => void): void {
    const nowMs = this.#parts.clock.now();
    if (nowMs < (this.#loggedMs.get(kind) ?? -Infinity) + LOG_EVERY_MS) return;
    this.#loggedMs.set(kind, nowMs);
    write();
  }

  #logFailure(message: string, error: unknown): void {
    const { log } = this.#parts;
    // An error that needs somebody to act is logged with its message.
    if (error instanceof TiroError && !error.retryable) log.error(message, error, this.#fields);
    else log.warn(message, { ...this.#fields, code: codeOf(error) });
  }

  #slow(startMs: number): void {
    if (this.#slowSinceMs !== undefined || this.#fault) return;
    this.#slowSinceMs = startMs;
    this.#parts.log.warn("speech-to-text slow to answer: it may be starting", this.#fields);
  }

  #failed(error: unknown): void {
    const code = codeOf(error);
    if (this.#fault?.code === code) return;
    this.#fault = { code, error, sinceMs: this.#fault?.sinceMs ?? this.#parts.clock.now() };
    this.#logFailure("speech-to-text unavailable", error);
  }

  #available(): void {
    const { clock, log } = this.#parts;
    const sinceMs = this.#fault?.sinceMs ?? this.#slowSinceMs;
    if (sinceMs === undefined) return;
    this.#fault = this.#slowSinceMs = undefined;
    const seconds = Math.round((clock.now() - sinceMs) / 1_000);
    log.info("speech-to-text available", { ...this.#fields, seconds });
  }
}
