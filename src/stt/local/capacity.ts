/**
 * How many people may talk at once: measured once, when the model is loaded, by decoding recorded speech. Pure but for the
 * decode it is given.
 */
import type { Capacity } from "./process_protocol.ts";
import { SAMPLE_RATE_HZ } from "./protocol.ts";
import { withZeros } from "./recogniser_session.ts";

/** The first decode allocates. Of the others the one that took the least counts: others on the machine only slow it. */
const DECODES = 6;
/**
 * A talker costs this many times the decode of their audio: a final, a partial each second, each of half a segment or more,
 * and the voice detector; measured (docs/decisions/0030): 0.075 of a core at a factor of 0.03.
 */
const DECODES_PER_TALKER = 2.5;
/** The rest is for the service, its media workers and peaks. */
const SHARE = 0.6;

export interface MeasureOptions {
  decode: (samples: Float32Array<ArrayBuffer>) => Promise<unknown>;
  /** Recorded speech of some seconds, at 16 kHz. */
  speech: Float32Array;
  cores: number;
  /** Processor time of this process, ms: what others on the machine take is no part of it. */
  busyMs: () => number;
}

export async function measureCapacity({ decode, speech, cores, busyMs }: MeasureOptions): Promise<Capacity> {
  const samples = withZeros(speech);
  let leastMs = Infinity;
  for (let count = 0; count < DECODES; count++) {
    const startMs = busyMs();
    await decode(samples);
    if (count > 0) leastMs = Math.min(leastMs, busyMs() - startMs);
  }
  const realTimeFactor = leastMs / (speech.length / SAMPLE_RATE_HZ * 1_000);
  return {
    talkers: talkersOf(realTimeFactor, cores),
    realTimeFactor: Math.round(realTimeFactor * 1e4) / 1e4,
  };
}

/** At least one: a slow machine captions one person late. */
export function talkersOf(realTimeFactor: number, cores: number): number {
  return Math.max(1, Math.floor(cores * SHARE / (realTimeFactor * DECODES_PER_TALKER)));
}

/** The processors this process may use, by the text of a control group's cpu.max: "QUOTA PERIOD", or "max PERIOD". */
export function coresOf(machine: number, cpuMax: string | undefined): number {
  const [quota, period] = (cpuMax ?? "").trim().split(" ").map(Number);
  return quota > 0 && period > 0 ? Math.min(machine, quota / period) : machine;
}
