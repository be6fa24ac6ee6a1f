/**
 * A bounded queue between the network, which cannot be slowed, and a reader that takes packets as they come: it fills
 * only while this thread is busy. Then the oldest packet is dropped. So is what comes faster than anybody speaks, from
 * whom it may: every drop is counted.
 */
import { type AudioLedger, Budget, LIMITS, type Meter, type RtpPacket } from "../domain/mod.ts";
import type { Inbox } from "../flow/mod.ts";
import { PacketRing } from "./packet_ring.ts";

export class RtpInbox implements Inbox<RtpPacket>, Disposable {
  onArrival: () => void = () => {};
  readonly #waiting = new PacketRing(LIMITS.rtpInboxPackets);
  readonly #budget = new Budget(LIMITS.rtpPacketsPerSecond);
  #ended = false;
  #dropped = 0;
  #taken = 0;
  /** Dropped and not in a metric yet. */
  #overflowed = 0;
  #tooFast = 0;

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
    if (!this.#budget.spend(packet.arrivedMs)) {
      this.#tooFast++;
      return this.#drop(1);
    }
    if (!this.#waiting.push(packet)) this.#overflow(1);
    this.onArrival();
  }

  /** Good until another packet arrives or is taken. */
  take(): RtpPacket | undefined {
    return this.#waiting.shift();
  }

  /** Packets dropped since the last call. */
  takeDropped(): number {
    const since = this.#dropped - this.#taken;
    this.#taken += since;
    return since;
  }

  /** Moves drops since the last call to the metrics; not per packet, where the labels would cost more than the drop. */
  report(): void {
    if (this.#overflowed > 0) this.meter.count("tiro_queue_dropped_total", "rtp_inbox", this.#overflowed);
    if (this.#tooFast > 0) this.meter.count("tiro_rtp_refused_total", "too_fast", this.#tooFast);
    this.#overflowed = this.#tooFast = 0;
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
    this.#overflow(this.#waiting.clear());
    this.report();
  }

  #overflow(packets: number): void {
    this.#overflowed += packets;
    this.#drop(packets);
  }

  #drop(packets: number): void {
    this.#dropped += packets;
    this.ledger.add("dropped", packets);
  }
}
