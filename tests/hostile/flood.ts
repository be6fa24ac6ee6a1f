/**
 * `deno task flood`: what garbage at a speaker's UDP port costs them, the others and the service. The tests beside it
 * show for seconds that no word is lost; this measures for as long as is asked, on a machine of its own.
 */
import type { TestParticipant, TestSpeaker } from "../fakes/call.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { enable, eventually, finalText } from "../integration/world.ts";
import type { Percentiles } from "../load/latency.ts";
import { mebibytes, spread, tableOf } from "../load/load_report.ts";
import { exitOnSignals, pause } from "../load/load_scene.ts";
import { LoopProbes } from "../load/loop_probe.ts";
import { loadMachine } from "../load/machine.ts";
import { dropsBetween } from "../load/proc.ts";
import { ServiceProcess } from "../load/service_process.ts";
import { type MediaPath, mediaPaths } from "../real/janus_admin.ts";
import { installedHpbVersions, RealStack } from "../real/stack.ts";
import { type FloodOptions, floodOptionsOf, HELP } from "./flood_args.ts";
import { arrivedOf } from "./flood_words.ts";
import { Flooding } from "./flooding.ts";
import type { Garbage } from "./garbage.ts";
import { RawUdp } from "./raw_udp.ts";

const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];
const HEARD_TIMEOUT_MS = 60_000;
/** What was said last is read by then. */
const WORDS_TIMEOUT_MS = 20_000;
const SAMPLE_EVERY_MS = 1_000;
/** Before and after each kind, for what is under way to end. */
const SETTLE_MS = 3_000;
/** The service before it is measured: modules are compiled, buffers have their size. */
const WARM_UP_S = 20;

interface Words {
  said: number;
  arrived: number;
}

interface FloodResult {
  kind: Garbage | "nothing";
  seconds: number;
  /** Datagrams. */
  sent: number;
  refused: number;
  /** By the kernel: what the filter of a socket keeps out, which is refused as well, and what found a buffer full. */
  socketDrops: number;
  attacked: Words;
  others: Words;
  /** By event loop, the service's own first: its other threads, then media workers. */
  loopLagMs: Percentiles[];
  serviceCores: number;
  /** Resident, bytes: after a collection before, at most meanwhile, after a collection afterwards. */
  rss: { before: number; most: number; after: number };
  /** Offers asked of the SFU beyond those for joining: a subscription was lost. */
  offers: number;
}

interface Scene {
  service: ServiceProcess;
  path: MediaPath;
  listener: TestParticipant;
  /** The first is flooded. */
  speakers: TestSpeaker[];
}

async function onScene<T>(options: FloodOptions, work: (scene: Scene) => Promise<T>): Promise<T> {
  const [hpbVersion] = installedHpbVersions().toReversed();
  if (hpbVersion === undefined) throw new Error("Cannot flood: no HPB is installed, see scripts/install-hpb");
  await using stack = await RealStack.start({ hpbVersion });
  await using server = FakeKyutaiServer.start();
  await using service = await ServiceProcess.start({
    denoArgs: ["--inspect=127.0.0.1:0"],
    environment: {
      LT_HPB_URL: stack.hpbUrl,
      LT_INTERNAL_SECRET: stack.internalSecret,
      NEXTCLOUD_URL: stack.nextcloudUrl,
      STT_STREAM_URL: server.url,
      MEDIA_WORKERS: String(options.workers),
    },
  });
  await using call = await stack.startCall();
  const listener = await call.addListener();
  const speakers = [await call.addSpeaker()];
  await enable(service.baseUrl, call.roomToken, listener);
  const heard = () =>
    eventually(
      "all are heard",
      async () => await sumOf(service, "tiro_speakers_heard") === speakers.length,
      HEARD_TIMEOUT_MS,
    );
  await heard();
  const [path] = await mediaPaths(stack.janusAdmin);
  while (speakers.length <= options.others) speakers.push(await call.addSpeaker());
  await heard();
  return await work({ service, path, listener, speakers });
}

async function flood(
  { service, path, listener, speakers }: Scene,
  kind: FloodResult["kind"],
  options: FloodOptions,
): Promise<FloodResult> {
  await pause(SETTLE_MS);
  const rss = { before: await heldBytes(service), most: 0, after: 0 };
  const readBefore = speakers.map(({ sessionId }) => wordsRead(listener, sessionId).length);
  const before = {
    refused: await refusedBy(service),
    offers: await sumOf(service, "tiro_offers_requested_total"),
    drops: service.udpDrops(),
  };
  const probes = await LoopProbes.start(service);
  const startMs = performance.now();
  const cpuMs = service.cpuMs();
  const endMs = startMs + options.seconds * 1_000;
  await using flooding = kind === "nothing" ? undefined : await Flooding.start({
    kind,
    to: path.subscriber,
    from: options.inTheSfusName ? path.janus : undefined,
    bitsPerSecond: options.megabits * 1e6,
  });
  const said = speakers.map(() => 0);
  const speaking = speakers.map(async (speaker, index) => {
    const phrase = index % 2 === 0 ? PHRASE : PHRASE.toReversed();
    const speech = padded(toneSpeech(phrase), 300, 300);
    for (; performance.now() < endMs; said[index]++) await speaker.say(speech);
  });
  while (performance.now() < endMs) {
    await pause(SAMPLE_EVERY_MS);
    rss.most = Math.max(rss.most, service.residentBytes());
  }
  const sent = await flooding?.stop() ?? 0;
  const elapsedMs = performance.now() - startMs;
  const serviceCores = (service.cpuMs() - cpuMs) / elapsedMs;
  const loopLagMs = await probes.stop();
  await Promise.all(speaking);
  const words = (index: number): Words => {
    const phrase = index % 2 === 0 ? PHRASE : PHRASE.toReversed();
    const all = Array.from({ length: said[index] }, () => phrase).flat();
    const read = wordsRead(listener, speakers[index].sessionId).slice(readBefore[index]);
    return { said: all.length, arrived: arrivedOf(all, read) };
  };
  const isRead = () => speakers.every((_, index) => words(index).arrived === words(index).said);
  await eventually("all words are read", isRead, WORDS_TIMEOUT_MS).catch(() => {});
  await pause(SETTLE_MS);
  rss.after = await heldBytes(service);
  const others = speakers.slice(1).map((_, index) => words(index + 1));
  return {
    kind,
    seconds: elapsedMs / 1_000,
    sent,
    refused: await refusedBy(service) - before.refused,
    socketDrops: dropsBetween(before.drops, service.udpDrops()),
    attacked: words(0),
    others: {
      said: others.reduce((sum, { said }) => sum + said, 0),
      arrived: others.reduce((sum, { arrived }) => sum + arrived, 0),
    },
    loopLagMs,
    serviceCores,
    rss,
    offers: await sumOf(service, "tiro_offers_requested_total") - before.offers,
  };
}

function wordsRead({ transcripts }: TestParticipant, sessionId: string): string[] {
  return finalText(transcripts, sessionId).split(" ").filter((word) => word !== "");
}

async function heldBytes(service: ServiceProcess): Promise<number> {
  await service.collectGarbage();
  return service.residentBytes();
}

/** STUN, DTLS and others; and what looks like RTP. */
async function refusedBy(service: ServiceProcess): Promise<number> {
  return await sumOf(service, "tiro_datagrams_refused_total") +
    await sumOf(service, "tiro_rtp_refused_total");
}

async function sumOf({ baseUrl }: ServiceProcess, name: string): Promise<number> {
  const text = await (await fetch(`${baseUrl}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, "gm"))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

function reportOf(results: readonly FloodResult[], options: FloodOptions): string {
  const { cpu, cores, memoryGiB, kernel, deno } = loadMachine();
  const rows = [
    ["machine", `${cpu}, ${cores} cores, ${memoryGiB} GiB`],
    ["", `Linux ${kernel}, Deno ${deno}`],
    [
      "flood",
      `${options.megabits} Mbit/s, ${options.inTheSfusName ? "in the SFU's name" : "from strangers"}, ` +
      `${options.workers} media workers, 1 + ${options.others} speakers`,
    ],
  ];
  for (const { kind, attacked, others, loopLagMs, rss, ...result } of results) {
    rows.push(
      [],
      [kind, `${result.seconds.toFixed(0)} s, ${result.sent} datagrams`],
      [
        "  refused",
        `${result.refused}; ${result.socketDrops} dropped by the kernel: by the socket's filter, or its buffer was full`,
      ],
      ["  words of the flooded", `${attacked.arrived} of ${attacked.said} arrived`],
      ["  words of the others", `${others.arrived} of ${others.said} arrived`],
      ["  offers asked for anew", String(result.offers)],
      ...loopLagMs.map((
        lag,
        at,
      ) => [`  loop lag, ${at === 0 ? "service" : `event loop ${at}`}`, spread(lag)]),
      ["  service", `${result.serviceCores.toFixed(2)} cores`],
      [
        "  resident memory",
        `${mebibytes(rss.before)} MiB before, ${mebibytes(rss.most)} MiB at most, ` +
        `${mebibytes(rss.after)} MiB after (garbage collected before and after)`,
      ],
    );
  }
  return tableOf(rows);
}

/** Progress goes to standard error, so that the table can be kept. */
function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`flood: ${line}\n`));
}

function print(text: string): number {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
  return 0;
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) return print(HELP);
  let options: FloodOptions;
  try {
    options = floodOptionsOf(args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    say(`${error.message}; see --help`);
    return 2;
  }
  if (options.inTheSfusName && !RawUdp.isAllowed) {
    say("--in-the-sfus-name takes root or CAP_NET_RAW");
    return 2;
  }
  exitOnSignals();
  const results = await onScene(options, async (scene) => {
    say("warming up");
    await flood(scene, "nothing", { ...options, seconds: Math.min(WARM_UP_S, options.seconds) });
    const results: FloodResult[] = [];
    for (const kind of ["nothing", ...options.kinds] as const) {
      say(`${kind}, ${options.seconds} s`);
      results.push(await flood(scene, kind, options));
    }
    return results;
  });
  if (options.json !== undefined) {
    await Deno.writeTextFile(options.json, JSON.stringify(results, null, 2) + "\n");
  }
  print(reportOf(results, options));
  return results.every(({ attacked, others }) => isWhole(attacked) && isWhole(others)) ? 0 : 1;
}

function isWhole({ said, arrived }: Words): boolean {
  return said === arrived;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
