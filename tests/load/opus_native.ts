/**
 * The floor under the service's cost of a packet: native libopus decodes the same packets at 24 kHz mono float, then
 * native libsrtp opens packets as long (srtp_native.ts). A process of its own, so that nothing else is counted; run by
 * calibrate.ts with a file of packets:
 *
 *     deno run -A tests/load/opus_native.ts PACKETS.json SPEAKERS
 *
 * Prints one line of JSON, `Calibration`. Where libopus0 is not installed it takes libopus-wasm, and says so; where
 * libsrtp2-1 is not, the floor is decoding alone, and it says that.
 */
import { createDecoder } from "libopus-wasm";
import { cpuMsOf } from "./proc.ts";
import { srtpMicrosPerPacket } from "./srtp_native.ts";

export interface Calibration {
  library: "libopus.so.0" | "libopus-wasm";
  /** Processor time of decoding one packet, µs; the median of the rounds. */
  microsPerPacket: number;
  packets: number;
  /** Of opening one SRTP packet, µs; null where libsrtp2-1 is not installed. */
  srtpMicrosPerPacket: number | null;
  /** Both together, µs. */
  floorMicrosPerPacket: number;
}

const SAMPLE_RATE_HZ = 24_000;
/** 20 ms. */
const FRAME_SAMPLES = 480;
const ROUNDS = 5;
/** The kernel counts processor time in steps of 10 ms: enough packets for 100 steps a round. */
const PACKETS_PER_ROUND = 75_000;

interface Decoder {
  decode(packet: Uint8Array<ArrayBuffer>): void;
}

function nativeDecoders(count: number): Decoder[] | undefined {
  let library;
  try {
    library = Deno.dlopen("libopus.so.0", {
      opus_decoder_create: { parameters: ["i32", "i32", "buffer"], result: "pointer" },
      opus_decode_float: {
        parameters: ["pointer", "buffer", "i32", "buffer", "i32", "i32"],
        result: "i32",
      },
    });
  } catch {
    return undefined;
  }
  const { opus_decoder_create: create, opus_decode_float: decode } = library.symbols;
  return Array.from({ length: count }, () => {
    const error = new Int32Array(1);
    const decoder = create(SAMPLE_RATE_HZ, 1, error);
    if (error[0] !== 0) throw new Error(`Cannot create an Opus decoder: error ${error[0]}`);
    const pcm = new Float32Array(FRAME_SAMPLES);
    return {
      decode(packet) {
        const samples = decode(decoder, packet, packet.length, pcm, FRAME_SAMPLES, 0);
        if (samples !== FRAME_SAMPLES) throw new Error(`Cannot decode a packet: ${samples}`);
      },
    };
  });
}

async function wasmDecoders(count: number): Promise<Decoder[]> {
  const decoders: Decoder[] = [];
  for (let index = 0; index < count; index++) {
    const handle = await createDecoder({ sampleRate: SAMPLE_RATE_HZ, channels: 1 });
    decoders.push({ decode: (packet) => void handle.decodeFloat(packet) });
  }
  return decoders;
}

async function calibrate(
  packets: readonly Uint8Array<ArrayBuffer>[],
  speakers: number,
): Promise<Calibration> {
  const native = nativeDecoders(speakers);
  const decoders = native ?? await wasmDecoders(speakers);
  const beats = Math.ceil(PACKETS_PER_ROUND / speakers);
  const micros: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const startMs = cpuMsOf("self");
    // As in a call: everyone's next packet, then everyone's next; nobody's decoder stays in the cache.
    for (let beat = 0; beat < beats; beat++) {
      const packet = packets[beat % packets.length];
      for (const decoder of decoders) decoder.decode(packet);
    }
    if (round > 0) micros.push((cpuMsOf("self") - startMs) * 1_000 / (beats * speakers)); // the first one warms up
  }
  const microsPerPacket = micros.sort((a, b) => a - b)[ROUNDS >> 1];
  const srtpMicros = srtpMicrosPerPacket(packets, speakers);
  return {
    library: native ? "libopus.so.0" : "libopus-wasm",
    microsPerPacket,
    packets: beats * speakers * ROUNDS,
    srtpMicrosPerPacket: srtpMicros ?? null,
    floorMicrosPerPacket: microsPerPacket + (srtpMicros ?? 0),
  };
}

if (import.meta.main) {
  const [file, speakers] = Deno.args;
  const packets = (JSON.parse(await Deno.readTextFile(file)) as string[]).map((text) =>
    Uint8Array.fromBase64(text)
  );
  const calibration = await calibrate(packets, Number(speakers));
  Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(calibration)));
}
