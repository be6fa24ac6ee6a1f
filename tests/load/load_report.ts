/** The results of a load test as a table for people. */
import { besideFloor } from "./calibrate.ts";
import type { Percentiles } from "./latency.ts";
import type { LoadResults } from "./load.ts";
import type { SfuKind } from "./sfu_room.ts";

export function loadReport(results: LoadResults): string {
  const { options, window, memory, ledger, calibration, counters } = results;
  const { packets, generatorCores: generator } = window;
  const rows: string[][] = [
    ...machineRows(results),
    [
      "  generator",
      sfuName(options.sfu, generator.sfu) +
      `, stand-in ${cores(generator.stt)}, harness ${cores(generator.harness)}`,
    ],
    ["", `${window.generatorMicrosPerPacket.toFixed(1)} us per packet sent`],
    ["  publishers late", spread(window.publishersLateMs)],
    [],
    [
      `${options.speakers} speakers, ${options.rooms} rooms`,
      `${options.talkPercent} % talking, ${window.seconds.toFixed(0)} s, ` +
      `loss ${options.lossPercent} %, reorder ${options.reorderPercent} %, jitter ${options.jitterMs} ms`,
    ],
    ...results.joins.map(({ speakers, present, heard, tookMs }) => [
      `  ${speakers} joining at once`,
      `${heard} of ${present} heard after ${(tookMs / 1_000).toFixed(1)} s`,
    ]),
    ["  heard at the end", `${window.heard}; ${window.sttSessions} speech-to-text sessions`],
    [],
    ["service, processor time", `${window.serviceMicrosPerPacket.toFixed(1)} us per packet received`],
    ...besideFloor(window.serviceMicrosPerPacket, calibration),
    ["  cores", `${window.serviceCores.toFixed(2)}, so ${window.speakersPerCore.toFixed(0)} speakers a core`],
    ["  waited for a core", `${(window.waitedForCore * 100).toFixed(1)} % of the time`],
    [
      "  loop lag",
      `${spread(window.loopLagMs)}; own gauge ${window.serviceLoopLagMs.toFixed(1)} ms at worst`,
    ],
    ["  healthz", spread(window.healthzMs)],
    ["  packet due -> chunk at STT", `${spread(window.audioDelayMs)} (${window.audioDelayMs.samples})`],
    ["  word from STT -> HPB", `${spread(window.wordDelayMs)} (${window.wordDelayMs.samples})`],
    ["  audio sent to STT", `${window.sttSecondsPerSpeakerSecond.toFixed(3)} s per speaker and second`],
    ["  transcripts", `${window.transcripts}`],
    [],
    ["packets sent / received", `${window.packetsSent} / ${packets.received}`],
    [
      "  of the received",
      `${packets.decoded} decoded, ${packets.silent} silent, ${packets.late} late, ` +
      `${packets.dropped} dropped by the inbox`,
    ],
    [
      "  never received",
      `${packets.lost} marked lost; ${window.socketDrops} found a socket buffer full`,
    ],
    [
      "  since the start",
      `${ledger.received} received, ${ledger.unaccounted} unaccounted for` +
      (ledger.settled ? "" : " (the service was not done when asked)"),
    ],
    ...Object.entries(counters).map(([name, count]) => [`  ${name}`, String(count)]),
    [],
    ["memory, 1 speaker", `${mebibytes(memory.oneRssBytes)} MiB resident`],
    [`memory, ${options.speakers} speakers`, held(memory.all)],
    ["memory, each further speaker", `${mebibytes(memory.perSpeakerRssBytes, 2)} MiB resident`],
  ];
  return tableOf(rows);
}

export function machineRows(
  { machine, loadBefore, othersCores }: Pick<LoadResults, "machine" | "loadBefore" | "othersCores">,
): string[][] {
  return [
    ["machine", `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB`],
    ["", `Linux ${machine.kernel}, Deno ${machine.deno}`],
    ["  others", `load ${loadBefore.toFixed(2)} before, ${cores(othersCores)} in the window`],
  ];
}

export function sfuName(sfu: SfuKind, sfuCores: number): string {
  return sfu === "janus" ? `Janus ${cores(sfuCores)}` : "own SFU, in the harness";
}

/** Names and values in two columns. */
export function tableOf(rows: readonly string[][]): string {
  return rows.map(([name = "", value = ""]) => `${name.padEnd(32)} ${value}`.trimEnd()).join("\n") + "\n";
}

export function spread({ median, p99, max }: Percentiles): string {
  return `median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;
}

export function cores(count: number): string {
  return `${count.toFixed(2)} cores`;
}

function held({ rssBytes, heldBytes, heapBytes }: LoadResults["memory"]["all"]): string {
  return `${mebibytes(rssBytes)} MiB resident, ${mebibytes(heldBytes)} MiB once the garbage is collected ` +
    `(heap ${mebibytes(heapBytes)} MiB)`;
}

export function mebibytes(bytes: number, digits = 0): string {
  return (bytes / 2 ** 20).toFixed(digits);
}
