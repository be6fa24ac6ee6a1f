/**
 * How late the event loop runs what is due: a timer that notes by how much it was late. (The measure of prom-client
 * relies on a Node API that reports next to nothing under Deno.)
 */
import type { Clock } from "../domain/mod.ts";

const INTERVAL_MS = 500;
/** A worst value is remembered for one to two of these, so that a scrape every 15 or 30 s sees it. */
const WINDOW_MS = 30_000;

export class EventLoopLag implements Disposable {
  readonly #clock: Clock;
  #timer: Disposable;
  #dueMs: number;
  #windowStartMs: number;
  #worstMs = 0;
  #worstBeforeMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#windowStartMs = clock.now();
    this.#dueMs = this.#windowStartMs + INTERVAL_MS;
    this.#timer = clock.timer(INTERVAL_MS, () => this.#tick());
  }

  /** The longest delay seen in the last half minute to minute, ms; includes a delay still going on. */
  worstMs(): number {
    const current = Math.max(0, this.#clock.now() - this.#dueMs);
    return Math.max(this.#worstMs, this.#worstBeforeMs, current);
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #tick(): void {
    const nowMs = this.#clock.now();
    this.#worstMs = Math.max(this.#worstMs, nowMs - this.#dueMs);
    if (nowMs - this.#windowStartMs >= WINDOW_MS) {
      this.#worstBeforeMs = this.#worstMs;
      this.#worstMs = 0;
      this.#windowStartMs = nowMs;
    }
    this.#dueMs = nowMs + INTERVAL_MS;
    this.#timer = this.#clock.timer(INTERVAL_MS, () => this.#tick());
  }
}
