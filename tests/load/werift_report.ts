/** The results of werift as it is as a table for people, in the words of load_report.ts. */
import { besideFloor } from "./calibrate.ts";
import { cores, machineRows, mebibytes, sfuName, spread, tableOf } from "./load_report.ts";
import type { WeriftResults } from "./werift_as_is.ts";

export function weriftReport(results: WeriftResults): string {
  const { options, window, memory, calibration } = results;
  const { generatorCores: generator } = window;
  return tableOf([
    ...machineRows(results),
    ["  generator", `${sfuName(options.sfu, generator.sfu)}, harness ${cores(generator.harness)}`],
    ["  publishers late", spread(window.publishersLateMs)],
    [],
    [
      `${options.speakers} speakers, werift as it is`,
      `${options.talkPercent} % talking, ${window.seconds.toFixed(0)} s, ` +
      `loss ${options.lossPercent} %, reorder ${options.reorderPercent} %, jitter ${options.jitterMs} ms`,
    ],
    ...results.joins.map(({ speakers, present, connected, tookMs }) => [
      `  ${speakers} joining at once`,
      `${connected} of ${present} connected after ${(tookMs / 1_000).toFixed(1)} s`,
    ]),
    ["  connected at the end", String(window.connected)],
    [],
    ["werift, processor time", `${window.microsPerPacket.toFixed(1)} us per packet received`],
    ...besideFloor(window.microsPerPacket, calibration),
    ["  cores", `${cores(window.cores)}, so ${window.speakersPerCore.toFixed(0)} speakers a core`],
    ["  waited for a core", `${(window.waitedForCore * 100).toFixed(1)} % of the time`],
    [],
    [
      "packets sent / received",
      `${window.packetsSent} / ${window.packetsReceived}; ${window.decoded} decoded, the last ` +
      `${window.behindMs.toFixed(0)} ms after the window`,
    ],
    ["  never received", `${window.socketDrops} found a socket buffer full`],
    [],
    ["memory, 1 speaker", `${mebibytes(memory.oneRssBytes)} MiB resident`],
    [`memory, ${options.speakers} speakers`, `${mebibytes(memory.allRssBytes)} MiB resident`],
    ["memory, each further speaker", `${mebibytes(memory.perSpeakerRssBytes, 2)} MiB resident`],
  ]);
}
