/** An open session with what was sent to it and what it returned. */
import type { PcmFrame, SttSession } from "../domain/mod.ts";

/** Longer than any sentence a recogniser waits for the end of (Whisper's are cut at 30 s). */
const NO_EVENT_MS = 30_000;
/** Music and laughter last longer; a session that has responded gets more time for them. */
const NO_MORE_EVENTS_MS = 75_000;

export class LiveSession implements AsyncDisposable {
  /** Audio sent, ms: session time. */
  sentMs = 0;
  /** Voice sent since its last event, ms. */
  unansweredMs = 0;
  hasResponded = false;
  hasRecognised = false;
  /** It sends no events, and a replacement is being opened. */
  isSuspected = false;
  isFinishing = false;
  readonly #ended = Promise.withResolvers<void>();
  /** Resolves when it is disposed and its events have been handled. */
  readonly ended: Promise<void> = this.#ended.promise;

  constructor(
    readonly stt: SttSession,
    readonly languageId: string,
    /** When it opened, then when it came into use. */
    public sinceMs: number,
  ) {}

  async write(frame: PcmFrame, durationMs: number): Promise<void> {
    await this.stt.write(frame);
    this.sentMs += durationMs;
    if (frame.voiced) this.unansweredMs += durationMs;
  }

  responded(): void {
    this.hasResponded = true;
    this.isSuspected = false;
    this.unansweredMs = 0;
  }

  /** If it is not replaced, the time without events starts again. */
  suspect(): void {
    this.isSuspected = true;
    this.unansweredMs = 0;
  }

  /** Whether it had much voice and sent no event. Audio sent again in a burst has had no time to be recognised. */
  isSilent(nowMs: number): boolean {
    const patienceMs = this.hasResponded ? NO_MORE_EVENTS_MS : NO_EVENT_MS;
    return this.unansweredMs >= patienceMs && nowMs >= this.sinceMs + patienceMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stt[Symbol.asyncDispose]();
    } finally {
      this.#ended.resolve();
    }
  }
}
