/**
 * The shell around a sans-IO core: makes a TransformStream of it and owns its one timer. The core never sees a clock
 * it was not handed.
 */
import type { Clock } from "../domain/mod.ts";
import { systemClock } from "./clock.ts";

/** Time and input in, outputs out. Outputs are returned in order; deadlines are monotonic ms. */
export interface TimedCore<Input, Output> {
  receive(input: Input, nowMs: number): readonly Output[];
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

/** Default strategies on both sides: one chunk each, so that pressure reaches the source. */
export function timedStage<Input, Output>(
  core: TimedCore<Input, Output>,
  clock: Clock = systemClock,
): TransformStream<Input, Output> {
  let timer: Disposable | undefined;
  let armedFor: number | undefined;

  const disarm = () => {
    timer?.[Symbol.dispose]();
    timer = armedFor = undefined;
  };
  const emit = (controller: TransformStreamDefaultController<Output>, outputs: readonly Output[]) => {
    for (const output of outputs) controller.enqueue(output);
    const deadline = core.nextDeadline();
    if (deadline === armedFor) return;
    disarm();
    if (deadline === undefined) return;
    armedFor = deadline;
    timer = clock.timer(Math.max(0, deadline - clock.now()), () => {
      timer = armedFor = undefined;
      try {
        emit(controller, core.due(clock.now()));
      } catch (error) {
        controller.error(error);
      }
    });
  };

  return new TransformStream<Input, Output>({
    transform(input, controller) {
      try {
        emit(controller, core.receive(input, clock.now()));
      } catch (error) {
        disarm();
        throw error;
      }
    },
    flush(controller) {
      disarm();
      for (const output of core.flush(clock.now())) controller.enqueue(output);
    },
    cancel: disarm,
  });
}
