/** A session's events until they are read, and its end: once, for one reason, also by its signal. */
import { LIMITS, OverflowError, type SttEvent } from "../domain/mod.ts";
import { BoundedQueue } from "../flow/mod.ts";

/** Bounded in number and bytes; overflow ends the session, as words may not be dropped. */
export function sttEventQueue(): BoundedQueue<SttEvent> {
  return new BoundedQueue({
    capacity: LIMITS.sttEvents,
    bytes: { max: LIMITS.sttEventBytes, of: (event) => "text" in event ? 2 * event.text.length : 0 },
  });
}

export class SessionEvents {
  readonly #queue = sttEventQueue();
  readonly stream: ReadableStream<SttEvent> = this.#queue.readable();
  readonly #signal: AbortSignal;
  readonly #onEnd: (reason: unknown) => void;
  #endReason: unknown;
  #failure: unknown;

  constructor(signal: AbortSignal, onEnd: (reason: unknown) => void) {
    this.#signal = signal;
    this.#onEnd = onEnd;
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Why writes are rejected; undefined while the session is open. */
  get endReason(): unknown {
    return this.#endReason;
  }

  /** The error of the stream, if any. */
  get failure(): unknown {
    return this.#failure;
  }

  push(event: SttEvent): void {
    if (this.#queue.push(event) || this.#queue.dropped === 0) return;
    this.fail(new OverflowError("stt_events", LIMITS.sttEvents));
  }

  /** Writes and the stream reject with the error. */
  fail(error: Error): void {
    this.end(error, error);
  }

  /** Writes reject with `reason`; `failure`, if any, is the error of the stream. */
  end(reason: unknown, failure?: unknown): void {
    if (this.#endReason !== undefined) return;
    this.#endReason = reason;
    this.#failure = failure;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#queue.close({ error: failure });
    this.#onEnd(reason);
  }

  readonly #onAbort = () => this.end(this.#signal.reason);
}
