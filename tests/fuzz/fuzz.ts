/** `deno task fuzz`: generated input for every part of the service that parses external data. See --help. */
import { parseArgs } from "node:util";
import { encodeInputs, keep } from "./kept.ts";
import type { Failure, FuzzTarget } from "./target.ts";
import { TARGETS } from "./targets/mod.ts";
import { Watchdog } from "./watchdog.ts";

const HELP = `Usage: deno task fuzz [options]
Runs inputs that are made up against parts of the service, one target after the other, and stops a target at the first
that fails: it is made as small as can be, printed, and kept as a test in tests/fuzz/kept.

  --target NAME  only this one; can be given more than once (--list has the names)
  --list         the targets, and what has to hold for each
  --seconds N    time for all targets together; default 60, unless --runs is given. Each runs some inputs, even if
                 that takes longer
  --runs N       inputs for each target
  --seed N       the same inputs again; default: another one each time, which is printed
  --help         this text

Exits 1 when an input failed, 2 when the arguments make no sense.
An hour by hand: deno task fuzz --seconds 3600
`;

const SECONDS = 60;
const SEEDS = 2 ** 31;

interface Options {
  targets: readonly FuzzTarget[];
  seed: number;
  /** For each target. */
  runs: number;
  milliseconds: number;
}

interface Row {
  target: string;
  inputs: number;
  seconds: number;
  /** Of the process, when the target was done. */
  megabytes: number;
  failure?: string;
}

const encoder = new TextEncoder();
const print = (text: string) => void Deno.stdout.writeSync(encoder.encode(text));

/** The exit code. */
async function main(args: readonly string[]): Promise<number> {
  const options = read(args);
  if (typeof options === "number") return options;
  print(`seed ${options.seed}\n`);
  openSignalSockets();
  using watchdog = new Watchdog();
  const rows: Row[] = [];
  for (const target of options.targets) rows.push(await fuzz(target, options, watchdog));
  print(table(rows));
  return rows.some(({ failure }) => failure !== undefined) ? 1 : 0;
}

/** Deno 2.9.6 opens a pair of sockets for signals half a second after its start: an input would seem to leave them. */
function openSignalSockets(): void {
  const listener = () => {};
  Deno.addSignalListener("SIGUSR2", listener);
  Deno.removeSignalListener("SIGUSR2", listener);
}

/** What the arguments ask for, or the exit code. */
function read(args: readonly string[]): Options | number {
  const wrong = (why: string) => {
    Deno.stderr.writeSync(encoder.encode(`${why}\n\n${HELP}`));
    return 2;
  };
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        target: { type: "string", multiple: true },
        list: { type: "boolean" },
        seconds: { type: "string" },
        runs: { type: "string" },
        seed: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (error) {
    return wrong(error instanceof Error ? error.message : "Cannot read the arguments");
  }
  if (values.help) return print(HELP), 0;
  if (values.list) {
    const width = Math.max(...TARGETS.map(({ name }) => name.length));
    return print(TARGETS.map(({ name, about }) => `${name.padEnd(width)}  ${about}\n`).join("")), 0;
  }
  const unknown = values.target?.find((wanted) => !TARGETS.some(({ name }) => name === wanted));
  if (unknown !== undefined) return wrong(`There is no target "${unknown}"`);
  const targets = values.target ? TARGETS.filter(({ name }) => values.target?.includes(name)) : TARGETS;
  const seconds = values.seconds ?? (values.runs === undefined ? String(SECONDS) : undefined);
  const numbers = [seconds, values.runs, values.seed].filter((text) => text !== undefined);
  if (!numbers.every((text) => /^\d{1,10}$/.test(text))) {
    return wrong("--seconds, --runs and --seed are whole numbers");
  }
  return {
    targets,
    seed: values.seed === undefined ? Math.floor(Math.random() * SEEDS) : Number(values.seed) % SEEDS,
    runs: values.runs === undefined ? Infinity : Number(values.runs),
    milliseconds: seconds === undefined ? Infinity : 1_000 * Number(seconds) / targets.length,
  };
}

async function fuzz(target: FuzzTarget, options: Options, watchdog: Watchdog): Promise<Row> {
  const { name, inputsPerWorld } = target;
  const startMs = performance.now();
  const elapsedMs = () => performance.now() - startMs;
  // What a first world opens the process may keep: a runtime's own sockets.
  watchdog.begin(name, options.seed);
  await target.batch(options.seed, 1, {
    onInput: watchdog.input,
    onShrinking: watchdog.shrinking,
    countsSockets: false,
  });
  let inputs = 0;
  const row = (): Row => ({
    target: name,
    inputs,
    seconds: elapsedMs() / 1_000,
    megabytes: Math.round(Deno.memoryUsage().rss / 2 ** 20),
  });
  // Each world has a seed of its own, so that the one that failed can be had again without those before it.
  for (
    let { seed } = options;
    // One world at least, however little time there is: a target without inputs is not clean.
    inputs < options.runs && (inputs === 0 || elapsedMs() < options.milliseconds);
    seed = (seed + 1) % SEEDS
  ) {
    const before = inputs;
    watchdog.begin(name, seed);
    const failure = await target.batch(seed, Math.min(inputsPerWorld, options.runs - inputs), {
      onInput: () => {
        inputs++;
        watchdog.input();
      },
      onShrinking: watchdog.shrinking,
      countsSockets: true,
    });
    if (failure) {
      const command = `deno task fuzz --target ${name} --seed ${seed} --runs ${inputs - before}`;
      return { ...row(), failure: await report(name, failure, command) };
    }
    progress(name, inputs, elapsedMs());
  }
  progress();
  if (!Deno.stdout.isTerminal()) print(`${name}: ${inputs} inputs, clean\n`);
  return row();
}

/** Prints a failure and keeps it; returns where. */
async function report(target: string, failure: Failure, command: string): Promise<string> {
  progress();
  const { error, inputs, isRepeatable } = failure;
  const what = error instanceof Error ? Deno.inspect(error) : String(error);
  print(`\nFAILED: ${target}\n${what}\n\n`);
  print(
    `${inputs.length === 1 ? "The input" : `${inputs.length} inputs in one world`}, as small as found:\n`,
  );
  print(`${encodeInputs(inputs)}\n\n`);
  if (!isRepeatable) print("Alone they do not make it fail every time.\n");
  const path = await keep(target, failure);
  print(`Kept as ${path}\nTo repeat: ${command}\n\n`);
  return path;
}

/** One line, on a terminal only. */
function progress(target?: string, inputs = 0, elapsedMs = 0): void {
  if (!Deno.stdout.isTerminal()) return;
  print("\r\x1b[K");
  if (target === undefined) return;
  print(`${target}: ${inputs} inputs, ${Math.round(1_000 * inputs / elapsedMs)}/s`);
}

function table(rows: readonly Row[]): string {
  const lines = [
    ["target", "inputs", "inputs/s", "RSS, MB", "result"],
    ...rows.map(({ target, inputs, seconds, megabytes, failure }) => [
      target,
      String(inputs),
      String(Math.round(inputs / seconds)),
      String(megabytes),
      failure === undefined ? "clean" : `FAILED, ${failure}`,
    ]),
  ];
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines.map(([target, ...numbers]) => {
    const result = numbers.pop();
    const padded = numbers.map((number, column) => number.padStart(widths[column + 1]));
    return `${[target.padEnd(widths[0]), ...padded, result].join("  ")}\n`;
  }).join("");
}

Deno.exit(await main(Deno.args));
