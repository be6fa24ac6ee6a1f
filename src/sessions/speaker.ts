/**
 * One speaker of a session: their pipeline, which is opened when the door needs it, and closed when it breaks. The door
 * decides when another takes its place.
 */
import {
  type Caption,
  codeOf,
  type HostedSpeaker,
  type Log,
  type Meter,
  type SourceEvent,
  type SourceKind,
  type SourceMessage,
  type SourceOptions,
  type SourceReply,
  type SourceRequest,
  type SpeakerHost,
  type SpeakerTrouble,
  UnavailableError,
} from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

export interface SessionSpeakerOptions<Kind extends SourceKind> {
  /** Unique within the session. */
  id: string;
  languageId: string;
  source: SourceOptions<Kind>;
  host: SpeakerHost;
  onCaption: (caption: Caption) => void;
  onHeard?: () => void;
  onSource?: (event: SourceEvent<Kind>) => void;
  /** The pipeline broke, and is closed. */
  onFailed?: (error: unknown) => void;
  /** The speaker's own: everything of them ends with it. */
  scope: Scope;
  log: Log;
  meter: Meter;
}

export class SessionSpeaker<Kind extends SourceKind> implements AsyncDisposable {
  readonly #options: SessionSpeakerOptions<Kind>;
  #hosted: HostedSpeaker<Kind> | undefined;
  #languageId: string;
  #isHeard = false;
  /** What the newest pipeline reported. */
  #pipeline: { trouble?: SpeakerTrouble } = {};

  constructor(options: SessionSpeakerOptions<Kind>) {
    this.#options = options;
    this.#languageId = options.languageId;
    options.scope.defer(() => this.#hosted?.[Symbol.asyncDispose]());
  }

  get isOpen(): boolean {
    return this.#hosted !== undefined;
  }

  /** Stands for the pipeline there is: another one is another. */
  get pipeline(): object | undefined {
    return this.#hosted;
  }

  /** Whether audio arrives. */
  get isHeard(): boolean {
    return this.#isHeard;
  }

  /** Why what is received cannot be captioned now; undefined while it can. */
  get trouble(): SpeakerTrouble | undefined {
    return this.#pipeline.trouble;
  }

  /** Opens the pipeline, unless it is open. Throws what the host throws: UnavailableError where there is no place. */
  open(): void {
    if (this.#hosted) return;
    const { id, source, host, onCaption, onHeard, onSource } = this.#options;
    const pipeline: { trouble?: SpeakerTrouble } = this.#pipeline = {};
    this.#hosted = host.open({ speaker: { id }, languageId: this.#languageId, source }, {
      caption: onCaption,
      heard: () => {
        this.#isHeard = true;
        onHeard?.();
      },
      source: (event) => onSource?.(event),
      trouble: (trouble) => void (pipeline.trouble = trouble),
      failed: (error) => this.fail(error),
    });
  }

  /** For the source; nothing where the pipeline is closed. */
  send(message: SourceMessage<Kind>): void {
    this.#hosted?.send(message);
  }

  /** For the source. Rejects with what it rejects with, and with UnavailableError where the pipeline is closed. */
  request(request: SourceRequest<Kind>): Promise<SourceReply<Kind>> {
    return this.#hosted?.request(request) ??
      Promise.reject(new UnavailableError("Cannot reach the speaker: they are not being captioned", "busy"));
  }

  /** No audio arrives any more. */
  lost(): void {
    this.#isHeard = false;
  }

  setLanguage(languageId: string): void {
    this.#languageId = languageId;
    this.#hosted?.setLanguage(languageId);
  }

  /** Closes a pipeline that broke. */
  fail(error: unknown): void {
    if (this.#options.scope.signal.aborted || !this.#hosted) return;
    this.complain("speaker failed", error);
    this.close();
    this.#options.onFailed?.(error);
  }

  /** Closes the pipeline; what was in flight is dropped. */
  close(): void {
    const { scope } = this.#options;
    const hosted = this.#hosted;
    this.#hosted = undefined;
    this.#isHeard = false;
    this.#pipeline = {};
    if (scope.signal.aborted || !hosted) return;
    scope.run(async () => {
      try {
        await hosted[Symbol.asyncDispose]();
      } catch (error) {
        this.complain("speaker not closed cleanly", error);
      }
    });
  }

  /** Delivers what was received so far; the signal bounds the wait. Never rejects. */
  async drain(signal: AbortSignal): Promise<void> {
    try {
      await this.#hosted?.drain(signal);
    } catch (error) {
      if (!signal.aborted && !this.#options.scope.signal.aborted) {
        this.complain("speaker not drained", error);
      }
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#options.scope[Symbol.asyncDispose]();
  }

  /** Counts and logs what went wrong with this speaker. */
  complain(message: string, error: unknown, level: "warn" | "debug" = "warn"): void {
    const { log, meter } = this.#options;
    const code = codeOf(error);
    meter.count("transcription_errors_total", code);
    log[level](message, { code });
  }
}
