/** The results of a run as a table for people. */
import type { Memory, Results } from "./bench.ts";
import { besideFloor } from "./calibrate.ts";
import type { Latencies, Percentiles } from "./latency.ts";

export function report(results: Results): string {
  const { machine, window, memory, calibration, loadBefore } = results;
  const rows: string[][] = [
    ["machine", `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB`],
    ["", `Linux ${machine.kernel}, Deno ${machine.deno}, load ${loadBefore.toFixed(2)} before the run`],
    [],
    ...delayRows(results.delayEasy),
    [],
    ...delayRows(results.delayLoaded),
    [],
    [`${window.speakers} speakers, ${window.seconds.toFixed(0)} s`, ""],
    ["  service, processor time", `${window.serviceMicrosPerPacket.toFixed(1)} us per packet received`],
    ...besideFloor(window.serviceMicrosPerPacket, calibration),
    ["  service, one core", percent(window.serviceCpu)],
    ["  service, loop lag", `${window.serviceLoopLagMs.toFixed(1)} ms at worst`],
    ["  packets sent / received", `${window.packetsSent} / ${window.packetsReceived}`],
    ["  decoded, dropped, late, lost", [window.decoded, window.dropped, window.late, window.lost].join(", ")],
    ["  generator, one core", percent(window.generatorCpu)],
    ["  generator, beats late", spread(window.generatorLateMs)],
    [],
    ["memory, 1 speaker", held(memory.oneSpeaker)],
    [`memory, ${window.speakers} speakers`, held(memory.allSpeakers)],
    ["memory, each further speaker", held(memory.perSpeaker)],
  ];
  return rows.map(([name = "", value = ""]) => `${name.padEnd(32)}${value}`.trimEnd()).join("\n") + "\n";
}

function delayRows(delay: Latencies & { speakers: number }): string[][] {
  return [
    [`delay with ${delay.speakers} speakers`, `${delay.utterances} utterances, ${delay.missed} missed`],
    ["  word spoken -> first partial", `${spread(delay.service)}, the stand-in's own delay taken out`],
    ["    sent -> chunk at STT", spread(delay.audio)],
    ["    the stand-in's own", spread(delay.own)],
    ["    word from STT -> partial", spread(delay.text)],
  ];
}

function spread({ median, p99, max }: Percentiles): string {
  return `median ${median.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function held({ rssBytes, heldBytes }: Memory): string {
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(2);
  return `${mebibytes(rssBytes)} MiB resident, ${mebibytes(heldBytes)} MiB once the garbage is collected`;
}
