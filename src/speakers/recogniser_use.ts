/** Which recognisers serve the speakers, over all media workers: for metrics and /healthz. */
import type { Meter, RecogniserState, RecogniserStatus } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";

/** The worse a state, the later: one worker that cannot use a recogniser is worth showing. */
const STATES: readonly RecogniserState[] = ["available", "full", "starting", "failing"];

/** In the order of the first. */
export function sumRecognisers(workers: readonly (readonly RecogniserStatus[])[]): RecogniserStatus[] {
  const sum = new Map<string, RecogniserStatus>();
  for (const { name, state, speakers } of workers.flat()) {
    const { state: before = state, speakers: others = 0 } = sum.get(name) ?? {};
    const worse = STATES.indexOf(state) > STATES.indexOf(before) ? state : before;
    sum.set(name, { name, state: worse, speakers: others + speakers });
  }
  return [...sum.values()];
}

export function measureRecognisers(
  read: () => readonly RecogniserStatus[],
  { meter, scope }: { meter: Meter; scope: Scope },
): void {
  const by = (value: (status: RecogniserStatus) => number) => () =>
    Object.fromEntries(read().map((each) => [each.name, value(each)]));
  scope.use(
    meter.gaugeBy(
      "tiro_recogniser_speakers",
      "Speakers by the recogniser that serves them",
      "provider",
      by(({ speakers }) => speakers),
    ),
  );
  scope.use(
    meter.gaugeBy(
      "tiro_recogniser_available",
      "1 where sessions of a recogniser can be opened and recognise something, else 0",
      "provider",
      by(({ state }) => state === "available" ? 1 : 0),
    ),
  );
}
