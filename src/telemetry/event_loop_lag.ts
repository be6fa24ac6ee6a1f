/**
 * Event loop lag: by how much a timer fires late. prom-client's relies on monitorEventLoopDelay, which reports under 1 ms
 * on Deno 2.9.6 whatever blocks the loop.
 */
import type { Clock } from "../domain/mod.ts";

const INTERVAL_MS = 500;
/** The maximum is kept for one to two windows, so that a scrape every 15 or 30 s sees it. */
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

  /** The longest delay of the last 30 to 60 s, ms, the present one included. */
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
