/**
 * RTCP for a receiver (RFC 3550, section 6): reads sender reports and BYE, writes receiver reports with a CNAME. Other
 * packet types and report blocks are skipped.
 *
 * Not followed on purpose: that a compound packet begins with a report (appendix A.2). With `rtcp-rsize` feedback comes
 * alone (RFC 5506), and the packets read here are authenticated.
 */
import { viewOf } from "./bytes.ts";

/** The parts of a compound packet that a receiver uses. */
interface RtcpContent {
  /** With the middle 32 bits of their NTP time, which are returned as LSR. */
  senderReports: { ssrc: number; ntpMiddle: number }[];
  /** SSRCs. */
  byes: number[];
}

/** RFC 3550, section 6.4.1. */
export interface ReportBlock {
  ssrc: number;
  /** In 1/256, since the last report. */
  fractionLost: number;
  /** In total, signed 24 bit. */
  packetsLost: number;
  /** 32 bit: the sequence number and its rollovers. */
  highestSequence: number;
  /** In units of the RTP clock. */
  jitter: number;
  /** `ntpMiddle` of the last sender report, 0 without one. */
  lastSr: number;
  /** In 1/65536 s. */
  delaySinceLastSr: number;
}

/** The count has five bits. */
export const REPORT_BLOCKS_MAX = 31;

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const SOURCE_DESCRIPTION = 202;
const BYE = 203;
const VERSION = 2;
const HEADER_BYTES = 4;
/** Header, SSRC and sender info. */
const SENDER_REPORT_BYTES = 28;
const BLOCK_BYTES = 24;
const CNAME = 1;

/** Undefined when lengths, versions or paddings are invalid (RFC 3550, appendix A.2). */
export function readRtcp(compound: Uint8Array): RtcpContent | undefined {
  const content: RtcpContent = { senderReports: [], byes: [] };
  const view = viewOf(compound);
  for (let at = 0, end; at < compound.length; at = end) {
    if (at + HEADER_BYTES > compound.length) return undefined;
    end = at + 4 * (view.getUint16(at + 2) + 1);
    if (compound[at] >> 6 !== VERSION || end > compound.length) return undefined;
    const isPadded = (compound[at] & 0x20) !== 0;
    const padding = isPadded ? compound[end - 1] : 0;
    const contentEnd = end - padding;
    // Only the last packet has padding, in whole words, after its header.
    if (
      isPadded && (end < compound.length || padding === 0 || padding % 4 || contentEnd < at + HEADER_BYTES)
    ) {
      return undefined;
    }
    if (!readPacket(view, at, contentEnd, content)) return undefined;
  }
  return compound.length > 0 ? content : undefined;
}

/** False when it is shorter than its type or count requires. */
function readPacket(view: DataView, at: number, end: number, content: RtcpContent): boolean {
  const count = view.getUint8(at) & 0x1f;
  switch (view.getUint8(at + 1)) {
    case SENDER_REPORT:
      if (at + SENDER_REPORT_BYTES + BLOCK_BYTES * count > end) return false;
      content.senderReports.push({ ssrc: view.getUint32(at + 4), ntpMiddle: view.getUint32(at + 10) });
      return true;
    case BYE:
      if (at + HEADER_BYTES + 4 * count > end) return false;
      for (let source = 0; source < count; source++) {
        content.byes.push(view.getUint32(at + HEADER_BYTES + 4 * source));
      }
      return true;
    default:
      return true;
  }
}

/** A receiver report on at most 31 sources, with the required CNAME: ASCII, at most 255 characters. */
export function receiverReport(ssrc: number, cname: string, blocks: readonly ReportBlock[]): Uint8Array {
  const reportBytes = HEADER_BYTES + 4 + BLOCK_BYTES * blocks.length;
  // SSRC, one item and at least one zero to end the list, padded to a whole word.
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
  // 8 bits of fraction, 24 bits of lost packets in two's complement.
  view.setUint32(at + 4, block.fractionLost << 24 | block.packetsLost & 0xff_ffff);
  view.setUint32(at + 8, block.highestSequence);
  view.setUint32(at + 12, block.jitter);
  view.setUint32(at + 16, block.lastSr);
  view.setUint32(at + 20, block.delaySinceLastSr);
}
