/** Time in the test's hands: `advance` fires the timers that come due, in order. */
import type { Clock } from "../../src/domain/mod.ts";

export class FakeClock implements Clock {
  #nowMs: number;
  readonly #timers = new Set<{ atMs: number; callback: () => void }>();

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  timer(delayMs: number, callback: () => void): Disposable {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return { [Symbol.dispose]: () => void this.#timers.delete(timer) };
  }

  /** Timers armed and not yet fired or cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time on, letting promise callbacks run after each timer. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers].filter((t) => t.atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.callback();
    }
    this.#nowMs = endMs;
    await settle();
  }
}

/** Time as it goes by, of which the timers can be held: what waits for one of them waits until it is released. */
export class HeldClock implements Clock {
  #isHeld = false;
  /** Came due while held. */
  readonly #due = new Set<() => void>();

  constructor(private readonly clock: Clock) {}

  now(): number {
    return this.clock.now();
  }

  timer(delayMs: number, callback: () => void): Disposable {
    const fire = () => {
      if (this.#isHeld) this.#due.add(callback);
      else callback();
    };
    const timer = this.clock.timer(delayMs, fire);
    return {
      [Symbol.dispose]: () => {
        timer[Symbol.dispose]();
        this.#due.delete(callback);
      },
    };
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    for (const callback of this.#due) {
      this.#due.delete(callback);
      callback();
    }
  }
}

/** Lets everything that waits only on promises run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** Lets everything run that waits for no clock. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
