/**
 * One world's worth of inputs, and of those that make it fail the fewest and smallest. fast-check shrinks an input that
 * fails by itself. Where it takes several (a world remembers), inputs are left out for as long as the rest still fails.
 */
import process from "node:process";
import fc from "fast-check";
import type { Failure, FuzzTarget, Signs, Target, World } from "./target.ts";
import { Strays } from "./strays.ts";

/** Processor time of one input, ms. Nothing that one message holds takes a tenth of it, on any machine. */
const INPUT_CPU_MS_MAX = 2_000;
/** What took less by the clock on the wall cannot have taken more of the processor. */
const INPUT_WALL_MS_MAX = INPUT_CPU_MS_MAX;
/** Worlds opened to find out which inputs it takes, and time for them, ms: some take a second to open. */
const ATTEMPTS_MAX = 2_000;
const SHRINKING_MS_MAX = 60_000;
const INPUTS_PER_WORLD = 1_000;

export function defineTarget<Input>(target: Target<Input>): FuzzTarget {
  const { name, about, inputsPerWorld = INPUTS_PER_WORLD } = target;
  return {
    name,
    about,
    inputsPerWorld,
    batch: (seed, runs, signs) => batch(target, seed, runs, signs),
    async replay(inputs) {
      const error = await errorOf(target, inputs as readonly Input[]);
      if (error) throw error.thrown;
    },
  };
}

/** An object, because anything may be thrown. */
interface Thrown {
  thrown: unknown;
}

async function batch<Input>(
  target: Target<Input>,
  seed: number,
  runs: number,
  { onInput, onShrinking }: Signs,
): Promise<Failure | undefined> {
  const taken: Input[] = [];
  let first: Thrown | undefined;
  let newest: Thrown | undefined;
  let smallest: readonly Input[] | undefined;
  const search = new Search(onShrinking);
  using strays = new Strays();
  const world = await target.open();
  const property = fc.asyncProperty(target.inputs, async (input) => {
    if (first) { // fast-check tries whether a smaller one fails too
      if (!search.goesOn()) return;
      newest = await errorOf(target, [input]);
      if (!newest) return;
      smallest = [input];
      throw newest.thrown;
    }
    taken.push(input);
    onInput();
    try {
      await take(world, input, strays);
    } catch (thrown) {
      first = { thrown };
      throw thrown;
    }
  });
  await fc.check(property, { seed, numRuns: runs });
  const atEnd = await closing(world, strays);
  const found = first ?? atEnd;
  if (!found) return undefined;
  if (!smallest) smallest = await fewest(target, taken, search);
  const again = await errorOf(target, smallest);
  return {
    error: (again ?? found).thrown,
    inputs: smallest,
    isRepeatable: again !== undefined,
    taken: taken.length,
  };
}

/** What inputs make a new world throw, its end included. */
async function errorOf<Input>(target: Target<Input>, inputs: readonly Input[]): Promise<Thrown | undefined> {
  using strays = new Strays();
  const world = await target.open();
  let found: Thrown | undefined;
  try {
    for (const input of inputs) await take(world, input, strays);
  } catch (thrown) {
    found = { thrown };
  }
  const atEnd = await closing(world, strays);
  return found ?? atEnd;
}

async function take<Input>(world: World<Input>, input: Input, strays: Strays): Promise<void> {
  const startMs = performance.now();
  const cpuMs = processorMs();
  const running = world.run(input);
  if (running) await running;
  if (performance.now() - startMs > INPUT_WALL_MS_MAX) {
    const usedMs = processorMs() - cpuMs;
    if (usedMs > INPUT_CPU_MS_MAX) {
      throw new Error(`One input took ${Math.round(usedMs)} ms of processor time`);
    }
  }
  strays.check();
}

async function closing<Input>(world: World<Input>, strays: Strays): Promise<Thrown | undefined> {
  try {
    await world.close();
    await strays.settle();
    strays.check();
  } catch (thrown) {
    return { thrown };
  }
}

/** The last of the inputs alone, or as few of them as are found to fail. Half of them goes at a time, then less. */
async function fewest<Input>(
  target: Target<Input>,
  inputs: readonly Input[],
  search: Search,
): Promise<readonly Input[]> {
  const last = inputs.slice(-1);
  if (await errorOf(target, last)) return last;
  let kept = inputs;
  for (let size = Math.ceil(kept.length / 2);;) {
    let isShorter = false;
    for (let at = 0; at < kept.length;) {
      if (!search.goesOn()) return kept;
      const without = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (without.length > 0 && await errorOf(target, without)) {
        kept = without;
        isShorter = true;
      } else at += size;
    }
    if (size === 1 && !isShorter) return kept;
    size = Math.ceil(size / 2);
  }
}

/** For the smallest inputs that fail; it has an end. */
class Search {
  #attempts = 0;
  #endMs: number | undefined;

  constructor(private readonly onAttempt: () => void) {}

  /** Whether one more may be tried. */
  goesOn(): boolean {
    this.onAttempt();
    this.#endMs ??= performance.now() + SHRINKING_MS_MAX;
    return this.#attempts++ < ATTEMPTS_MAX && performance.now() < this.#endMs;
  }
}

function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
