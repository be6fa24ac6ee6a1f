/** Sleeps until a time, or until it is woken. One sleeper; the end of its scope wakes it. */
import type { Clock } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

export class Wakeup {
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #sleeping: PromiseWithResolvers<void> | undefined;
  #timer: Disposable | undefined;

  constructor(scope: Scope, clock: Clock) {
    this.#clock = clock;
    this.#signal = scope.signal;
    scope.defer(() => this.#timer?.[Symbol.dispose]());
    // Once, not for each sleep: there are five a second.
    scope.signal.addEventListener("abort", this.wake, { once: true });
  }

  /** Rejects with the scope's reason if that has ended. */
  async sleep(untilMs: number): Promise<void> {
    this.#signal.throwIfAborted();
    const sleeping = this.#sleeping = Promise.withResolvers<void>();
    if (untilMs < Infinity) {
      this.#timer = this.#clock.timer(Math.max(0, untilMs - this.#clock.now()), this.wake);
    }
    await sleeping.promise;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  readonly wake = (): void => {
    this.#sleeping?.resolve();
    this.#sleeping = undefined;
  };
}
