/**
 * `deno task bench`: what the service costs and how late its captions are, measured on a service process of its own
 * between fakes on loopback (see scene.ts), beside native libopus on the same packets. Judges nothing and fails nothing:
 * docs/benchmarks.md keeps a run and says what the numbers mean.
 */
import { loadMachine, type Machine, untilQuiet } from "./machine.ts";
import { calibrate } from "./calibrate.ts";
import type { Calibration } from "./opus_native.ts";
import { cpuMsOf } from "./proc.ts";
import { type Latencies, measureLatencies, median, percentiles } from "./latency.ts";
import { type Pace, Scene } from "./scene.ts";
import { report } from "./report.ts";

const HELP = `Usage: deno task bench [OPTION..]
Measures the service in a process of its own: added delay, processor time per packet, memory, loss. About two minutes.

  --speakers N     how many talk at once under load (default 50, at most 91)
  --seconds N      length of the measured window under load (default 30)
  --json FILE      write the numbers to FILE too
  --wait SECONDS   how long to wait for the machine to be quiet, load below 0.5 (default 60)
  --deno-arg ARG   for the service's Deno, such as --v8-flags=--prof; may be given again
  --help           this page
`;

/** With one speaker, before memory is read: V8's heap has found its size. */
const ALONE_S = 15;
/** Delay without load: so many speakers, so long. */
const EASY_SPEAKERS = 8;
const EASY_S = 25;
/** Under load, before the window: code is compiled, buffers have their size. */
const WARM_UP_S = 10;
/** Memory is the median of the last seconds of a part. */
const RSS_SAMPLES = 5;
/** For what is on its way to arrive. */
const SETTLE_MS = 300;

export interface Results {
  at: string;
  machine: Machine;
  /** Load average when it began. */
  loadBefore: number;
  delayEasy: Latencies & { speakers: number };
  delayLoaded: Latencies & { speakers: number };
  window: Window;
  memory: { oneSpeaker: Memory; allSpeakers: Memory; perSpeaker: Memory };
  calibration: Calibration;
  /** The service's time per packet over native libopus' time to decode one. */
  ratio: number;
  /** The same over native libopus and libsrtp together. */
  ratioOverFloor: number;
}

/** Resident memory, bytes: as it is, and once the garbage is collected. */
export interface Memory {
  rssBytes: number;
  heldBytes: number;
}

/** The window under load. */
export interface Window {
  speakers: number;
  seconds: number;
  packetsSent: number;
  packetsReceived: number;
  /** Of those received, by what became of them. */
  decoded: number;
  dropped: number;
  late: number;
  lost: number;
  serviceMicrosPerPacket: number;
  /** Share of one core. */
  serviceCpu: number;
  serviceLoopLagMs: number;
  generatorCpu: number;
  /** Lateness of the generator's 20 ms beats. */
  generatorLateMs: { median: number; p99: number; max: number };
}

interface Options {
  speakers: number;
  seconds: number;
  json?: string;
  waitS: number;
  denoArgs: string[];
}

async function bench(options: Options): Promise<Results> {
  say("waiting for a quiet machine");
  const loadBefore = await untilQuiet(options.waitS);
  say(`load average ${loadBefore.toFixed(2)}; starting the service`);
  let packets: readonly Uint8Array[];
  let measured: Pick<Results, "delayEasy" | "delayLoaded" | "window" | "memory">;
  {
    const { speakers } = options;
    const denoArgs = ["--inspect=127.0.0.1:0", ...options.denoArgs]; // for collectGarbage
    await using scene = await Scene.start({ speakersMax: Math.max(speakers, EASY_SPEAKERS), denoArgs });
    packets = scene.packets;
    measured = await measure(scene, options);
  }
  say("calibrating: native libopus and libsrtp on the same packets");
  const calibration = await calibrate(packets, options.speakers);
  const { serviceMicrosPerPacket } = measured.window;
  return {
    at: new Date().toISOString(),
    machine: loadMachine(),
    loadBefore,
    ...measured,
    calibration,
    ratio: serviceMicrosPerPacket / calibration.microsPerPacket,
    ratioOverFloor: serviceMicrosPerPacket / calibration.floorMicrosPerPacket,
  };
}

async function measure(scene: Scene, { speakers, seconds }: Options) {
  say(`one speaker talks for ${ALONE_S} s`);
  await scene.speakers(1);
  const oneSpeaker = await memoryAfter(scene, ALONE_S);

  say(`delay without load: ${EASY_SPEAKERS} speakers for ${EASY_S} s`);
  await scene.speakers(EASY_SPEAKERS);
  const delayEasy = await delaysOver(scene, "easy", EASY_S);

  say(`${speakers} speakers join`);
  scene.pace = "busy";
  await scene.speakers(speakers);
  say(`under load: ${WARM_UP_S} s to warm up`);
  await pause(WARM_UP_S * 1_000);
  say(`under load: measuring for ${seconds} s`);
  const { window, delayLoaded } = await loaded(scene, speakers, seconds);
  const allSpeakers = await memoryAfter(scene, RSS_SAMPLES);
  const perSpeaker = (of: keyof Memory) => (allSpeakers[of] - oneSpeaker[of]) / Math.max(1, speakers - 1);
  return {
    delayEasy: { ...delayEasy, speakers: EASY_SPEAKERS },
    delayLoaded: { ...delayLoaded, speakers },
    window,
    memory: {
      oneSpeaker,
      allSpeakers,
      perSpeaker: { rssBytes: perSpeaker("rssBytes"), heldBytes: perSpeaker("heldBytes") },
    },
  };
}

/** Packets are held back before and after the window: then both sides have counted the same ones. */
async function loaded(scene: Scene, speakers: number, seconds: number) {
  scene.hold(true);
  await pause(SETTLE_MS);
  const before = await scene.metrics();
  const sentBefore = scene.packetsSent;
  scene.resetBeats();
  scene.hold(false);
  const cpuMs = scene.service.cpuMs();
  const ownCpuMs = cpuMsOf("self");
  const startMs = performance.now();
  const delayLoaded = await delaysOver(scene, "busy", seconds);
  const elapsedMs = performance.now() - startMs;
  const serviceCpuMs = scene.service.cpuMs() - cpuMs;
  const generatorCpuMs = cpuMsOf("self") - ownCpuMs;
  const beatsLateMs = scene.beatsLateMs;
  scene.hold(true);
  await pause(SETTLE_MS);
  const packetsSent = scene.packetsSent - sentBefore;
  const after = await scene.metrics();
  scene.hold(false);
  const counted = (fate: string) => after.packets(fate) - before.packets(fate);
  const packetsReceived = counted("received");
  const window: Window = {
    speakers,
    seconds: elapsedMs / 1_000,
    packetsSent,
    packetsReceived,
    decoded: counted("decoded"),
    dropped: counted("dropped"),
    late: counted("late"),
    lost: counted("lost"),
    serviceMicrosPerPacket: serviceCpuMs * 1_000 / packetsReceived,
    serviceCpu: serviceCpuMs / elapsedMs,
    serviceLoopLagMs: after.value("tiro_event_loop_lag_ms"),
    generatorCpu: generatorCpuMs / elapsedMs,
    generatorLateMs: percentiles(beatsLateMs),
  };
  return { window, delayLoaded };
}

/** The delays of the utterances that begin from now on and end early enough to have been answered. */
async function delaysOver(scene: Scene, pace: Pace, seconds: number): Promise<Latencies> {
  scene.pace = pace;
  const startMs = performance.now();
  await pause(seconds * 1_000);
  const endMs = performance.now() - 500;
  const utterances = scene.utterances.filter((said) => said.startMs >= startMs && said.endMs <= endMs);
  return measureLatencies(utterances, scene.listener.transcripts, scene.stt.connections);
}

/** Lets so many seconds pass; resident memory at their end. */
async function memoryAfter({ service }: Scene, seconds: number): Promise<Memory> {
  const samples: number[] = [];
  for (let second = 0; second < seconds; second++) {
    await pause(1_000);
    samples.push(service.residentBytes());
  }
  await service.collectGarbage();
  return { rssBytes: median(samples.slice(-RSS_SAMPLES)), heldBytes: service.residentBytes() };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Progress goes to standard error, so that the table can be kept. */
function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`bench: ${line}\n`));
}

function optionsOf(args: readonly string[]): Options {
  const options: Options = { speakers: 50, seconds: 30, waitS: 60, denoArgs: [] };
  const positive = (name: string, text: string | undefined) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} takes a whole number above 0`);
    return value;
  };
  for (let at = 0; at < args.length; at++) {
    const name = args[at];
    if (name === "--speakers") options.speakers = positive(name, args[++at]);
    else if (name === "--seconds") options.seconds = positive(name, args[++at]);
    else if (name === "--wait") options.waitS = positive(name, args[++at]);
    else if (name === "--json" && args[at + 1] !== undefined) options.json = args[++at];
    else if (name === "--deno-arg" && args[at + 1] !== undefined) options.denoArgs.push(args[++at]);
    else throw new RangeError(`unknown option ${name}`);
  }
  return options;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) return print(HELP);
  let options: Options;
  try {
    options = optionsOf(args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    say(`${error.message}; see --help`);
    return 2;
  }
  const results = await bench(options);
  if (options.json !== undefined) {
    await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2) + "\n");
  }
  return print(report(results));
}

function print(text: string): number {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
