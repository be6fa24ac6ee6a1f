/**
 * RTCP as far as a receiver needs it (RFC 3550, section 6): sender reports, whose time a receiver report gives back, and
 * BYE come in, receiver reports with a CNAME go out. Everything else is skipped: other packet types, report blocks about
 * what we do not send, descriptions of who speaks.
 *
 * Not followed on purpose: that a compound packet begins with a report (appendix A.2). Where `rtcp-rsize` is negotiated
 * feedback comes alone (RFC 5506), and what opens is authentic.
 */

/** What one compound packet says that a receiver acts on. */
export interface RtcpNews {
  senderReports: SenderReport[];
  /** SSRCs that left. */
  byes: number[];
}

export interface SenderReport {
  ssrc: number;
  /** The middle 32 bits of its NTP time: what a report gives back as LSR. */
  ntpMiddle: number;
}

/** One source as a receiver reports it (RFC 3550, section 6.4.1). */
export interface ReportBlock {
  ssrc: number;
  /** Of 256, since the last report. */
  fractionLost: number;
  /** Since the beginning, 24 bit with a sign. */
  packetsLost: number;
  /** 32 bit: the sequence number with its rollovers. */
  highestSequence: number;
  /** In units of the RTP clock. */
  jitter: number;
  /** NTP time of the last sender report, 0 without one. */
  lastSr: number;
  /** Since that came, in 1/65536 s. */
  delaySinceLastSr: number;
}

/** As many as five bits count. */
export const REPORT_BLOCKS_MAX = 31;

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const BYE = 203;
const VERSION = 2;
const HEADER_BYTES = 4;
/** Header, SSRC, and twenty bytes on what was sent. */
const SENDER_REPORT_BYTES = 28;
const BLOCK_BYTES = 24;
const CNAME = 1;

/** Undefined when the lengths, versions or paddings of a compound packet do not add up (RFC 3550, appendix A.2). */
export function readRtcp(compound: Uint8Array): RtcpNews | undefined {
  const news: RtcpNews = { senderReports: [], byes: [] };
  const view = new DataView(compound.buffer, compound.byteOffset, compound.byteLength);
  for (let at = 0, end; at < compound.length; at = end) {
    if (at + HEADER_BYTES > compound.length) return undefined;
    end = at + 4 * (view.getUint16(at + 2) + 1);
    if (compound[at] >> 6 !== VERSION || end > compound.length) return undefined;
    const isPadded = (compound[at] & 0x20) !== 0;
    const padding = isPadded ? compound[end - 1] : 0;
    const contentEnd = end - padding;
    // Padding is for the last packet only, of whole words, and not the header itself.
    if (
      isPadded && (end < compound.length || padding === 0 || padding % 4 || contentEnd < at + HEADER_BYTES)
    ) {
      return undefined;
    }
    if (!readPacket(view, at, contentEnd, news)) return undefined;
  }
  return compound.length > 0 ? news : undefined;
}

/** False when it is shorter than its type or its count says. */
function readPacket(view: DataView, at: number, end: number, news: RtcpNews): boolean {
  const count = view.getUint8(at) & 0x1f;
  switch (view.getUint8(at + 1)) {
    case SENDER_REPORT:
      if (at + SENDER_REPORT_BYTES + BLOCK_BYTES * count > end) return false;
      news.senderReports.push({ ssrc: view.getUint32(at + 4), ntpMiddle: view.getUint32(at + 10) });
      return true;
    case BYE:
      if (at + HEADER_BYTES + 4 * count > end) return false;
      for (let source = 0; source < count; source++) {
        news.byes.push(view.getUint32(at + HEADER_BYTES + 4 * source));
      }
      return true;
    default:
      return true;
  }
}

/** A receiver report on at most 31 sources, and the CNAME, of at most 255 characters of ASCII, that each must have. */
export function receiverReport(ssrc: number, cname: string, blocks: readonly ReportBlock[]): Uint8Array {
  const reportBytes = HEADER_BYTES + 4 + BLOCK_BYTES * blocks.length;
  // SSRC, one item, and at least one zero to end the list, filled up to a whole word.
  const chunkBytes = 4 * Math.ceil((4 + 2 + cname.length + 1) / 4);
  const compound = new Uint8Array(reportBytes + HEADER_BYTES + chunkBytes);
  const view = new DataView(compound.buffer);
  writeHeader(view, 0, blocks.length, RECEIVER_REPORT, reportBytes);
  view.setUint32(4, ssrc);
  for (const [i, block] of blocks.entries()) writeBlock(view, HEADER_BYTES + 4 + BLOCK_BYTES * i, block);
  writeHeader(view, reportBytes, 1, SOURCE_DESCRIPTION, HEADER_BYTES + chunkBytes);
  view.setUint32(reportBytes + 4, ssrc);
  view.setUint8(reportBytes + 8, CNAME);
  view.setUint8(reportBytes + 9, cname.length);
  for (let i = 0; i < cname.length; i++) compound[reportBytes + 10 + i] = cname.charCodeAt(i);
  return compound;
}

function writeHeader(view: DataView, at: number, count: number, type: number, bytes: number): void {
  view.setUint8(at, VERSION << 6 | count);
  view.setUint8(at + 1, type);
  view.setUint16(at + 2, bytes / 4 - 1);
}

function writeBlock(view: DataView, at: number, block: ReportBlock): void {
  view.setUint32(at, block.ssrc);
  // 8 bits of fraction, 24 bits of lost packets, negative ones in two's complement.
  view.setUint32(at + 4, block.fractionLost << 24 | block.packetsLost & 0xff_ffff);
  view.setUint32(at + 8, block.highestSequence);
  view.setUint32(at + 12, block.jitter);
  view.setUint32(at + 16, block.lastSr);
  view.setUint32(at + 20, block.delaySinceLastSr);
}
