/**
 * Processor time of a speaker's audio, from what the source gets to the chunks for speech-to-text, without the network:
 * RTP packets, a recorder's WebM, PCM of three rates; for a recogniser that takes 24 kHz. Microseconds for 100 ms.
 *
 *     deno run -A tests/load/sources.ts
 */
import { ContainerVoice, PcmVoice, RtpVoice } from "../../src/audio/mod.ts";
import { AudioLedger, type VoicedPcm } from "../../src/domain/mod.ts";
import { timed, webm } from "../fakes/containers.ts";
import { encodeOpus, type Speech } from "../fakes/speech.ts";
import { s16le } from "../fakes/voice_client.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";

const RATE_HZ = 24_000;
const SPEAKERS = 100;
/** Of 100 ms each. */
const WARM = 20;
const PARTS = 80;
const PACKETS = 5;
const PACKET_MS = 20;

interface Source extends Disposable {
  chunks: VoicedPcm;
}

const voiceOptions = () => ({
  ...{ sampleRateHz: RATE_HZ, chunkMs: 200, ledger: new AudioLedger(), meter: new FakeMeter() },
});
const print = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

/** Of this thread. */
function cpuMs(): number {
  return Number(Deno.readTextFileSync("/proc/thread-self/schedstat").split(" ")[0]) / 1e6;
}

function measure<Voice extends Source>(
  name: string,
  open: () => Voice,
  feed: (voice: Voice, part: number) => void,
) {
  const voices = Array.from({ length: SPEAKERS }, open);
  const run = (from: number, to: number) => {
    for (let part = from; part < to; part++) {
      for (const voice of voices) {
        feed(voice, part);
        const { chunks } = voice;
        for (let chunk = chunks.take(() => 1); chunk; chunk = chunks.take(() => 1)) {
          chunks.recycle(chunk.samples);
        }
        chunks.acknowledge(1);
      }
    }
  };
  run(0, WARM);
  const beforeMs = cpuMs();
  run(WARM, PARTS);
  const us = 1_000 * (cpuMs() - beforeMs) / (PARTS - WARM) / SPEAKERS;
  print(`${name.padEnd(24)} ${us.toFixed(0)} us`);
  for (const voice of voices) voice[Symbol.dispose]();
}

/** A recording in parts of 100 ms. */
function partsOf(packets: readonly Uint8Array[]): Uint8Array[] {
  const written = (count: number) => webm(timed(packets.slice(0, count), PACKET_MS), { inCluster: PACKETS });
  return Array.from(
    { length: PARTS },
    (_, part) => written((part + 1) * PACKETS).slice(part === 0 ? 0 : written(part * PACKETS).length),
  );
}

async function measureAll(name: string, speech: (sampleRateHz: number) => Speech): Promise<void> {
  const packets = (await encodeOpus(speech(48_000))).slice(0, PARTS * PACKETS);
  measure(`${name}: RTP`, () => new RtpVoice({ ...voiceOptions(), takeDropped: () => 0 }), (voice, part) => {
    for (let at = part * PACKETS; at < (part + 1) * PACKETS; at++) {
      const arrivedMs = 1_000 + at * PACKET_MS;
      const header = { sequence: at, timestamp: at * 48 * PACKET_MS, ssrc: 1 };
      voice.receive({ ...header, payload: packets[at], arrivedMs }, arrivedMs);
    }
  });
  const parts = partsOf(packets);
  const nowMs = (part: number) => 1_000 + 100 * part;
  measure(
    `${name}: WebM`,
    () => new ContainerVoice({ ...voiceOptions(), container: "webm" }),
    (voice, part) => voice.receive({ bytes: parts[part] }, nowMs(part)),
  );
  for (const sampleRateHz of [RATE_HZ, 16_000, 48_000]) {
    const bytes = s16le(speech(sampleRateHz));
    const partBytes = sampleRateHz / 10 * 2;
    measure(
      `${name}: PCM, ${sampleRateHz / 1_000} kHz`,
      () => new PcmVoice({ ...voiceOptions(), format: { encoding: "s16le", sampleRateHz, channels: 1 } }),
      (voice, part) =>
        voice.receive({ bytes: bytes.subarray(part * partBytes, (part + 1) * partBytes) }, nowMs(part)),
    );
  }
}

const lengthMs = PARTS * 100;
const words = Array.from({ length: lengthMs / 500 }, (_, index) => TONE_WORDS[index % TONE_WORDS.length]);
await measureAll("speech", (sampleRateHz) => toneSpeech(words, { wordMs: 400, gapMs: 100, sampleRateHz }));
await measureAll("silence", (sampleRateHz) => ({
  samples: new Float32Array(lengthMs * sampleRateHz / 1_000),
  sampleRateHz,
}));
