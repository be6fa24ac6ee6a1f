/**
 * A bounded queue of copied packets. The copies are reused: at fifty a second for every speaker, objects that live for a
 * fifth of a second are the worst case for a garbage collector. When full the oldest packet is dropped.
 */
import type { RtpPacket } from "../domain/mod.ts";

/** A packet of speech and a margin; a longer one makes its slot grow. */
const PAYLOAD_BYTES = 128;

/** `bytes` is at least as long as the payload, whose length is `length`. */
interface Slot {
  readonly packet: RtpPacket;
  bytes: Uint8Array;
  length: number;
}

export class PacketQueue {
  readonly #waiting: Slot[] = [];
  readonly #free: Slot[] = [];

  constructor(readonly capacity: number) {}

  get size(): number {
    return this.#waiting.length;
  }

  /** Copies a packet. False when the oldest was dropped for it. */
  push({ sequence, timestamp, ssrc, payload, arrivedMs }: RtpPacket): boolean {
    const isFull = this.#waiting.length === this.capacity;
    const slot = (isFull ? this.#waiting.shift() : this.#free.pop()) ?? emptySlot();
    if (payload.length > slot.bytes.length) slot.bytes = new Uint8Array(payload.length);
    slot.bytes.set(payload);
    slot.length = payload.length;
    const { packet } = slot;
    packet.sequence = sequence;
    packet.timestamp = timestamp;
    packet.ssrc = ssrc;
    packet.arrivedMs = arrivedMs;
    this.#waiting.push(slot);
    return !isFull;
  }

  /** The oldest packet, valid until the next push. */
  shift(): RtpPacket | undefined {
    const slot = this.#waiting.shift();
    if (!slot) return undefined;
    slot.packet.payload = slot.bytes.subarray(0, slot.length);
    this.#free.push(slot);
    return slot.packet;
  }

  /** Drops all packets; returns how many. */
  clear(): number {
    return this.#waiting.splice(0).length;
  }
}

function emptySlot(): Slot {
  const bytes = new Uint8Array(PAYLOAD_BYTES);
  return { packet: { sequence: 0, timestamp: 0, ssrc: 0, payload: bytes, arrivedMs: 0 }, bytes, length: 0 };
}
