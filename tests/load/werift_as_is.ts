/**
 * `deno task load --werift`: what the service is to be seen beside. As many subscriptions to the same SFU, taken
 * by werift as it is (werift_process.ts), measured the same way.
 */
import { ClaimedPorts } from "../fakes/ports.ts";
import { PACKET_MS } from "../fakes/speech.ts";
import { ownAddress } from "../real/janus.ts";
import { answersOk, ServerProcess } from "../real/server_process.ts";
import { calibrate } from "./calibrate.ts";
import { type Percentiles, percentiles } from "./latency.ts";
import { impairmentsOf, type LoadOptions } from "./load_args.ts";
import { openSfu, pause, temporaryFolder, untilStill } from "./load_scene.ts";
import { loadMachine, type Machine, untilQuiet } from "./machine.ts";
import { PUBLISHERS } from "./marks.ts";
import type { Calibration } from "./opus_native.ts";
import { busyMs, cpuMsOf, dropsBetween, rssBytesOf, udpDropsOf, waitedForCoreMs } from "./proc.ts";
import type { IceCandidateJson, SfuRoom } from "./sfu_room.ts";
import type { WeriftAnswer, WeriftNumbers } from "./werift_process.ts";

const JOIN_TIMEOUT_MS = 45_000;
const LOOK_EVERY_MS = 100;
const SAMPLE_EVERY_MS = 1_000;

export interface WeriftResults {
  at: string;
  machine: Machine;
  loadBefore: number;
  othersCores: number;
  options: LoadOptions;
  joins: Join[];
  window: {
    seconds: number;
    connected: number;
    packetsSent: number;
    packetsReceived: number;
    decoded: number;
    behindMs: number;
    socketDrops: number;
    microsPerPacket: number;
    cores: number;
    speakersPerCore: number;
    waitedForCore: number;
    generatorCores: { sfu: number; harness: number };
    publishersLateMs: Percentiles;
  };
  memory: { oneRssBytes: number; allRssBytes: number; perSpeakerRssBytes: number };
  calibration: Calibration;
  /** werift's time per packet over native libopus' time to decode one. */
  ratio: number;
  ratioOverFloor: number;
}

interface Join {
  /** So many at once; `connected` of those then `present` were after `tookMs`. */
  speakers: number;
  present: number;
  connected: number;
  tookMs: number;
}

/** What is measured: the process, and the SFU it receives from. */
interface Scene {
  url: string;
  pid: number;
  sfu: SfuRoom;
  /** Where it is a process of its own. */
  sfuPid?: number;
  say: (line: string) => void;
}

export async function weriftAsIs(
  options: LoadOptions,
  say: (line: string) => void,
): Promise<WeriftResults> {
  const loadBefore = await untilQuiet(options.waitS);
  say(`load average ${loadBefore.toFixed(2)}; starting the SFU and werift as it is`);
  let packets: readonly Uint8Array[];
  let measured: Awaited<ReturnType<typeof measure>>;
  {
    await using stack = new AsyncDisposableStack();
    const ports = stack.use(ClaimedPorts.claim());
    const folder = await temporaryFolder(stack);
    const opened = await openSfu(stack, folder, ports.next(), {
      ...options,
      impairments: impairmentsOf(options),
    });
    packets = opened.packets;
    const port = ports.next();
    const url = `http://127.0.0.1:${port}`;
    const script = new URL("werift_process.ts", import.meta.url).pathname;
    const werift = stack.use(
      await ServerProcess.start({
        name: "werift as it is",
        executable: Deno.execPath(),
        args: ["run", "-A", ...options.denoArgs, script, String(port), ownAddress()],
        logPath: `${folder}/werift.log`,
        isReady: () => answersOk(`${url}/numbers`),
      }),
    );
    const { sfu, pid: sfuPid } = opened;
    measured = await measure({ url, pid: werift.pid, sfu, sfuPid, say }, options);
  }
  say("calibrating: native libopus and libsrtp on the same packets");
  const calibration = await calibrate(packets, options.speakers);
  const { microsPerPacket } = measured.window;
  return {
    at: new Date().toISOString(),
    machine: loadMachine(),
    loadBefore,
    options,
    ...measured,
    calibration,
    ratio: microsPerPacket / calibration.microsPerPacket,
    ratioOverFloor: microsPerPacket / calibration.floorMicrosPerPacket,
  };
}

async function measure(scene: Scene, options: LoadOptions) {
  const { speakers, joinTogether, warmUpS, seconds } = options;
  const joins = [await join(scene, 0, 1)];
  await pause(3_000);
  const oneRssBytes = rssBytesOf(scene.pid);
  for (let present = 1; present < speakers;) {
    const count = Math.min(joinTogether, speakers - present);
    joins.push(await join(scene, present, count));
    present += count;
  }
  scene.say(`${warmUpS} s to warm up`);
  await pause(warmUpS * 1_000);
  scene.say(`measuring for ${seconds} s`);
  const { window, othersCores, rssBytes } = await measureWindow(scene, seconds);
  const perSpeakerRssBytes = (rssBytes - oneRssBytes) / Math.max(1, speakers - 1);
  return { othersCores, joins, window, memory: { oneRssBytes, allRssBytes: rssBytes, perSpeakerRssBytes } };
}

async function join({ url, sfu, say }: Scene, before: number, speakers: number): Promise<Join> {
  const startMs = performance.now();
  const present = before + speakers;
  const subscribed = Array.from(
    { length: speakers },
    (_, index) => subscribe(url, sfu, (before + index) % PUBLISHERS),
  );
  // A failed one is not connected, which shows in the count.
  await Promise.allSettled(subscribed);
  for (;;) {
    const { connected } = await numbersOf(url);
    const tookMs = performance.now() - startMs;
    if (connected < present && tookMs < JOIN_TIMEOUT_MS) {
      await pause(LOOK_EVERY_MS);
      continue;
    }
    const took = (tookMs / 1_000).toFixed(1);
    say(`${speakers} joined at once, ${connected} of ${present} connected after ${took} s`);
    return { speakers, present, connected, tookMs };
  }
}

/** The SFU's candidates may come before its offer is answered: they wait for the answer's id. */
async function subscribe(url: string, sfu: SfuRoom, publisher: number): Promise<void> {
  const answered = Promise.withResolvers<number>();
  const candidates: Promise<unknown>[] = [];
  const subscription = await sfu.subscribe(publisher, (candidate: IceCandidateJson) => {
    const passed = answered.promise.then((id) => ask(`${url}/candidates?${id}`, JSON.stringify(candidate)));
    passed.catch(() => {});
    candidates.push(passed);
  });
  try {
    const { id, sdp } = await ask<WeriftAnswer>(`${url}/offers`, subscription.offer);
    answered.resolve(id);
    await subscription.answer(sdp);
    await Promise.all(candidates);
  } catch (error) {
    answered.reject(error);
    throw error;
  }
}

/** Packets are held back before and after the window: then both sides have counted the same ones. */
async function measureWindow({ url, pid, sfu, sfuPid, say }: Scene, seconds: number) {
  const { publishers } = sfu;
  const look = () => numbersOf(url);
  const received = (numbers: WeriftNumbers) => numbers.received;
  publishers.held = true;
  const { last: before } = await untilStill(look, received);
  const spentMs = () => ({
    sfu: sfuPid === undefined ? 0 : cpuMsOf(sfuPid),
    harness: cpuMsOf("self"),
    all: busyMs(),
  });
  const start = {
    sent: sfu.sentCounts(),
    drops: udpDropsOf(pid),
    spent: spentMs(),
    weriftMs: cpuMsOf(pid),
    waitedMs: waitedForCoreMs(pid),
    atMs: performance.now(),
  };
  publishers.lateMs = [];
  publishers.held = false;
  const rss: number[] = [];
  for (let second = 1; second <= seconds; second++) {
    await pause(start.atMs + second * SAMPLE_EVERY_MS - performance.now());
    rss.push(rssBytesOf(pid));
  }
  const elapsedMs = performance.now() - start.atMs;
  const weriftCores = (cpuMsOf(pid) - start.weriftMs) / elapsedMs;
  const waitedForCore = (waitedForCoreMs(pid) - start.waitedMs) / elapsedMs;
  const spent = spentMs();
  const coresOf = (who: keyof typeof spent) => (spent[who] - start.spent[who]) / elapsedMs;
  const generatorCores = { sfu: coresOf("sfu"), harness: coresOf("harness") };
  const lateMs = publishers.lateMs;
  publishers.held = true;
  const { last: after, behindMs } = await untilStill(look, received);
  const wholeMs = cpuMsOf(pid) - start.weriftMs;
  const packetsReceived = after.received - before.received;
  const window: WeriftResults["window"] = {
    seconds: elapsedMs / 1_000,
    connected: after.connected,
    packetsSent: sfu.sentSince(start.sent),
    packetsReceived,
    decoded: after.decoded - before.decoded,
    behindMs,
    socketDrops: dropsBetween(start.drops, udpDropsOf(pid)),
    microsPerPacket: wholeMs * 1_000 / packetsReceived,
    cores: weriftCores,
    speakersPerCore: packetsReceived * PACKET_MS / wholeMs,
    waitedForCore,
    generatorCores,
    publishersLateMs: percentiles(lateMs),
  };
  const others = coresOf("all") - weriftCores - generatorCores.sfu - generatorCores.harness;
  say(`${packetsReceived} packets received`);
  return { window, othersCores: Math.max(0, others), rssBytes: percentiles(rss.slice(-5)).median };
}

function numbersOf(url: string): Promise<WeriftNumbers> {
  return ask(`${url}/numbers`);
}

async function ask<T>(url: string, body?: string): Promise<T> {
  const response = await fetch(url, body === undefined ? {} : { method: "POST", body });
  if (response.ok) return await response.json();
  await response.body?.cancel();
  throw new Error(`Cannot ask werift: ${response.status}`);
}
