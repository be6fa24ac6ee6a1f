/**
 * `deno task soak`: days of coming and going in minutes. Speakers join and leave by the dozen; in between microphones
 * are switched off and on, the SFU offers again, speech-to-text and signalling break. Now and then everyone but a few
 * leaves, and what the service holds is measured. At the end speech-to-text stops reading for a minute. Fails when
 * descriptors or timers are not back, or packets are unaccounted for; slopes of memory are told with their confidence and
 * judged by who reads them, as are times: both depend on what else the machine does, so no test asserts them.
 */
import { DISTURBANCES, exitOnSignals, LoadScene, pause } from "./load_scene.ts";
import { loadMachine } from "./machine.ts";
import { type Percentiles, percentiles } from "./latency.ts";
import { type Slope, slopeOf } from "./slope.ts";
import { stall, STALL_S_MAX, STALL_S_MIN, type StallResults } from "./soak_stall.ts";

const HELP = `Usage: deno task soak [OPTION..]
Thousands of speaker sessions through the service in a process of its own (see deno task load). Needs the package janus.

  --sessions N    speakers who join, in all (default 2000; some 15 a second)
  --together N    joining at once (default 24)
  --samples N     measurements, evenly spread (default 12); the first quarter is warm-up
  --stall SECONDS how long speech-to-text reads nothing at the end (${STALL_S_MIN} to ${STALL_S_MAX}, default 60; 0: not at all)
  --json FILE     write the numbers to FILE too
  --help          this page
`;

/** These stay from the beginning to the end, and are received. */
const CONSTANT = 4;
const ROOMS = 3;
const WARM_UP_SHARE = 0.25;
const JOIN_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 45_000;
/** Between what happens to speakers and their leaving. */
const TALK_MS = 200;
/** A request of ours may be under way. */
const SPARE_FDS = 2;
/** A retry or a keep-alive may be due at the moment of looking. */
const SPARE_TIMERS = 4;
const SESSION_LONGEST_MS = 1_500;
const TIMERS = `process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length`;

interface Sample {
  sessions: number;
  heapBytes: number;
  rssBytes: number;
  fds: number;
  timers: number;
  settled: boolean;
}

interface Options {
  sessions: number;
  together: number;
  samples: number;
  stall: number;
  json?: string;
}

interface SoakResults {
  at: string;
  machine: ReturnType<typeof loadMachine>;
  load: { before: number; after: number };
  seconds: number;
  options: Options;
  sessions: number;
  subscriptions: number;
  /** Rounds in which not all were received in time. */
  incompleteJoins: number;
  samples: Sample[];
  /** After the warm-up, bytes per 1,000 sessions. */
  heapSlope: Slope;
  rssSlope: Slope;
  /** Of Talk's requests while speakers join, ms. */
  answersMs: Percentiles;
  stalled?: StallResults;
  unaccountedPackets: number;
  counters: Record<string, number>;
}

async function soak(options: Options): Promise<SoakResults> {
  const [before] = Deno.loadavg();
  await using scene = await LoadScene.start({
    sfu: "janus",
    rooms: ROOMS,
    listenersPerRoom: 1,
    talkPercent: 100,
    impairments: { loss: 0, reorder: 0, jitterMs: 0 },
    environment: {},
    denoArgs: [],
  });
  const startMs = performance.now();
  await scene.join(CONSTANT, JOIN_TIMEOUT_MS);
  const samples = [await sample(scene, 0)];
  let sessions = 0;
  let incompleteJoins = 0;
  const answersMs: number[] = [];
  for (let round = 0; sessions < options.sessions; round++) {
    const joining = scene.join(options.together, JOIN_TIMEOUT_MS);
    answersMs.push(await scene.answerMs());
    const { heard } = await joining;
    if (heard < scene.speakers) incompleteJoins++;
    sessions += options.together;
    await scene.disturb(DISTURBANCES[round % DISTURBANCES.length]);
    await pause(TALK_MS);
    await scene.leave(options.together);
    if (sessions < samples.length * options.sessions / options.samples) continue;
    samples.push(await sample(scene, sessions));
    tell(samples.at(-1)!, performance.now() - startMs);
  }
  let stalled: StallResults | undefined;
  if (options.stall > 0) {
    await scene.join(options.together, JOIN_TIMEOUT_MS);
    say(`speech-to-text reads nothing for ${options.stall} s`);
    stalled = await stall(scene, options.stall);
    await scene.leave(options.together);
  }
  await scene.leave(CONSTANT);
  await scene.settled(SETTLE_TIMEOUT_MS);
  const metrics = await scene.metrics();
  const fates = ["decoded", "silent", "late", "dropped"].map((fate) => metrics.packets(fate));
  const steady = samples.slice(Math.max(1, Math.round(samples.length * WARM_UP_SHARE)));
  const slope = (of: "heapBytes" | "rssBytes") =>
    slopeOf(steady.map((each) => ({ x: each.sessions / 1_000, y: each[of] })));
  return {
    at: new Date().toISOString(),
    machine: loadMachine(),
    load: { before, after: Deno.loadavg()[0] },
    seconds: (performance.now() - startMs) / 1_000,
    options,
    sessions,
    subscriptions: scene.hpb.requests,
    incompleteJoins,
    samples,
    heapSlope: slope("heapBytes"),
    rssSlope: slope("rssBytes"),
    answersMs: percentiles(answersMs),
    stalled,
    unaccountedPackets: metrics.packets("received") - fates.reduce((sum, count) => sum + count, 0),
    counters: metrics.counters([
      "transcription_errors_total",
      "tiro_offers_requested_total",
      "tiro_stt_sessions_total",
      "tiro_signaling_reconnects_total",
    ]),
  };
}

/** Waits until those who left are gone, then measures what is held. */
async function sample(scene: LoadScene, sessions: number): Promise<Sample> {
  const settled = await scene.settled(SETTLE_TIMEOUT_MS);
  await pause(SESSION_LONGEST_MS); // werift's last timers
  const { service } = scene;
  await service.collectGarbage();
  await service.collectGarbage();
  const timers = await service.evaluateInAll(TIMERS);
  return {
    sessions,
    heapBytes: (await scene.metrics()).value("tiro_heap_used_bytes"),
    rssBytes: service.residentBytes(),
    fds: service.fdCount(),
    timers: timers.reduce((sum: number, count) => sum + Number(count), 0),
    settled,
  };
}

function report(results: SoakResults): string {
  const { machine, load, samples, options } = results;
  const [first, last] = [samples[0], samples.at(-1)!];
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  const slope = ({ perUnit, plusMinus }: Slope) =>
    `${mebibytes(perUnit)} +- ${mebibytes(plusMinus)} MiB per 1,000 sessions (95 % confidence)`;
  const rows = [
    [
      "machine",
      `${machine.cpu}, ${machine.cores} cores, Deno ${machine.deno}, ` +
      `load ${load.before.toFixed(2)} before, ${load.after.toFixed(2)} after`,
    ],
    [
      "sessions",
      `${results.sessions} in ${results.seconds.toFixed(0)} s, ${options.together} at once, ` +
      `${results.subscriptions} subscriptions, ${results.incompleteJoins} rounds incomplete`,
    ],
    [
      "heap",
      `${mebibytes(first.heapBytes)} -> ${mebibytes(last.heapBytes)} MiB; ${slope(results.heapSlope)}`,
    ],
    [
      "resident",
      `${mebibytes(first.rssBytes)} -> ${mebibytes(last.rssBytes)} MiB; ${slope(results.rssSlope)}`,
    ],
    ...stallRows(results),
    [
      "answers to Talk, ms",
      `median ${results.answersMs.median.toFixed(0)}, p99 ${results.answersMs.p99.toFixed(0)}, ` +
      `longest ${results.answersMs.max.toFixed(0)}; 300 are promised`,
    ],
    ["descriptors", samples.map(({ fds }) => fds).join(" ")],
    ["timers", samples.map(({ timers }) => timers).join(" ")],
    ["packets unaccounted for", String(results.unaccountedPackets)],
    ...Object.entries(results.counters).map(([name, count]) => [`  ${name}`, String(count)]),
  ];
  return rows.map(([name, value]) => `${name.padEnd(28)} ${value}`).join("\n") + "\n";
}

function stallRows({ stalled }: SoakResults): [string, string][] {
  if (!stalled) return [];
  const { seconds, speakers, heldBytes, rssSlope: { perUnit, plusMinus }, captionAfterMs, sessionsLost } =
    stalled;
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  const caption = captionAfterMs === undefined ? "no caption" : `a caption ${captionAfterMs.toFixed(0)} ms`;
  return [[
    "speech-to-text stalled",
    `${seconds} s, ${speakers} speakers: ${mebibytes(heldBytes)} MiB more, ${mebibytes(perUnit)} +- ` +
    `${
      mebibytes(plusMinus)
    } MiB a minute (95 % confidence); ${caption} after it; ${sessionsLost} sessions lost`,
  ]];
}

function tell({ sessions, heapBytes, rssBytes, fds, timers, settled }: Sample, elapsedMs: number): void {
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  say(
    `${sessions} sessions, ${(elapsedMs / 1_000).toFixed(0)} s: heap ${mebibytes(heapBytes)}, resident ` +
      `${mebibytes(rssBytes)} MiB, ${fds} descriptors, ${timers} timers${settled ? "" : ", not settled"}`,
  );
}

const OPTIONS: readonly string[] = ["--json", "--stall", "--sessions", "--together", "--samples"];

function optionsOf(args: readonly string[]): Options {
  const options: Options = { sessions: 2_000, together: 24, samples: 12, stall: 60 };
  for (let at = 0; at < args.length; at += 2) {
    const [name, value] = [args[at], args[at + 1]];
    if (!OPTIONS.includes(name)) throw new RangeError(`unknown option ${name}`);
    if (value === undefined) throw new RangeError(`${name} takes a value`);
    if (name === "--json") options.json = value;
    else if (name === "--stall") {
      const seconds = Number(value);
      if (seconds !== 0 && !(seconds >= STALL_S_MIN && seconds <= STALL_S_MAX)) {
        throw new RangeError(`${name} takes ${STALL_S_MIN} to ${STALL_S_MAX}, or 0`);
      }
      options.stall = seconds;
    } else if (name === "--sessions" || name === "--together" || name === "--samples") {
      const number = Number(value);
      if (!Number.isInteger(number) || number < 1) {
        throw new RangeError(`${name} takes a whole number above 0`);
      }
      options[name.slice(2) as "sessions" | "together" | "samples"] = number;
    } else throw new RangeError(`unknown option ${name}`);
  }
  return options;
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`soak: ${line}\n`));
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    Deno.stdout.writeSync(new TextEncoder().encode(HELP));
    return 0;
  }
  let options: Options;
  try {
    options = optionsOf(args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    say(`${error.message}; see --help`);
    return 2;
  }
  const rounds = Math.ceil(options.sessions / options.together);
  const longestMs = 60_000 + rounds * JOIN_TIMEOUT_MS + options.samples * SETTLE_TIMEOUT_MS +
    options.stall * 3_000;
  const timer = setTimeout(() => {
    say("it hangs: everything is killed");
    Deno.exit(3);
  }, longestMs);
  exitOnSignals();
  const results = await soak(options);
  clearTimeout(timer);
  if (options.json !== undefined) {
    await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2) + "\n");
  }
  Deno.stdout.writeSync(new TextEncoder().encode(report(results)));
  const [first, last] = [results.samples[0], results.samples.at(-1)!];
  const isBack = last.fds <= first.fds + SPARE_FDS && last.timers <= first.timers + SPARE_TIMERS;
  return isBack && results.unaccountedPackets === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
