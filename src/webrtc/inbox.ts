/**
 * The one place where live audio is lost: a bounded queue between the network, which cannot be slowed, and a reader
 * that may be. Late audio makes late captions, so the oldest packet is dropped, and every drop is counted.
 *
 * Packets are handed on as many at a time as the reader wants: a read costs more than most of what is done with a
 * packet.
 */
import {
  type AudioLedger,
  type AudioSource,
  type Clock,
  LIMITS,
  type Meter,
  type RtpPacket,
} from "../domain/mod.ts";

export interface RtpInboxOptions {
  ledger: AudioLedger;
  meter: Meter;
  clock: Clock;
}

export class RtpInbox implements AudioSource {
  readonly packets: ReadableStream<readonly RtpPacket[]>;
  readonly #options: RtpInboxOptions;
  /** Oldest first; at most LIMITS.rtpInboxPackets. */
  #waiting: RtpPacket[] = [];
  #wanted = 1;
  #withinMs = 0;
  /** While a read is not answered. */
  #reader: PromiseWithResolvers<void> | undefined;
  #timer: Disposable | undefined;
  #ended = false;
  #dropped = 0;
  #taken = 0;
  #metered = 0;

  constructor(options: RtpInboxOptions) {
    this.#options = options;
    this.packets = new ReadableStream({
      pull: async (controller) => {
        if (!this.#isDue()) await this.#due();
        // No more than wanted, however many wait: what is in the chain cannot be dropped any more.
        const packets = this.#waiting.splice(0, this.#wanted);
        if (packets.length > 0) controller.enqueue(packets);
        else controller.close();
      },
      cancel: () => {
        this.#waiting = [];
        this.end();
      },
    }, { highWaterMark: 0 });
  }

  push(packet: RtpPacket): void {
    if (this.#ended) return; // nobody counts on it any more
    const { ledger } = this.#options;
    ledger.add("received");
    this.#waiting.push(packet);
    if (this.#waiting.length > LIMITS.rtpInboxPackets) {
      this.#waiting.shift();
      this.#dropped++;
      ledger.add("dropped");
    }
    if (this.#reader) this.#look();
  }

  want(packets: number, withinMs: number): void {
    this.#wanted = Math.min(packets, LIMITS.rtpInboxPackets);
    this.#withinMs = withinMs;
    if (this.#reader) this.#look();
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
    this.#options.meter.count("tiro_queue_dropped_total", "rtp_inbox", since);
  }

  end(): void {
    this.#ended = true;
    this.#answer();
    this.report();
  }

  #isDue(): boolean {
    return this.#ended || this.#waiting.length >= this.#wanted;
  }

  #due(): Promise<void> {
    this.#reader = Promise.withResolvers();
    const { promise } = this.#reader;
    this.#look();
    return promise;
  }

  /** Answers the read that waits, now or when the oldest packet has waited long enough. */
  #look(): void {
    if (this.#isDue()) return this.#answer();
    if (this.#timer || this.#waiting.length === 0) return;
    const { clock } = this.#options;
    const waitedMs = clock.now() - this.#waiting[0].arrivedMs;
    this.#timer = clock.timer(Math.max(0, this.#withinMs - waitedMs), () => this.#answer());
  }

  #answer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#reader?.resolve();
    this.#reader = undefined;
  }
}
