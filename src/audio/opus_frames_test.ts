/** Packets of several frames, split: the same audio, and nothing but frames of a legal size. */
import assert from "@std/assert";
import { encodeOpus, packedOpus } from "../../tests/fakes/speech.ts";
import { toneSpeech } from "../../tests/fakes/tones.ts";
import { OpusDecoder } from "./opus.ts";
import { splitOpusPacket } from "./opus_frames.ts";
import { joined, seededRandom } from "./testing_test.ts";

const RATE = 16_000;

async function tone(): Promise<Uint8Array[]> {
  return await encodeOpus(toneSpeech(["red", "river"], { sampleRateHz: RATE }), { bitrate: 64_000 });
}

function decoded(packets: readonly Uint8Array[]): Float32Array {
  using decoder = new OpusDecoder(RATE);
  return joined(packets.map((packet) => decoder.decode(packet)!.slice()));
}

Deno.test("The frames of a packet decode to what the packet decodes to", async () => {
  const packets = await tone();
  for (const count of [1, 2, 3, 6]) {
    const together: Uint8Array[] = [];
    for (let at = 0; at + count <= packets.length; at += count) {
      together.push(count === 1 ? packets[at] : packedOpus(packets.slice(at, at + count)));
    }
    const split = together.flatMap((packet) => splitOpusPacket(packet)!);
    assert.deepEqual(decoded(split), decoded(packets.slice(0, split.length)));
  }
});

Deno.test("All four codes are split, with padding and without", () => {
  const frame = (length: number) => new Uint8Array(length).fill(7);
  const packet = (head: number[], ...frames: Uint8Array[]) =>
    Uint8Array.from([...head, ...frames.flatMap((each) => [...each])]);
  const lengths = (payload: Uint8Array) => splitOpusPacket(payload)?.map(({ length }) => length - 1);
  assert.deepEqual(lengths(packet([0xf8], frame(1_275))), [1_275]);
  assert.deepEqual(lengths(packet([0xf9], frame(900), frame(900))), [900, 900]);
  assert.deepEqual(lengths(packet([0xfa, 100], frame(100), frame(1_200))), [100, 1_200]);
  assert.deepEqual(lengths(packet([0xfa, 252, 100], frame(652), frame(1_200))), [652, 1_200]);
  assert.deepEqual(lengths(packet([0xfb, 3], frame(1_800))), [600, 600, 600]);
  assert.deepEqual(lengths(packet([0xfb, 0x43, 255, 2], frame(1_800), frame(256))), [600, 600, 600]);
  assert.deepEqual(lengths(packet([0xfb, 0x83, 10, 20], frame(60))), [10, 20, 30]);
  for (
    const broken of [
      [0xf8, ...frame(1_276)],
      [0xf9, 1],
      [0xfa],
      [0xfa, 252],
      [0xfa, 9, 1],
      [0xfb],
      [0xfb, 0],
      [0xfb, 49, ...frame(98)],
      [0xfb, 3, 1],
      [0xfb, 0x43, 9],
      [0xfb, 0x43, 255],
      [0xfb, 0x83, 9, 9, 1],
      [0xfb, 0x83, 9],
    ]
  ) assert.equal(splitOpusPacket(Uint8Array.from(broken)), undefined, `${broken.slice(0, 4)}`);
});

Deno.test("Whatever a packet is, its frames are no more than it has", () => {
  const random = seededRandom(5);
  for (let round = 0; round < 20_000; round++) {
    const payload = Uint8Array.from({ length: 1 + Math.floor(random() ** 4 * 4_000) }, () => random() * 256);
    const frames = splitOpusPacket(payload);
    if (!frames) continue;
    assert.ok(frames.length <= 48);
    assert.ok(frames.reduce((sum, { length }) => sum + length - 1, 0) < payload.length);
  }
});
