/** Speech for tests: WAV files in `tests/data` (made by `scripts/make-test-speech`), and Opus packets made of them. */
import { Application, createEncoder } from "libopus-wasm";

/** Mono samples in [-1, 1]. */
export interface Speech {
  samples: Float32Array<ArrayBuffer>;
  sampleRateHz: number;
}

/** What the files in `tests/data` say. */
export const SPOKEN = {
  meeting_rms:
    "one two three four five six seven eight nine ten the meeting starts at half past nine in the morning",
  train_slt: "good morning everyone the train leaves at seven in the evening",
  river_rms: "we will talk about the weather and the water in the river",
  hello_rms: "good morning can everyone hear me",
  yes_slt: "yes we can hear you and we can read every word",
  start_rms: "the meeting starts at half past nine in the morning",
  garden_slt: "the children are playing in the garden with their friends",
  weather_rms: "then we have time to talk about the weather",
  names_slt: "the next speaker is katharina sorensen",
} as const;

export const PACKET_MS = 20;

/** Reads a 16-bit mono PCM WAV from `tests/data`. */
export async function readSpeech(name: keyof typeof SPOKEN): Promise<Speech> {
  return parseWav(await Deno.readFile(new URL(`../data/${name}.wav`, import.meta.url)));
}

export function parseWav(bytes: Uint8Array): Speech {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = (at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (tag(0) !== "RIFF" || tag(8) !== "WAVE") throw new Error("Cannot read WAV: no RIFF/WAVE header");
  let sampleRateHz = 0;
  for (let at = 12; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true)) {
    if (tag(at) === "fmt ") {
      if (view.getUint16(at + 10, true) !== 1 || view.getUint16(at + 22, true) !== 16) {
        throw new Error("Cannot read WAV: only 16-bit mono");
      }
      sampleRateHz = view.getUint32(at + 12, true);
    } else if (tag(at) === "data") {
      const length = Math.min(view.getUint32(at + 4, true), bytes.length - at - 8) >> 1;
      const samples = Float32Array.from({ length }, (_, i) => view.getInt16(at + 8 + 2 * i, true) / 32768);
      return { samples, sampleRateHz };
    }
  }
  throw new Error("Cannot read WAV: no data chunk");
}

/** 16-bit mono PCM in a RIFF/WAVE file. */
export function wav({ samples, sampleRateHz }: Speech): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(44 + 2 * samples.length);
  const view = new DataView(bytes.buffer);
  const tag = (at: number, text: string) => bytes.set(new TextEncoder().encode(text), at);
  tag(0, "RIFF");
  view.setUint32(4, bytes.length - 8, true);
  tag(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // length of this chunk
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, sampleRateHz, true);
  view.setUint32(28, 2 * sampleRateHz, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a frame
  view.setUint16(34, 16, true); // bits a sample
  tag(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) =>
    view.setInt16(44 + 2 * i, Math.round(Math.max(-1, Math.min(1, sample)) * 32_767), true)
  );
  return bytes;
}

/** Silence before and after. */
export function padded(speech: Speech, leadMs: number, tailMs: number): Speech {
  const { samples, sampleRateHz } = speech;
  const count = (ms: number) => Math.round(ms * sampleRateHz / 1000);
  const out = new Float32Array(count(leadMs) + samples.length + count(tailMs));
  out.set(samples, count(leadMs));
  return { samples: out, sampleRateHz };
}

/** 20 ms Opus packets, 32 kbit/s; the rate must be one libopus takes (8, 12, 16, 24, 48 kHz). */
export async function encodeOpus(
  speech: Speech,
  options: { bitrate?: number; dtx?: boolean } = {},
): Promise<Uint8Array[]> {
  const frameSize = speech.sampleRateHz * PACKET_MS / 1000;
  using encoder = await createEncoder({
    sampleRate: speech.sampleRateHz as 16_000,
    channels: 1,
    frameSize,
    application: Application.Voip,
    bitrate: options.bitrate ?? 32_000,
    dtx: options.dtx ?? false,
  });
  const packets: Uint8Array[] = [];
  for (let at = 0; at < speech.samples.length; at += frameSize) {
    const frame = new Float32Array(frameSize);
    frame.set(speech.samples.subarray(at, at + frameSize));
    packets.push(encoder.encodeFloat(frame).slice());
  }
  return packets;
}

/** One Opus packet of the audio of several that are alike, 120 ms at the most (RFC 6716, section 3.2.5). */
export function packedOpus(payloads: readonly Uint8Array[]): Uint8Array {
  const frames = payloads.map((payload) => payload.subarray(1));
  const lengths = frames.slice(0, -1).flatMap(({ length }) =>
    length < 252 ? [length] : [252 + (length & 3), (length - 252 - (length & 3)) / 4]
  );
  return Uint8Array.from([
    payloads[0][0] & 0xfc | 3,
    0x80 | frames.length,
    ...lengths,
    ...frames.flatMap((frame) => [...frame]),
  ]);
}
