/**
 * `deno task load`: what the service costs per packet and per speaker, what it loses, and how late it is, with many
 * speakers. docs/benchmarks.md keeps runs and says what the numbers mean. Fails only when packets are unaccounted for.
 */
import { LEDGER_ENTRIES, type LedgerEntry } from "../../src/domain/mod.ts";
import { calibrate } from "./calibrate.ts";
import { type Percentiles, percentiles } from "./latency.ts";
import { HELP, impairmentsOf, type LoadOptions, optionsOf } from "./load_args.ts";
import { loadReport } from "./load_report.ts";
import { exitOnSignals, LoadScene, pause, untilStill } from "./load_scene.ts";
import { LoopProbe } from "./loop_probe.ts";
import { loadMachine, type Machine, untilQuiet } from "./machine.ts";
import { MARK_AT_MS, PUBLISHERS, TURN_MS, wallMs } from "./marks.ts";
import type { Calibration } from "./opus_native.ts";
import { busyMs, dropsBetween, waitedForCoreMs } from "./proc.ts";
import type { Metrics } from "./scene.ts";
import type { SttNumbers } from "./stt_process.ts";
import { weriftAsIs, type WeriftResults } from "./werift_as_is.ts";
import { weriftReport } from "./werift_report.ts";
import { PACKET_MS } from "../fakes/speech.ts";

const JOIN_TIMEOUT_MS = 45_000;
const LEAVE_TIMEOUT_MS = 30_000;
const SAMPLE_EVERY_MS = 1_000;
const TELL_EVERY_S = 10;
/**
 * While packets are held the service ends sessions' sentences with a second of silence, and then has it all to catch up
 * with: what that does to delays happens in no call. They are measured from so long after the start of the window.
 */
const CATCH_UP_MS = 2_000;
/** All but joining, warm-up and window, and a margin: what hangs is ended. */
const REST_TIMEOUT_MS = 180_000;

export interface LoadResults {
  at: string;
  machine: Machine;
  /** Load average before the run, and what others used of the machine in the window, cores. */
  loadBefore: number;
  othersCores: number;
  options: LoadOptions;
  /** So many joined at once; `heard` of those then present were after `tookMs`. */
  joins: { speakers: number; present: number; heard: number; tookMs: number }[];
  window: LoadWindow;
  memory: { oneRssBytes: number; all: Memory; perSpeakerRssBytes: number };
  /** Once everyone has left: all packets since the start. */
  ledger: Record<LedgerEntry, number> & { unaccounted: number; settled: boolean };
  /** Since the start. */
  counters: Record<string, number>;
  calibration: Calibration;
  /** The service's time per packet over native libopus' time to decode one. */
  ratio: number;
  /** The same over native libopus and libsrtp together. */
  ratioOverFloor: number;
}

/** Bytes: resident, and what is left of that once the garbage is collected. */
export interface Memory {
  rssBytes: number;
  heldBytes: number;
  heapBytes: number;
}

export interface LoadWindow {
  seconds: number;
  heard: number;
  packetsSent: number;
  packets: Record<LedgerEntry, number>;
  /** How long the service took to read what was sent, once nothing more was. */
  behindMs: number;
  /** Datagrams that found the service's socket buffers full. */
  socketDrops: number;
  serviceMicrosPerPacket: number;
  serviceCores: number;
  /** Streams of 50 packets a second that a core would carry at this cost. */
  speakersPerCore: number;
  /** Share of the window in which the service's main thread was ready to run and got no core. */
  waitedForCore: number;
  generatorCores: { sfu: number; stt: number; harness: number };
  /** Of all three together. */
  generatorMicrosPerPacket: number;
  publishersLateMs: Percentiles;
  loopLagMs: Percentiles;
  /** The service's own word on it. */
  serviceLoopLagMs: number;
  healthzMs: Percentiles;
  /**
   * Packet due at the publisher to chunk read by the stand-in: the SFU and both ends' own delays are in it. Above four
   * seconds it begins at zero again.
   */
  audioDelayMs: Percentiles & { samples: number };
  /** Word sent by the fake to transcript read from the HPB socket. */
  wordDelayMs: Percentiles & { samples: number };
  sttSessions: number;
  sttSecondsPerSpeakerSecond: number;
  transcripts: number;
}

async function load(options: LoadOptions): Promise<LoadResults> {
  const loadBefore = await untilQuiet(options.waitS);
  say(`load average ${loadBefore.toFixed(2)}; starting the SFU, the stand-ins and the service`);
  let packets: readonly Uint8Array[];
  let measured: Awaited<ReturnType<typeof measure>>;
  {
    await using scene = await LoadScene.start({
      ...options,
      impairments: impairmentsOf(options),
    });
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
    options,
    ...measured,
    calibration,
    ratio: serviceMicrosPerPacket / calibration.microsPerPacket,
    ratioOverFloor: serviceMicrosPerPacket / calibration.floorMicrosPerPacket,
  };
}

async function measure(scene: LoadScene, options: LoadOptions) {
  const joins = [await join(scene, 1)];
  await pause(3_000);
  const oneRssBytes = scene.service.residentBytes();
  while (scene.speakers < options.speakers) {
    joins.push(await join(scene, Math.min(options.joinTogether, options.speakers - scene.speakers)));
  }
  say(`${options.warmUpS} s to warm up`);
  await pause(options.warmUpS * 1_000);
  say(`measuring for ${options.seconds} s`);
  const { window, othersCores, rssBytes } = await measureWindow(scene, options);
  // The inspector, which collects in every thread, comes after what is measured: a collection costs code its optimisation.
  const all = await memoryOf(scene, rssBytes);
  say("everyone leaves");
  await scene.leave(scene.speakers);
  const settled = await scene.settled(LEAVE_TIMEOUT_MS);
  const metrics = await scene.metrics();
  const total = ledgerOf(metrics);
  const { received, decoded, silent, late, dropped } = total;
  const further = Math.max(1, options.speakers - 1);
  return {
    othersCores,
    joins,
    window,
    memory: {
      oneRssBytes,
      all,
      perSpeakerRssBytes: (all.rssBytes - oneRssBytes) / further,
    },
    ledger: { ...total, unaccounted: received - decoded - silent - late - dropped, settled },
    counters: countersOf(metrics),
  };
}

async function join(scene: LoadScene, speakers: number) {
  const { tookMs, heard } = await scene.join(speakers, JOIN_TIMEOUT_MS);
  const present = scene.speakers;
  say(`${speakers} joined at once, ${heard} of ${present} heard after ${(tookMs / 1_000).toFixed(1)} s`);
  return { speakers, present, heard, tookMs };
}

/** Packets are held back before and after the window: then both sides have counted the same ones. */
async function measureWindow(scene: LoadScene, options: LoadOptions) {
  const { sfu, hpb, service } = scene;
  const { publishers } = sfu;
  publishers.held = true;
  const { last: before } = await drained(scene);
  await scene.resetStt();
  const probe = await LoopProbe.start(service);
  const start = {
    sent: sfu.sentCounts(),
    drops: service.udpDrops(),
    transcripts: hpb.transcripts,
    busyMs: busyMs(),
    generator: scene.generatorCpuMs(),
    serviceMs: service.cpuMs(),
    waitedMs: waitedForCoreMs(service.pid),
    atMs: performance.now(),
  };
  publishers.lateMs = [];
  publishers.held = false;
  const catchUpMs = Math.min(CATCH_UP_MS, options.seconds * 500);
  await pause(catchUpMs);
  const delaysFromMs = wallMs();
  hpb.wordDelaysMs = [];
  const { rssBytes, healthzMs } = await watch(scene, options.seconds - catchUpMs / 1_000);
  const elapsedMs = performance.now() - start.atMs;
  const serviceMs = service.cpuMs() - start.serviceMs;
  const waitedForCore = (waitedForCoreMs(service.pid) - start.waitedMs) / elapsedMs;
  const generator = scene.generatorCpuMs();
  const generatorCores = {
    sfu: (generator.sfu - start.generator.sfu) / elapsedMs,
    stt: (generator.stt - start.generator.stt) / elapsedMs,
    harness: (generator.harness - start.generator.harness) / elapsedMs,
  };
  const busyCores = (busyMs() - start.busyMs) / elapsedMs;
  const lateMs = publishers.lateMs;
  const wordDelaysMs = hpb.wordDelaysMs.slice();
  const loopLagMs = await probe.stop();
  publishers.held = true;
  const { last: after, behindMs } = await drained(scene);
  const wholeMs = service.cpuMs() - start.serviceMs;
  const stt = await scene.sttNumbers();
  const drops = service.udpDrops();
  const packetsSent = sfu.sentSince(start.sent);
  publishers.held = false;
  const packets = minus(ledgerOf(after), ledgerOf(before));
  const serviceCores = serviceMs / elapsedMs;
  const generatorAll = generatorCores.sfu + generatorCores.stt + generatorCores.harness;
  const marks = stt.marks.filter(({ atMs }) => atMs >= delaysFromMs);
  const audioDelays = audioDelaysMs(marks, publishers.startMs + performance.timeOrigin);
  const window: LoadWindow = {
    seconds: elapsedMs / 1_000,
    heard: after.value("tiro_speakers_heard"),
    packetsSent,
    packets,
    behindMs,
    socketDrops: dropsBetween(start.drops, drops),
    serviceMicrosPerPacket: wholeMs * 1_000 / packets.received,
    serviceCores,
    speakersPerCore: packets.received * PACKET_MS / wholeMs,
    waitedForCore,
    generatorCores,
    generatorMicrosPerPacket: generatorAll * elapsedMs * 1_000 / packetsSent,
    publishersLateMs: percentiles(lateMs),
    loopLagMs,
    serviceLoopLagMs: after.value("tiro_event_loop_lag_ms"),
    healthzMs: percentiles(healthzMs),
    audioDelayMs: { ...percentiles(audioDelays), samples: audioDelays.length },
    wordDelayMs: { ...percentiles(wordDelaysMs), samples: wordDelaysMs.length },
    sttSessions: stt.live,
    sttSecondsPerSpeakerSecond: stt.audioMs / elapsedMs / options.speakers,
    transcripts: hpb.transcripts - start.transcripts,
  };
  return { window, othersCores: Math.max(0, busyCores - serviceCores - generatorAll), rssBytes };
}

function drained(scene: LoadScene): Promise<{ last: Metrics; behindMs: number }> {
  return untilStill(() => scene.metrics(), (metrics) => metrics.packets("received"));
}

/** Lets the window pass; resident memory at its end, and how long healthz took. */
async function watch({ service }: LoadScene, seconds: number) {
  const rss: number[] = [];
  const healthzMs: number[] = [];
  const endMs = performance.now() + seconds * 1_000;
  for (let second = 1; performance.now() < endMs - SAMPLE_EVERY_MS / 2; second++) {
    await pause(Math.min(SAMPLE_EVERY_MS, endMs - performance.now()));
    const askedMs = performance.now();
    await (await fetch(`${service.baseUrl}/healthz`)).body?.cancel();
    healthzMs.push(performance.now() - askedMs);
    rss.push(service.residentBytes());
    if (second % TELL_EVERY_S === 0) say(`${second} s, ${(rss.at(-1)! / 2 ** 20).toFixed(0)} MiB resident`);
  }
  return { rssBytes: percentiles(rss.slice(-5)).median, healthzMs };
}

async function memoryOf(scene: LoadScene, rssBytes: number): Promise<Memory> {
  await scene.service.collectGarbage();
  const heapBytes = (await scene.metrics()).value("tiro_heap_used_bytes");
  return { rssBytes, heldBytes: scene.service.residentBytes(), heapBytes };
}

/** Of each mark the fake found: from when the chunk's last packet was due to when the chunk was read. */
function audioDelaysMs(marks: SttNumbers["marks"], startMs: number): number[] {
  return marks.map(({ publisher, packets, atMs }) => {
    const ownStartMs = startMs + publisher * PACKET_MS / PUBLISHERS;
    const sinceMarkMs = atMs - ownStartMs - MARK_AT_MS - (packets - 1) * PACKET_MS;
    return (sinceMarkMs % TURN_MS + TURN_MS) % TURN_MS;
  });
}

function ledgerOf(metrics: Metrics): Record<LedgerEntry, number> {
  const counts = LEDGER_ENTRIES.map((fate) => [fate, metrics.packets(fate)] as const);
  return Object.fromEntries(counts) as Record<LedgerEntry, number>;
}

function minus(after: Record<LedgerEntry, number>, before: Record<LedgerEntry, number>) {
  const counts = LEDGER_ENTRIES.map((fate) => [fate, after[fate] - before[fate]] as const);
  return Object.fromEntries(counts) as Record<LedgerEntry, number>;
}

/** Counters of failures that are above zero. */
function countersOf(metrics: Metrics): Record<string, number> {
  return metrics.counters([
    "transcription_errors_total",
    "tiro_queue_dropped_total",
    "tiro_offers_requested_total",
    "tiro_stt_sessions_total",
    "tiro_signaling_reconnects_total",
  ]);
}

/** Progress goes to standard error, so that the table can be kept. */
function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`load: ${line}\n`));
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) return print(HELP);
  let options: LoadOptions;
  try {
    options = optionsOf(args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    say(`${error.message}; see --help`);
    return 2;
  }
  const joins = 1 + Math.ceil(options.speakers / options.joinTogether);
  const planMs = (options.waitS + options.warmUpS + options.seconds) * 1_000 + joins * JOIN_TIMEOUT_MS;
  const timer = setTimeout(() => {
    say("it hangs: everything is killed");
    Deno.exit(3);
  }, planMs + REST_TIMEOUT_MS);
  exitOnSignals();
  if (options.werift) {
    const results = await weriftAsIs(options, say);
    await keep(options, results);
    clearTimeout(timer);
    return print(weriftReport(results));
  }
  const results = await load(options);
  await keep(options, results);
  clearTimeout(timer);
  print(loadReport(results));
  return results.ledger.unaccounted === 0 ? 0 : 1;
}

async function keep({ json }: LoadOptions, results: LoadResults | WeriftResults): Promise<void> {
  if (json !== undefined) await Deno.writeTextFile(json, JSON.stringify(results, null, 2) + "\n");
}

function print(text: string): number {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  return 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
