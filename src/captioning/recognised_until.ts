/**
 * How much of the audio sent was recognised, where words alone show that: a word shows it for what was sent before its
 * latency. Audio is marked with the time when it can have been recognised. Pure: time is an argument.
 */

/** A burst is recognised at least at twice the speed of speech. */
const CATCH_UP = 2;
/** Sent again besides: a word may be cut in two, and the end of a voice is known to a chunk. */
const SENT_AGAIN_MS = 300;

export class RecognisedUntil {
  /** When the audio sent will have been recognised. */
  #markMs = 0;
  #untilMs = -Infinity;
  /** Audio sent faster than it was spoken: since when, and when it will have been recognised. */
  #burst = { sinceMs: 0, untilMs: -Infinity };

  /** Audio is sent: its mark. */
  sent(durationMs: number, nowMs: number): number {
    this.#markMs = Math.max(nowMs, this.#markMs + durationMs / CATCH_UP);
    if (this.#markMs > nowMs + durationMs) {
      const sinceMs = nowMs > this.#burst.untilMs ? nowMs : this.#burst.sinceMs;
      this.#burst = { sinceMs, untilMs: this.#markMs };
    }
    return this.#markMs;
  }

  /** A word arrived, `behindMs` or less after it was sent. Returns the mark of what was recognised. */
  word(nowMs: number, behindMs: number): number {
    this.#untilMs = Math.max(this.#untilMs, nowMs - behindMs - SENT_AGAIN_MS);
    return this.#untilMs;
  }

  /** All that was sent was recognised, or the next session begins anew. */
  all(nowMs: number): void {
    this.#untilMs = nowMs;
    this.#burst.untilMs = -Infinity;
  }

  /** When the oldest of what was not recognised was sent. */
  get sinceMs(): number {
    return this.#untilMs < this.#burst.untilMs ? Math.min(this.#untilMs, this.#burst.sinceMs) : this.#untilMs;
  }
}
