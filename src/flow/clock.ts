/** The real clock. Tests use `tests/fakes/clock.ts`. */
import type { Clock } from "../domain/mod.ts";
import { TimerWheel } from "./timer_wheel.ts";

const wheel = new TimerWheel();

export const systemClock: Clock = {
  now: () => performance.now(),
  timer: (delayMs, callback) => wheel.timer(delayMs, callback),
};

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export function delay(delayMs: number, signal: AbortSignal, clock: Clock = systemClock): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => {
      timer[Symbol.dispose]();
      reject(signal.reason);
    };
    const timer = clock.timer(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Settles like `work`, or rejects with the signal's reason if that comes first. The work itself is not stopped:
 * its late result is ignored, a late rejection swallowed.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
