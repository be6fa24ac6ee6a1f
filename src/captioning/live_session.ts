/** An open session with what was sent to it and what it returned. */
import type { PcmFrame, SttEvent, SttSession } from "../domain/mod.ts";

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
    private readonly session: SttSession,
    readonly languageId: string,
    readonly openedAtMs: number,
  ) {}

  get events(): ReadableStream<SttEvent> {
    return this.session.events;
  }

  get stalledUntilMs(): number | undefined {
    return this.session.stalledUntilMs;
  }

  async write(frame: PcmFrame, durationMs: number): Promise<void> {
    await this.session.write(frame);
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

  finish(behindMs: number): Promise<void> {
    return this.session.finish({ behindMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.session[Symbol.asyncDispose]();
    } finally {
      this.#ended.resolve();
    }
  }
}
