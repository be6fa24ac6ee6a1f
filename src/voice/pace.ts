/**
 * When audio may be passed on. The pipeline takes audio that is up to five seconds ahead of real time and drops the rest
 * (audio/media_budget.ts); here it waits instead, so that a recording sent at once is captioned as it would be spoken. A
 * network that stalled is caught up with. Pure: time is an argument, monotonic ms.
 */

/** Below the pipeline's five seconds: time passes between here and there. */
const AHEAD_MAX_MS = 3_000;
/** What is caught up with after a stall, as in the pipeline. */
const BEHIND_MAX_MS = 10_000;

export class Pace {
  /** How far the audio passed on is ahead of the time that has passed; negative: behind. */
  #aheadMs = 0;
  #lastMs: number | undefined;
  #pausedMs = 0;

  /** Time that was not caught up with: the client sent nothing. */
  get pausedMs(): number {
    return this.#pausedMs;
  }

  /** For how long audio of this duration has to wait; 0: it may be passed on. */
  waitMs(durationMs: number, nowMs: number): number {
    this.#advance(nowMs);
    // Audio longer than the limit waits until nothing else is ahead.
    return Math.max(0, this.#aheadMs - Math.max(0, AHEAD_MAX_MS - durationMs));
  }

  /** Audio of this duration is passed on. */
  spend(durationMs: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#aheadMs += durationMs;
  }

  #advance(nowMs: number): void {
    const passedMs = nowMs - (this.#lastMs ?? nowMs);
    this.#lastMs = nowMs;
    const behindMs = passedMs - this.#aheadMs;
    this.#pausedMs += Math.max(0, behindMs - BEHIND_MAX_MS);
    this.#aheadMs = -Math.min(behindMs, BEHIND_MAX_MS);
  }
}
