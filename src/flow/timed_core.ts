/**
 * The shell around a sans-IO core: hands it the items of a queue and the time, and owns its one timer. Items go through
 * the core in the call that brings the last one wanted.
 */
import type { Clock } from "../domain/mod.ts";
import { systemClock, untilAborted } from "./clock.ts";

/** A bounded queue, as its one consumer sees it. */
export interface Inbox<Item> {
  /** Queued items. */
  readonly size: number;
  /** The oldest item, if any. */
  take(): Item | undefined;
  /** Whether no more items arrive; queued ones can still be taken. */
  readonly ended: boolean;
  /** Called when an item arrived, and at the end. */
  onArrival: () => void;
}

/** Input and time (monotonic ms) in; its owner knows where the outputs are. */
export interface TimedCore<Input> {
  receive(input: Input, nowMs: number): void;
  /**
   * Inputs without which there will be no output: until so many are queued, or one has been for `patienceMs`, they stay
   * in the queue. Ten inputs in a row are processed faster than one in each turn of the event loop.
   */
  readonly inputsWanted: number;
  readonly patienceMs: number;
  /** Called when `nextDeadline` has passed. */
  due(nowMs: number): void;
  /** When `due` has something to do; undefined while nothing waits for time. */
  nextDeadline(): number | undefined;
  /** The input has ended. */
  flush(): void;
}

/** Resolves at the end of the input; rejects with what the core throws, or the signal's reason. */
export function runCore<Input>(
  inbox: Inbox<Input>,
  core: TimedCore<Input>,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  /** As of the core's last call. */
  let inputsWanted = core.inputsWanted;
  let patience: Disposable | undefined;
  let timer: Disposable | undefined;
  let armedFor: number | undefined;

  const stop = () => {
    inbox.onArrival = () => {};
    patience?.[Symbol.dispose]();
    timer?.[Symbol.dispose]();
  };
  const attempt = (work: () => void) => {
    try {
      work();
    } catch (error) {
      stop();
      reject(error);
    }
  };
  const rearm = () => {
    inputsWanted = core.inputsWanted;
    const deadline = core.nextDeadline();
    if (deadline === armedFor) return;
    timer?.[Symbol.dispose]();
    armedFor = deadline;
    timer = deadline === undefined
      ? undefined
      : clock.timer(Math.max(0, deadline - clock.now()), () => attempt(fire));
  };
  const fire = () => {
    timer = armedFor = undefined;
    core.due(clock.now());
    rearm();
  };
  const takeAll = () => {
    patience?.[Symbol.dispose]();
    patience = undefined;
    const nowMs = clock.now();
    for (let input = inbox.take(); input !== undefined; input = inbox.take()) core.receive(input, nowMs);
    if (!inbox.ended) return rearm();
    stop();
    core.flush();
    resolve();
  };
  const arrived = () => {
    if (inbox.ended || inbox.size >= inputsWanted) attempt(takeAll);
    else if (inbox.size > 0) patience ??= clock.timer(core.patienceMs, () => attempt(takeAll));
  };

  inbox.onArrival = arrived;
  if (!signal.aborted) arrived();
  return untilAborted(promise, signal).finally(stop);
}
