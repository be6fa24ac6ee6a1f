/**
 * Packets that wait, without an object for each: at fifty a second for every speaker, objects that live for a fifth of
 * a second are what a garbage collector is worst at. Payloads lie one after the other in one buffer, which grows to
 * what the fullest moment took. When full the oldest makes room.
 */
import type { RtpPacket } from "../domain/mod.ts";

/** Ten packets of speech. */
const FIRST_BYTES = 1_024;

export class PacketRing {
  readonly #sequences: Uint16Array;
  readonly #timestamps: Uint32Array;
  readonly #ssrcs: Uint32Array;
  readonly #arrivals: Float64Array;
  /** Where each payload begins, and how long it is. */
  readonly #starts: Uint32Array;
  readonly #lengths: Uint32Array;
  #bytes = new Uint8Array(FIRST_BYTES);
  /** End of the newest payload. */
  #end = 0;
  #head = 0;
  #size = 0;
  readonly #oldest = { sequence: 0, timestamp: 0, ssrc: 0, payload: this.#bytes, arrivedMs: 0 };

  constructor(readonly capacity: number) {
    this.#sequences = new Uint16Array(capacity);
    this.#timestamps = new Uint32Array(capacity);
    this.#ssrcs = new Uint32Array(capacity);
    this.#arrivals = new Float64Array(capacity);
    this.#starts = new Uint32Array(capacity);
    this.#lengths = new Uint32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** Takes a copy of a packet. False when the oldest had to go for it. */
  push(packet: RtpPacket): boolean {
    const isFull = this.#size === this.capacity;
    if (isFull) this.#forgetOldest();
    const { payload } = packet;
    const start = this.#room(payload.length);
    const at = (this.#head + this.#size++) % this.capacity;
    this.#bytes.set(payload, start);
    this.#end = start + payload.length;
    this.#sequences[at] = packet.sequence;
    this.#timestamps[at] = packet.timestamp;
    this.#ssrcs[at] = packet.ssrc;
    this.#arrivals[at] = packet.arrivedMs;
    this.#starts[at] = start;
    this.#lengths[at] = payload.length;
    return !isFull;
  }

  /** The oldest packet, good until the next is taken or pushed. */
  shift(): RtpPacket | undefined {
    if (this.#size === 0) return undefined;
    const at = this.#head;
    const start = this.#starts[at];
    this.#forgetOldest();
    const oldest = this.#oldest;
    oldest.sequence = this.#sequences[at];
    oldest.timestamp = this.#timestamps[at];
    oldest.ssrc = this.#ssrcs[at];
    oldest.payload = this.#bytes.subarray(start, start + this.#lengths[at]);
    oldest.arrivedMs = this.#arrivals[at];
    return oldest;
  }

  /** Forgets all; returns how many. */
  clear(): number {
    const size = this.#size;
    this.#size = 0;
    return size;
  }

  #forgetOldest(): void {
    this.#head = (this.#head + 1) % this.capacity;
    this.#size--;
  }

  /** Where so many bytes can be written. */
  #room(length: number): number {
    if (this.#size === 0) this.#end = 0;
    if (this.#end + length <= this.#bytes.length) return this.#end;
    const from = this.#size === 0 ? 0 : this.#starts[this.#head];
    const used = this.#bytes.subarray(from, this.#end);
    const isRoomy = used.length + length <= this.#bytes.length / 2; // or it would be moved again soon
    const bytes = isRoomy
      ? this.#bytes
      : new Uint8Array(Math.max(2 * this.#bytes.length, used.length + length));
    bytes.set(used);
    this.#bytes = bytes;
    for (let index = 0; index < this.#size; index++) {
      this.#starts[(this.#head + index) % this.capacity] -= from;
    }
    return this.#end = used.length;
  }
}
