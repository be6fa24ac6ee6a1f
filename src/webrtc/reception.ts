/**
 * What one source's packets were like, for receiver reports (RFC 3550, section 6.4.1 and appendix A). A packet costs a
 * few operations on integers and leaves nothing behind: sequence numbers are followed by the index that SRTP needs
 * anyway, all the rest is worked out when a report is due.
 *
 * Authentic packets that are new are all that is counted: one that came twice is no packet more, so it hides no loss.
 */
import type { ReportBlock } from "./rtcp.ts";
import { PacketIndex } from "./srtp_index.ts";

/** Opus runs on this clock whatever it encodes (RFC 7587), and nothing else is negotiated. */
const CLOCK_PER_MS = 48;
/** Packets lost in a row; more were not sent. RFC 3550, appendix A.1, MAX_DROPOUT. */
const DROPOUT_MAX = 3_000;
/** A clock that jumps farther than this, 23 minutes, is not jitter: sixteen times as much still fits an integer. */
const DEVIATION_MAX = 2 ** 26;
/** What 24 bits with a sign hold. */
const LOST_MAX = 0x7f_ffff;
/** 18 hours, in 1/65536 s. */
const DELAY_MAX = 0xffff_ffff;

export class Reception {
  /** Of the packets that came. */
  readonly index = new PacketIndex();
  /** Arrival less timestamp of the newest packet, in units of the RTP clock, modulo 2^32; undefined before the first. */
  #transit: number | undefined;
  /** Sixteen times the jitter, as RFC 3550, appendix A.8 keeps it. */
  #jitter = 0;
  /** Index of the newest packet. */
  #highest = 0;
  #received = 0;
  #lastSr = 0;
  #lastSrMs = 0;
  /** At the last report. */
  #expectedPrior = 0;
  #receivedPrior = 0;

  /** `first` is the sequence number of the first packet. */
  constructor(readonly ssrc: number, private first: number) {}

  /** Takes note of an authentic packet that was new, after `index` did. The hot path. */
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

  /** A sender report came. */
  senderReported(ntpMiddle: number, nowMs: number): void {
    this.#lastSr = ntpMiddle;
    this.#lastSrMs = nowMs;
  }

  /** The source said BYE: it is reported on no more, unless it is heard again. */
  left(): void {
    this.#expectedPrior = this.#expected;
    this.#receivedPrior = this.#received;
  }

  /** Whether packets came since the last report. */
  get isHeard(): boolean {
    return this.#received !== this.#receivedPrior;
  }

  /** What there is to report, and the beginning of the next report's interval. */
  report(nowMs: number): ReportBlock {
    // Packets from before the first one move it back. Loss below zero, which is allowed, Janus takes for millions.
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

  /** The sender jumped: what it jumped over was never sent (RFC 3550, appendix A.1). */
  #restart(first: number): void {
    this.first = first;
    this.#received = this.#receivedPrior = this.#expectedPrior = 0;
  }

  get #expected(): number {
    return this.index.highest - this.first + 1;
  }
}
