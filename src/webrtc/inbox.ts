/**
 * The one place where live audio is lost: a bounded queue between the network, which cannot be slowed, and a reader
 * that may be. Late audio makes late captions, so the oldest packet is dropped, and every drop is counted.
 */
import { type AudioLedger, type AudioSource, LIMITS, type Meter, type RtpPacket } from "../domain/mod.ts";
import { BoundedQueue } from "../flow/mod.ts";

export class RtpInbox implements AudioSource {
  readonly packets: ReadableStream<RtpPacket>;
  readonly #queue = new BoundedQueue<RtpPacket>({
    capacity: LIMITS.rtpInboxPackets,
    whenFull: "drop_oldest",
  });
  #taken = 0;
  #metered = 0;

  constructor(private readonly ledger: AudioLedger, private readonly meter: Meter) {
    this.packets = this.#queue.readable();
  }

  push(packet: RtpPacket): void {
    const dropped = this.#queue.dropped;
    if (!this.#queue.push(packet)) return; // ended: nobody counts on it any more
    this.ledger.add("received");
    if (this.#queue.dropped !== dropped) this.ledger.add("dropped");
  }

  takeDropped(): number {
    const since = this.#queue.dropped - this.#taken;
    this.#taken += since;
    return since;
  }

  /** Moves drops since the last call to the metric; not per packet, where the labels would cost more than the drop. */
  report(): void {
    const since = this.#queue.dropped - this.#metered;
    if (since === 0) return;
    this.#metered += since;
    this.meter.count("tiro_queue_dropped_total", "rtp_inbox", since);
  }

  end(): void {
    this.#queue.close();
    this.report();
  }
}
