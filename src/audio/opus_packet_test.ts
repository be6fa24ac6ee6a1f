import assert from "@std/assert";
import { isDtxPacket, opusPacketTicks } from "./opus_packet.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const milliseconds = (payload: Uint8Array) => {
  const ticks = opusPacketTicks(payload);
  return ticks === undefined ? undefined : ticks / 48;
};

Deno.test("A packet's length follows table 2 of RFC 6716 for all 32 configurations", () => {
  const expected = [
    ...[10, 20, 40, 60, 10, 20, 40, 60, 10, 20, 40, 60],
    ...[10, 20, 10, 20],
    ...[2.5, 5, 10, 20, 2.5, 5, 10, 20, 2.5, 5, 10, 20, 2.5, 5, 10, 20],
  ];
  assert.deepEqual(expected.map((_, config) => milliseconds(bytes(config << 3, 0))), expected);
});

Deno.test("A packet of two or more frames lasts as long as all of them", () => {
  const silk20 = 1 << 3;
  assert.equal(milliseconds(bytes(silk20 | 1, 7, 7)), 40);
  assert.equal(milliseconds(bytes(silk20 | 2, 1, 7, 7)), 40);
  assert.equal(milliseconds(bytes(silk20 | 3, 3, 7, 7, 7)), 60);
  assert.equal(milliseconds(bytes(silk20 | 3, 0x80 | 6, 7)), 120);
  assert.equal(milliseconds(bytes(16 << 3 | 3, 48, 7)), 120);
});

Deno.test("A packet that breaks the rules of RFC 6716 section 3.4 has no length", () => {
  const silk20 = 1 << 3;
  const malformed = {
    "empty": bytes(),
    "over 120 ms": bytes(silk20 | 3, 7, 7),
    "63 frames of 2.5 ms": bytes(16 << 3 | 3, 63, 7),
    "no frames": bytes(silk20 | 3, 0, 7),
    "counted frames without a count": bytes(silk20 | 3),
    "two equal frames in an odd number of bytes": bytes(silk20 | 1, 7, 7, 7),
    "first of two frames longer than the packet": bytes(silk20 | 2, 9, 7),
    "no length of the first of two frames": bytes(silk20 | 2),
    "half a length of the first of two frames": bytes(silk20 | 2, 252),
  };
  for (const [name, payload] of Object.entries(malformed)) {
    assert.equal(opusPacketTicks(payload), undefined, name);
  }
});

Deno.test("What is sent instead of audio has three bytes at the most", () => {
  assert.deepEqual([1, 2, 3, 4, 8, 34].map((length) => isDtxPacket(new Uint8Array(length))), [
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});
