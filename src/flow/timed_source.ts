/**
 * The shell around a sans-IO core: makes one ReadableStream of a queue and the core behind it, and owns the core's one
 * timer. The core never sees a clock it was not handed.
 *
 * While its reader waits, items go through the core in the call that brings the last one wanted; a stream between the
 * two would cost more than the core does. When the reader does not wait, items stay in the queue, which is bounded and
 * counts.
 */
import type { Clock } from "../domain/mod.ts";
import { systemClock } from "./clock.ts";

/** A bounded queue, as its one consumer sees it. */
export interface Inbox<Item> {
  /** Items that wait. */
  readonly size: number;
  /** The item that waits longest, if any. */
  take(): Item | undefined;
  /** Whether nothing comes any more; what waits can still be taken. */
  readonly ended: boolean;
  /** Called when an item came, and at the end. */
  onArrival: () => void;
}

/** Time and input in, outputs out. Outputs are returned in order; deadlines are monotonic ms. */
export interface TimedCore<Input, Output> {
  receive(input: Input, nowMs: number): readonly Output[];
  /**
   * Inputs without which there will be no output: until so many wait, or one has waited `patienceMs`, they are left in
   * the queue. Code that runs ten times in a row runs faster than ten times in turn with everybody else's.
   */
  readonly inputsWanted: number;
  readonly patienceMs: number;
  /**
   * Called when `nextDeadline` has passed. Only lets go of what was received: no reader's pace holds this call back,
   * so a core that made outputs of time alone would fill a stalled stream.
   */
  due(nowMs: number): readonly Output[];
  /** When `due` has something to do; undefined while nothing waits for time. */
  nextDeadline(): number | undefined;
  /** The input has ended: whatever is still held. */
  flush(nowMs: number): readonly Output[];
}

/** Holds no more than one input makes: the next is taken once the reader has asked for more. */
export function timedSource<Input, Output>(
  inbox: Inbox<Input>,
  core: TimedCore<Input, Output>,
  clock: Clock = systemClock,
): ReadableStream<Output> {
  let isWanted = false;
  /** What the core wanted when it was last asked, which is after each time it was used. */
  let inputsWanted = core.inputsWanted;
  let patience: Disposable | undefined;
  let timer: Disposable | undefined;
  let armedFor: number | undefined;

  const emit = (controller: ReadableStreamDefaultController<Output>, outputs: readonly Output[]) => {
    if (outputs.length === 0) return;
    isWanted = false; // before a read that is under way asks again
    for (const output of outputs) controller.enqueue(output);
  };
  const detach = () => {
    inbox.onArrival = () => {};
    patience?.[Symbol.dispose]();
    patience = undefined;
    timer?.[Symbol.dispose]();
    timer = armedFor = undefined;
  };
  const rearm = (controller: ReadableStreamDefaultController<Output>) => {
    inputsWanted = core.inputsWanted;
    const deadline = core.nextDeadline();
    if (deadline === armedFor) return;
    timer?.[Symbol.dispose]();
    timer = undefined;
    armedFor = deadline;
    if (deadline === undefined) return;
    timer = clock.timer(Math.max(0, deadline - clock.now()), () => {
      timer = armedFor = undefined;
      guarded(controller, () => {
        emit(controller, core.due(clock.now()));
        rearm(controller);
      });
    });
  };
  const guarded = (controller: ReadableStreamDefaultController<Output>, work: () => void) => {
    try {
      work();
    } catch (error) {
      detach();
      controller.error(error);
    }
  };
  /** Takes what waits, as long as it is wanted. */
  const take = (controller: ReadableStreamDefaultController<Output>) => {
    patience?.[Symbol.dispose]();
    patience = undefined;
    const nowMs = clock.now();
    while (isWanted) {
      const input = inbox.take();
      if (input === undefined) {
        if (inbox.ended) return finish(controller);
        break;
      }
      emit(controller, core.receive(input, nowMs));
    }
    rearm(controller);
  };
  const takeIfEnough = (controller: ReadableStreamDefaultController<Output>) => {
    if (inbox.ended || inbox.size >= inputsWanted) return guarded(controller, () => take(controller));
    if (patience || inbox.size === 0) return;
    patience = clock.timer(core.patienceMs, () => guarded(controller, () => take(controller)));
  };
  const finish = (controller: ReadableStreamDefaultController<Output>) => {
    detach();
    emit(controller, core.flush(clock.now()));
    controller.close();
  };

  return new ReadableStream<Output>({
    start(controller) {
      inbox.onArrival = () => {
        if (isWanted) takeIfEnough(controller);
      };
    },
    pull(controller) {
      isWanted = true;
      takeIfEnough(controller);
    },
    cancel: detach,
  }, { highWaterMark: 0 });
}
