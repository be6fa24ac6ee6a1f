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

  const stop = () => {
    inbox.onArrival = () => {};
    patience?.[Symbol.dispose]();
    deadline[Symbol.dispose]();
  };
  const attempt = (work: () => void) => {
    try {
      work();
    } catch (error) {
      stop();
      reject(error);
    }
  };
  const deadline = new Deadline(core, clock, () => attempt(fire));
  const rearm = () => {
    inputsWanted = core.inputsWanted;
    deadline.rearm();
  };
  const fire = () => {
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

/** The one timer of a core. */
export class Deadline implements Disposable {
  #timer: Disposable | undefined;
  #armedFor: number | undefined;

  /** `fire` is called at the core's deadline; it calls `due`, then `rearm`. */
  constructor(
    private readonly core: Pick<TimedCore<never>, "nextDeadline">,
    private readonly clock: Clock,
    private readonly fire: () => void,
  ) {}

  /** To be called when the core's deadline may have changed. */
  rearm(): void {
    const deadline = this.core.nextDeadline();
    if (deadline === this.#armedFor) return;
    this[Symbol.dispose]();
    if (deadline === undefined) return;
    this.#armedFor = deadline;
    this.#timer = this.clock.timer(Math.max(0, deadline - this.clock.now()), () => {
      this.#timer = this.#armedFor = undefined;
      this.fire();
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.#armedFor = undefined;
  }
}
