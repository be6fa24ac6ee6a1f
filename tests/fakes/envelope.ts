/**
 * Whether two recordings are the same sounds, however encoded: their loudness over time, compared at every lag. Tells
 * speech apart from other speech and from silence; tells nothing about fidelity.
 */
import { createDecoder } from "libopus-wasm";
import { PACKET_MS, type Speech } from "./speech.ts";

const SAMPLE_RATE_HZ = 16_000;

/** Decodes Opus packets, in order, to 16 kHz mono. */
export async function decodeOpus(packets: readonly Uint8Array[]): Promise<Speech> {
  const frameSize = SAMPLE_RATE_HZ * PACKET_MS / 1000;
  using decoder = await createDecoder({ sampleRate: SAMPLE_RATE_HZ, channels: 1, maxFrameSize: frameSize });
  const samples = new Float32Array(packets.length * frameSize);
  packets.forEach((packet, i) =>
    samples.set(decoder.decodeFloat(packet).subarray(0, frameSize), i * frameSize)
  );
  return { samples, sampleRateHz: SAMPLE_RATE_HZ };
}

/** Loudness of each 20 ms, as RMS. */
export function envelope({ samples, sampleRateHz }: Speech): number[] {
  const step = sampleRateHz * PACKET_MS / 1000;
  return Array.from({ length: Math.floor(samples.length / step) }, (_, i) => {
    const chunk = samples.subarray(i * step, (i + 1) * step);
    return Math.sqrt(chunk.reduce((sum, sample) => sum + sample * sample, 0) / step);
  });
}

/** The highest Pearson correlation of `part` with any stretch of `whole` of its length, in [-1, 1]. */
export function bestCorrelation(part: readonly number[], whole: readonly number[]): number {
  let best = -1;
  for (let lag = 0; lag + part.length <= whole.length; lag++) {
    best = Math.max(best, correlation(part, whole.slice(lag, lag + part.length)));
  }
  return best;
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanA, meanB] = [mean(a), mean(b)];
  let ab = 0, aa = 0, bb = 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i]! - meanA, b[i]! - meanB];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}

/** From the first to the last 20 ms louder than a hundredth of the loudest, ms. */
export function soundingMs(speech: Speech): number {
  const levels = envelope(speech);
  const floor = Math.max(...levels) / 100;
  return (levels.findLastIndex((level) => level > floor) - levels.findIndex((level) => level > floor) + 1) *
    PACKET_MS;
}
