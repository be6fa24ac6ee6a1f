/** The real clock. Tests use `tests/fakes/clock.ts`. */
import type { Clock } from "../domain/mod.ts";
import { TimerWheel } from "./timer_wheel.ts";

const wheel = new TimerWheel();

export const systemClock: Clock = {
  now: () => performance.now(),
  timer: (delayMs, callback) => wheel.timer(delayMs, callback),
};

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export async function delay(delayMs: number, signal: AbortSignal, clock: Clock = systemClock): Promise<void> {
  const over = Promise.withResolvers<void>();
  using _timer = clock.timer(delayMs, over.resolve);
  await untilAborted(over.promise, signal);
}

export interface TimeoutOptions {
  signal: AbortSignal;
  timeoutMs: number;
  late: () => Error;
  clock?: Clock;
}

/** Runs `work` with a signal that aborts like `signal`, and after `timeoutMs` with the error of `late`. */
export async function withTimeout<T>(
  { signal, timeoutMs, late, clock = systemClock }: TimeoutOptions,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const over = new AbortController();
  using _timer = clock.timer(timeoutMs, () => over.abort(late()));
  return await work(AbortSignal.any([signal, over.signal]));
}

/**
 * Settles like `work`, or rejects with the signal's reason if that comes first. The work is not stopped: its late
 * result or rejection is ignored.
 */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
