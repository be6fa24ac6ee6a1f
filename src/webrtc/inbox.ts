/**
 * A bounded queue between the network, which cannot be slowed, and a reader that takes packets as they come: it fills
 * only while this thread is busy. Then the oldest packet is dropped, and every drop is counted.
 */
import { type AudioLedger, type AudioSource, LIMITS, type Meter, type RtpPacket } from "../domain/mod.ts";
import { PacketRing } from "./packet_ring.ts";

export class RtpInbox implements AudioSource, Disposable {
  onArrival: () => void = () => {};
  readonly #waiting = new PacketRing(LIMITS.rtpInboxPackets);
  #ended = false;
  #dropped = 0;
  #taken = 0;
  #metered = 0;

  constructor(private readonly ledger: AudioLedger, private readonly meter: Meter) {}

  get ended(): boolean {
    return this.#ended;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Takes a copy of the packet. */
  push(packet: RtpPacket): void {
    if (this.#ended) return; // nobody counts on it any more
    this.ledger.add("received");
    if (!this.#waiting.push(packet)) this.#drop(1);
    this.onArrival();
  }

  take(): RtpPacket | undefined {
    return this.#waiting.shift();
  }

  takeDropped(): number {
    const since = this.#dropped - this.#taken;
    this.#taken += since;
    return since;
  }

  /** Moves drops since the last call to the metric; not per packet, where the labels would cost more than the drop. */
  report(): void {
    const since = this.#dropped - this.#metered;
    if (since === 0) return;
    this.#metered += since;
    this.meter.count("tiro_queue_dropped_total", "rtp_inbox", since);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onArrival();
    this.report();
  }

  /** Ends it; what nobody took is dropped. */
  [Symbol.dispose](): void {
    this.end();
    this.#drop(this.#waiting.clear());
    this.report();
  }

  #drop(packets: number): void {
    this.#dropped += packets;
    this.ledger.add("dropped", packets);
  }
}
