/**
 * One speaker of a session: opens their pipeline when the door asks for it, and closes it when it fails. The door decides
 * when to open another.
 */
import {
  type Caption,
  type Clock,
  codeOf,
  type ExpectedWords,
  type HostedSpeaker,
  type Log,
  type Meter,
  type SourceEvent,
  type SourceKind,
  type SourceMessage,
  type SourceOptions,
  type SourceReply,
  type SourceRequest,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerTrouble,
  UnavailableError,
} from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import { Part } from "./part.ts";
import type { Session } from "./session.ts";

export interface SessionSpeakerOptions<Kind extends SourceKind> {
  /** Unique within the session. */
  id: string;
  languageId: string;
  /** Names and terms to expect, at the time a pipeline opens. */
  words?: () => ExpectedWords;
  source: SourceOptions<Kind>;
  host: SpeakerHost;
  /** Is reported their part when they have ended. */
  session: Pick<Session, "speakerEnded" | "isShuttingDown">;
  /** Of Nextcloud or of a JWT, where it is known by now. */
  userId?: () => string | undefined;
  onCaption: (caption: Caption) => void;
  /** First audio, and first after audio was lost. */
  onReceived?: () => void;
  onSource?: (event: SourceEvent<Kind>) => void;
  /** Received audio cannot be captioned, or (undefined) can again. Called on changes. */
  onTrouble?: (trouble: SpeakerTrouble | undefined) => void;
  /** The pipeline failed and is closed. */
  onFailed?: (error: unknown) => void;
  /** The speaker's own. */
  scope: Scope;
  clock: Clock;
  /** The wall clock, Unix time, ms; default Date.now. */
  unixNowMs?: () => number;
  log: Log;
  meter: Meter;
}

export class SessionSpeaker<Kind extends SourceKind> implements AsyncDisposable {
  readonly #options: SessionSpeakerOptions<Kind>;
  #pipeline: HostedSpeaker<Kind> | undefined;
  #languageId: string;
  #isReceiving = false;
  readonly #part: Part;
  #userId: string | undefined;
  /** Of the current pipeline: one that is closing may still report. */
  #state: { trouble?: SpeakerTrouble } = {};

  constructor(options: SessionSpeakerOptions<Kind>) {
    this.#options = options;
    this.#languageId = options.languageId;
    this.#part = new Part(options);
    options.scope.defer(() => this.#end());
  }

  get isOpen(): boolean {
    return this.#pipeline !== undefined;
  }

  /** Identifies the current pipeline. */
  get pipeline(): object | undefined {
    return this.#pipeline;
  }

  /** Whether audio arrives. */
  get isReceiving(): boolean {
    return this.#isReceiving;
  }

  /** Why received audio cannot be captioned now. */
  get trouble(): SpeakerTrouble | undefined {
    return this.#state.trouble;
  }

  /** Opens the pipeline unless it is open. Throws the host's errors: UnavailableError if it has no place. */
  open(): void {
    if (this.#pipeline) return;
    const { id, source, words, host, onCaption, onReceived, onSource, onTrouble } = this.#options;
    const state: { trouble?: SpeakerTrouble } = this.#state = {};
    this.#identify();
    const options = { speaker: { id }, languageId: this.#languageId, words: words?.(), source };
    const events: SpeakerEvents<Kind> = {
      caption: onCaption,
      receiving: () => {
        if (this.#state !== state) return;
        this.#isReceiving = true;
        this.#part.received();
        onReceived?.();
      },
      source: (event) => {
        if (this.#state === state) onSource?.(event);
      },
      trouble: (trouble) => {
        state.trouble = trouble;
        if (this.#state === state) onTrouble?.(trouble);
      },
      failed: (error) => {
        if (this.#state === state) this.fail(error);
      },
    };
    this.#pipeline = this.#part.open(() => host.open(options, events));
  }

  /** To the source; ignored while the pipeline is closed. */
  send(message: SourceMessage<Kind>): void {
    this.#pipeline?.send(message);
  }

  /** To the source. Rejects with its errors, and with UnavailableError while the pipeline is closed. */
  request(request: SourceRequest<Kind>): Promise<SourceReply<Kind>> {
    return this.#pipeline?.request(request) ??
      Promise.reject(new UnavailableError("Cannot reach the speaker: they are not being captioned", "busy"));
  }

  /** Audio no longer arrives. */
  lost(): void {
    this.#isReceiving = false;
  }

  setLanguage(languageId: string): void {
    this.#languageId = languageId;
    this.#pipeline?.setLanguage(languageId);
  }

  setWords(words: ExpectedWords): void {
    this.#pipeline?.setWords(words);
  }

  /** Closes a pipeline that failed. */
  fail(error: unknown): void {
    if (this.#options.scope.signal.aborted || !this.#pipeline) return;
    this.report("speaker failed", error);
    this.#part.failed();
    this.close();
    this.#options.onFailed?.(error);
  }

  /** Closes the pipeline; audio in flight is dropped. */
  close(): void {
    const { scope } = this.#options;
    const pipeline = this.#pipeline;
    this.#pipeline = undefined;
    this.#isReceiving = false;
    this.#state = {};
    if (scope.signal.aborted || !pipeline) return;
    scope.run(async () => {
      try {
        await pipeline[Symbol.asyncDispose]();
      } catch (error) {
        this.report("speaker not closed cleanly", error);
      }
    });
  }

  /** Delivers what was received so far; the signal bounds the wait. Never rejects. */
  async drain(signal: AbortSignal): Promise<void> {
    try {
      await this.#pipeline?.drain(signal);
    } catch (error) {
      if (!signal.aborted && !this.#options.scope.signal.aborted) {
        this.report("speaker not drained", error);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#options.scope[Symbol.asyncDispose]();
  }

  /** Counts and logs an error of this speaker. */
  report(message: string, error: unknown, level: "warn" | "debug" = "warn"): void {
    const { log, meter } = this.#options;
    const code = codeOf(error);
    meter.count("transcription_errors_total", code);
    log[level](message, { code });
  }

  /** Closes the pipeline, then reports the speaker's part. */
  async #end(): Promise<void> {
    const { id, session } = this.#options;
    const { trouble } = this.#state;
    try {
      await this.#pipeline?.[Symbol.asyncDispose]();
    } finally {
      this.#identify();
      const part = this.#part.ended({ trouble, isShuttingDown: session.isShuttingDown });
      if (part) {
        session.speakerEnded({ speakerId: id, userId: this.#userId, languageId: this.#languageId, ...part });
      }
    }
  }

  #identify(): void {
    this.#userId = this.#options.userId?.() ?? this.#userId;
  }
}
