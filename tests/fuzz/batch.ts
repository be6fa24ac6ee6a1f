/**
 * One world's worth of inputs, and of those that make it fail the fewest and smallest. fast-check shrinks an input that
 * fails by itself. Where it takes several (a world remembers), inputs are left out for as long as the rest still fails.
 */
import fc from "fast-check";
import type { BatchOptions, Failure, FuzzTarget, Target, World } from "./target.ts";
import { ProcessorTime } from "./processor.ts";
import { countSockets, expectSockets } from "./sockets.ts";
import { Strays } from "./strays.ts";

/** Processor time of one input, ms. Nothing that one message holds takes a tenth of it, on any machine. */
const INPUT_CPU_MS_MAX = 2_000;
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
    batch: (seed, runs, options) => batch(target, seed, runs, options),
    async replay(inputs) {
      const error = await errorOf(target, inputs as readonly Input[], ELSEWHERE);
      if (error) throw error.thrown;
    },
  };
}

/** A process that is not the fuzzer's alone has sockets of others. */
const ELSEWHERE = { countsSockets: false };

/** An object, because anything may be thrown. */
interface Thrown {
  thrown: unknown;
}

async function batch<Input>(
  target: Target<Input>,
  seed: number,
  runs: number,
  options: BatchOptions,
): Promise<Failure | undefined> {
  const taken: Input[] = [];
  let first: Thrown | undefined;
  let smallest: readonly Input[] | undefined;
  const search = new Search(options.onShrinking);
  const opened = await OpenWorld.of(target, options);
  const property = fc.asyncProperty(target.inputs, async (input) => {
    if (first) { // fast-check tries whether a smaller one fails too
      const smaller = search.goesOn() ? await errorOf(target, [input], options) : undefined;
      if (!smaller) return;
      smallest = [input];
      throw smaller.thrown;
    }
    taken.push(input);
    options.onInput();
    first = await opened.take(input);
    if (first) throw first.thrown;
  });
  await fc.check(property, { seed, numRuns: runs });
  const atEnd = await opened.close();
  const found = first ?? atEnd;
  if (!found) return undefined;
  if (!smallest) smallest = await fewest(target, taken, options, search);
  const again = await errorOf(target, smallest, options);
  return {
    error: (again ?? found).thrown,
    inputs: smallest,
    isRepeatable: again !== undefined,
    taken: taken.length,
  };
}

type Checks = Pick<BatchOptions, "countsSockets">;

/** What inputs make a new world throw, its end included. */
async function errorOf<Input>(
  target: Target<Input>,
  inputs: readonly Input[],
  checks: Checks,
): Promise<Thrown | undefined> {
  const opened = await OpenWorld.of(target, checks);
  let found: Thrown | undefined;
  for (let at = 0; at < inputs.length && !found; at++) found = await opened.take(inputs[at]);
  const atEnd = await opened.close();
  return found ?? atEnd;
}

/** A world, and what has to hold for each. */
class OpenWorld<Input> {
  readonly #time = new ProcessorTime();

  private constructor(
    private readonly world: World<Input>,
    private readonly strays: Strays,
    private readonly socketsBefore: number | undefined,
  ) {}

  static async of<Input>(target: Target<Input>, { countsSockets }: Checks): Promise<OpenWorld<Input>> {
    const socketsBefore = countsSockets ? countSockets() : undefined;
    const strays = new Strays();
    return new OpenWorld(await target.open(), strays, socketsBefore);
  }

  async take(input: Input): Promise<Thrown | undefined> {
    try {
      this.#time.begin();
      const running = this.world.run(input);
      if (running) await running;
      this.#time.check(INPUT_CPU_MS_MAX);
      this.strays.check();
    } catch (thrown) {
      return { thrown };
    }
  }

  async close(): Promise<Thrown | undefined> {
    using strays = this.strays;
    try {
      await this.world.close();
      await strays.settle();
      strays.check();
      if (this.socketsBefore !== undefined) await expectSockets(this.socketsBefore);
    } catch (thrown) {
      return { thrown };
    }
  }
}

/** The last of the inputs alone, or as few of them as are found to fail. Half of them goes at a time, then less. */
async function fewest<Input>(
  target: Target<Input>,
  inputs: readonly Input[],
  checks: Checks,
  search: Search,
): Promise<readonly Input[]> {
  const last = inputs.slice(-1);
  if (await errorOf(target, last, checks)) return last;
  let kept = inputs;
  for (let size = Math.ceil(kept.length / 2);;) {
    let isShorter = false;
    for (let at = 0; at < kept.length;) {
      if (!search.goesOn()) return kept;
      const without = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (without.length > 0 && await errorOf(target, without, checks)) {
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
