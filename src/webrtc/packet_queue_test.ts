import assert from "@std/assert";
import type { RtpPacket } from "../domain/mod.ts";
import { PacketQueue } from "./packet_queue.ts";

/** A packet in which every field is derived from its number. */
const packet = (number: number, bytes = 3): RtpPacket => ({
  sequence: number & 0xffff,
  timestamp: number * 960 >>> 0,
  ssrc: 0xffff_ffff - number,
  payload: new Uint8Array(bytes).fill(number),
  arrivedMs: number + 0.25,
});

const taken = (queue: PacketQueue) => {
  const found = queue.shift();
  return found && { ...found, payload: found.payload.slice() };
};

Deno.test("Packets come out as they went in, the oldest first", () => {
  const queue = new PacketQueue(4);
  for (const number of [0xffff, 0x1_0000, 2]) assert.ok(queue.push(packet(number)));
  assert.equal(queue.size, 3);
  for (const number of [0xffff, 0x1_0000, 2]) assert.deepEqual(taken(queue), packet(number));
  assert.equal(taken(queue), undefined);
  assert.equal(queue.size, 0);
});

Deno.test("A packet is copied: its bytes may change afterwards", () => {
  const queue = new PacketQueue(2);
  const original = packet(1);
  queue.push(original);
  original.payload.fill(9);
  assert.deepEqual(taken(queue), packet(1));
});

Deno.test("When full the oldest packet is dropped, and push returns false", () => {
  const queue = new PacketQueue(3);
  for (const number of [1, 2, 3]) assert.equal(queue.push(packet(number)), true);
  for (const number of [4, 5]) assert.equal(queue.push(packet(number)), false);
  assert.equal(queue.size, 3);
  for (const number of [3, 4, 5]) assert.deepEqual(taken(queue), packet(number));
});

Deno.test("Packets of any size stay distinct, whether the reader is fast or slow", () => {
  const queue = new PacketQueue(64);
  const waiting: RtpPacket[] = [];
  let seed = 1;
  const random = (below: number) => (seed = seed * 48_271 % 0x7fff_ffff) % below;
  for (let number = 0; number < 20_000; number++) {
    const next = packet(number, random(10) === 0 ? random(1_300) : random(200));
    assert.equal(queue.push(next), waiting.length < 64);
    waiting.push(next);
    if (waiting.length > 64) waiting.shift();
    assert.equal(queue.size, waiting.length);
    // Fast and slow readers alternate.
    for (let reads = number % 2_000 < 1_000 ? random(3) : random(2); reads > 0; reads--) {
      assert.deepEqual(taken(queue), waiting.shift());
    }
  }
  assert.equal(queue.clear(), waiting.length);
  assert.equal(taken(queue), undefined);
});
