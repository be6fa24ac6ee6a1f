/**
 * Reception statistics of one source for receiver reports (RFC 3550, section 6.4.1 and appendix A). A packet costs a few
 * integer operations: SRTP's index follows the sequence numbers, the rest is computed when a report is due.
 *
 * Only new, authentic packets count, so duplicates hide no loss.
 */
import type { ReportBlock } from "./rtcp.ts";
import { PacketIndex } from "./srtp_index.ts";

/** Of Opus at any rate (RFC 7587); nothing else is negotiated. */
const CLOCK_PER_MS = 48;
/** A longer gap is a restart of the sender: MAX_DROPOUT of RFC 3550, appendix A.1. */
const DROPOUT_MAX = 3_000;
/** 23 minutes: sixteen times as much still fits an integer. */
const DEVIATION_MAX = 2 ** 26;
/** Signed 24 bits. */
const LOST_MAX = 0x7f_ffff;
/** 18 hours, in 1/65536 s. */
const DELAY_MAX = 0xffff_ffff;

export class Reception {
  readonly index = new PacketIndex();
  /** Arrival minus timestamp of the newest packet, in units of the RTP clock, modulo 2^32. */
  #transit: number | undefined;
  /** Times sixteen, as in RFC 3550, appendix A.8. */
  #jitter = 0;
  /** Index of the newest packet. */
  #highest = 0;
  #received = 0;
  #lastSr = 0;
  #lastSrMs = 0;
  // At the last report.
  #expectedPrior = 0;
  #receivedPrior = 0;

  /** `first` is the sequence number of the first packet. */
  constructor(readonly ssrc: number, private first: number) {}

  /** Counts a packet that was just added to `index`. Hot path. */
  arrived(timestamp: number, arrivedMs: number): void {
    const transit = (arrivedMs * CLOCK_PER_MS - timestamp) | 0;
    const deviation = this.#transit === undefined ? 0 : Math.abs((transit - this.#transit) | 0);
    this.#transit = transit;
    const { highest } = this.index;
    if (highest - this.#highest > DROPOUT_MAX && this.#received > 0) this.#restart(highest);
    this.#highest = highest;
    this.#received++;
    this.#jitter += Math.min(deviation, DEVIATION_MAX) - (this.#jitter + 8 >> 4);
  }

  senderReported(ntpMiddle: number, nowMs: number): void {
    this.#lastSr = ntpMiddle;
    this.#lastSrMs = nowMs;
  }

  /** After a BYE: no report until more packets arrive. */
  left(): void {
    this.#expectedPrior = this.#expected;
    this.#receivedPrior = this.#received;
  }

  /** Whether packets arrived since the last report. */
  get isActive(): boolean {
    return this.#received !== this.#receivedPrior;
  }

  /** Starts the next report's interval. */
  report(nowMs: number): ReportBlock {
    // Earlier packets that arrived after the first move it back: Janus reads a negative loss, which is valid, as millions.
    this.first -= Math.max(0, this.#received - this.#expected);
    const expected = this.#expected;
    const expectedSince = expected - this.#expectedPrior;
    const lostSince = expectedSince - (this.#received - this.#receivedPrior);
    this.#expectedPrior = expected;
    this.#receivedPrior = this.#received;
    return {
      ssrc: this.ssrc,
      fractionLost: lostSince > 0 ? Math.min(255, Math.floor(256 * lostSince / expectedSince)) : 0,
      packetsLost: Math.min(LOST_MAX, expected - this.#received),
      highestSequence: this.index.highest % 2 ** 32,
      jitter: this.#jitter >> 4,
      lastSr: this.#lastSr,
      delaySinceLastSr: this.#lastSr === 0
        ? 0
        : Math.min(DELAY_MAX, Math.round((nowMs - this.#lastSrMs) * 65.536)),
    };
  }

  /** The sender jumped: the packets in between were never sent (RFC 3550, appendix A.1). */
  #restart(first: number): void {
    this.first = first;
    this.#received = this.#receivedPrior = this.#expectedPrior = 0;
  }

  get #expected(): number {
    return this.index.highest - this.first + 1;
  }
}
