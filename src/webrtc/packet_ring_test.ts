import assert from "@std/assert";
import type { RtpPacket } from "../domain/mod.ts";
import { PacketRing } from "./packet_ring.ts";

/** A packet in which every field tells its number. */
const packet = (number: number, bytes = 3): RtpPacket => ({
  sequence: number & 0xffff,
  timestamp: number * 960 >>> 0,
  ssrc: 0xffff_ffff - number,
  payload: new Uint8Array(bytes).fill(number),
  arrivedMs: number + 0.25,
});

const taken = (ring: PacketRing) => {
  const found = ring.shift();
  return found && { ...found, payload: found.payload.slice() };
};

Deno.test("Packets come out as they went in, the oldest first", () => {
  const ring = new PacketRing(4);
  for (const number of [0xffff, 0x1_0000, 2]) assert.ok(ring.push(packet(number)));
  assert.equal(ring.size, 3);
  for (const number of [0xffff, 0x1_0000, 2]) assert.deepEqual(taken(ring), packet(number));
  assert.equal(taken(ring), undefined);
  assert.equal(ring.size, 0);
});

Deno.test("A packet is copied: its bytes may change afterwards", () => {
  const ring = new PacketRing(2);
  const original = packet(1);
  ring.push(original);
  original.payload.fill(9);
  assert.deepEqual(taken(ring), packet(1));
});

Deno.test("When full the oldest goes, and that is told", () => {
  const ring = new PacketRing(3);
  for (const number of [1, 2, 3]) assert.equal(ring.push(packet(number)), true);
  for (const number of [4, 5]) assert.equal(ring.push(packet(number)), false);
  assert.equal(ring.size, 3);
  for (const number of [3, 4, 5]) assert.deepEqual(taken(ring), packet(number));
});

Deno.test("Whatever their sizes and whoever is slow, packets are not mixed up", () => {
  const ring = new PacketRing(64);
  const waiting: RtpPacket[] = [];
  let seed = 1;
  const random = (below: number) => (seed = seed * 48_271 % 0x7fff_ffff) % below;
  for (let number = 0; number < 20_000; number++) {
    const next = packet(number, random(10) === 0 ? random(1_300) : random(200));
    assert.equal(ring.push(next), waiting.length < 64);
    waiting.push(next);
    if (waiting.length > 64) waiting.shift();
    assert.equal(ring.size, waiting.length);
    // Fast and slow readers in turn.
    for (let reads = number % 2_000 < 1_000 ? random(3) : random(2); reads > 0; reads--) {
      assert.deepEqual(taken(ring), waiting.shift());
    }
  }
  assert.equal(ring.clear(), waiting.length);
  assert.equal(taken(ring), undefined);
});
