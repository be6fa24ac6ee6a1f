/** A session together with what was sent to it, what it said, and the news that its events have all been handled. */
import type { PcmFrame, SttEvent, SttSession } from "../domain/mod.ts";

export class LiveSession implements AsyncDisposable {
  /** Audio sent, ms: session time. */
  sentMs = 0;
  /** Voice sent since it last said something, ms. */
  unansweredMs = 0;
  /** It said anything; and words. */
  hasSpoken = false;
  hasRecognised = false;
  /** Another is being opened in its place. */
  isSuspected = false;
  isFinishing = false;
  readonly #ended = Promise.withResolvers<void>();
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

  async write(frame: PcmFrame): Promise<void> {
    const durationMs = frame.samples.length / frame.sampleRateHz * 1_000;
    await this.session.write(frame);
    this.sentMs += durationMs;
    if (frame.voiced) this.unansweredMs += durationMs;
  }

  spoke(): void {
    this.hasSpoken = true;
    this.isSuspected = false;
    this.unansweredMs = 0;
  }

  /** It says nothing. Should it stay, it gets as much time again. */
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
