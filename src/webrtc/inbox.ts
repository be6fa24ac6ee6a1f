/**
 * A bounded queue between the network, which cannot be slowed down, and the reader of a speaker's packets. It fills only
 * while this thread is busy; when full the oldest packet is dropped. Packets beyond the rate of any Opus stream are
 * dropped too. Every drop is counted.
 */
import { type AudioLedger, Budget, LIMITS, type Meter, type RtpPacket } from "../domain/mod.ts";
import type { Inbox } from "../flow/mod.ts";
import { PacketQueue } from "./packet_queue.ts";

export class RtpInbox implements Inbox<RtpPacket>, Disposable {
  onArrival: () => void = () => {};
  readonly #waiting = new PacketQueue(LIMITS.rtpInboxPackets);
  readonly #budget = new Budget(LIMITS.rtpPacketsPerSecond);
  #ended = false;
  /** Dropped since the last `takeDropped`. */
  #dropped = 0;
  /** Dropped since the last `report`, by reason. */
  #overflowed = 0;
  #tooFast = 0;

  constructor(private readonly ledger: AudioLedger, private readonly meter: Meter) {}

  get ended(): boolean {
    return this.#ended;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Copies the packet. */
  push(packet: RtpPacket): void {
    if (this.#ended) return;
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
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Adds drops since the last call to the metrics; not per packet, where the labels would cost more than the drop. */
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

  /** Ends the source; packets still waiting are dropped. */
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
