/** What is read is written by werift, and what is written is read by it: neither is our own. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import {
  RtcpPacketConverter,
  RtcpReceiverInfo,
  RtcpRrPacket,
  RtcpSenderInfo,
  RtcpSourceDescriptionPacket,
  RtcpSrPacket,
} from "werift";
import { readRtcp, receiverReport, type ReportBlock } from "./rtcp.ts";

const packet = (first: number, type: number, ...body: number[]) => {
  const length = body.length / 4;
  return [first, type, length >> 8, length & 0xff, ...body];
};
const read = (...packets: number[][]) => readRtcp(Uint8Array.from(packets.flat()));

const SR = packet(0x80, 200, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8, ...Array(12).fill(0));
const SR_READ = { ssrc: 7, ntpMiddle: 0x03040506 };
const BYE = packet(0x82, 203, 0, 0, 0, 7, 0xff, 0xff, 0xff, 0xff);

Deno.test("werift's sender report with report blocks is read", () => {
  const senderInfo = new RtcpSenderInfo({
    ntpTimestamp: 0xaaaabbbb_ccccddddn,
    rtpTimestamp: 1,
    packetCount: 2,
    octetCount: 3,
  });
  const about = { fractionLost: 0, packetsLost: 0, highestSequence: 0, jitter: 0, lsr: 0, dlsr: 0 };
  const reports = [new RtcpReceiverInfo({ ssrc: 1, ...about }), new RtcpReceiverInfo({ ssrc: 2, ...about })];
  const written = new RtcpSrPacket({ ssrc: 0xfedcba98, senderInfo, reports }).serialize();
  assert.deepEqual(readRtcp(written), {
    senderReports: [{ ssrc: 0xfedcba98, ntpMiddle: 0xbbbbcccc }],
    byes: [],
  });
});

Deno.test("BYE is read with a reason or without, and may have no SSRC", () => {
  const reason = packet(0x81, 203, 0, 0, 0, 9, 3, 97, 98, 99);
  assert.deepEqual(read(SR, BYE, reason), { senderReports: [SR_READ], byes: [7, 0xffff_ffff, 9] });
  assert.deepEqual(read(packet(0x80, 203)), { senderReports: [], byes: [] });
});

Deno.test("Other packets are skipped anywhere, and feedback may come alone", () => {
  const others = [201, 202, 204, 205, 206, 207, 192, 223].map((type) => packet(0x80, type, 0, 0, 0, 1));
  for (const other of others) {
    assert.deepEqual(read(other), { senderReports: [], byes: [] });
    assert.deepEqual(read(other, SR), { senderReports: [SR_READ], byes: [] });
  }
  assert.deepEqual(read(...others, SR, SR), { senderReports: [SR_READ, SR_READ], byes: [] });
});

Deno.test("The last packet may be padded", () => {
  assert.deepEqual(read(SR, packet(0xa1, 203, 0, 0, 0, 5, 0, 0, 0, 4)), {
    senderReports: [SR_READ],
    byes: [5],
  });
  assert.deepEqual(read([0xa0, ...SR.slice(1, 2), 0, 7, ...SR.slice(4), 0, 0, 0, 4]), {
    senderReports: [SR_READ],
    byes: [],
  });
});

Deno.test("Invalid lengths, versions, counts and paddings are refused", () => {
  const wrong: Record<string, number[]> = {
    "nothing": [],
    "half a header": [0x80, 200, 0],
    "longer than what came": [0x80, 201, 0, 2, 0, 0, 0, 1],
    "as long as can be": [0x80, 201, 0xff, 0xff],
    "rubbish behind": [...SR, 0, 0],
    "a first version": [...SR, ...packet(0x40, 201, 0, 0, 0, 1)],
    "a sender report cut short": packet(0x80, 200, ...Array(20).fill(0)),
    "fewer blocks than counted": [0x81, ...SR.slice(1)],
    "fewer leaving than counted": packet(0x82, 203, 0, 0, 0, 1),
    "padding before the end": [...packet(0xa0, 201, 0, 0, 0, 4), ...SR],
    "padding of nothing": packet(0xa0, 201, 0, 0, 0, 0),
    "half a word of padding": packet(0xa0, 201, 0, 0, 0, 2),
    "more padding than packet": packet(0xa0, 201, 0, 0, 0, 8),
    "padding where the leaving are counted": packet(0xa1, 203, 0, 0, 0, 4),
  };
  for (const [what, bytes] of Object.entries(wrong)) assert.equal(read(bytes), undefined, what);
});

Deno.test("No input makes it throw, loop or return invalid values", () => {
  let state = 5;
  const random = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 8;
  for (let round = 0; round < 20_000; round++) {
    const length = random() % 80;
    const bytes = Uint8Array.from({ length }, () => random());
    for (let at = 0; at < length; at += 4 * (1 + random() % 4)) {
      bytes.set([0x80 | random() % 64, 200 + random() % 4, 0, random() % 10].slice(0, length - at), at);
    }
    const news = readRtcp(bytes);
    assert.ok(!news || 28 * news.senderReports.length + 4 * news.byes.length <= length);
  }
});

Deno.test("werift reads our report with every field and the CNAME", () => {
  const block: ReportBlock = {
    ssrc: 0xfedcba98,
    fractionLost: 255,
    packetsLost: 0x7fffff,
    highestSequence: 0xffff_fffe,
    jitter: 0x1234_5678,
    lastSr: 0x9abc_def0,
    delaySinceLastSr: 0x8765_4321,
  };
  for (const cname of ["a", "ab", "abc", "abcd", "abcde", "x".repeat(255)]) {
    const blocks = [block, { ...block, ssrc: 2, packetsLost: -1, fractionLost: 0 }];
    const written = receiverReport(0xdeadbeef, cname, blocks);
    assert.equal(written.length % 4, 0);
    assert.equal(written.at(-1), 0, "the list of items has an end");
    const [report, description, ...more] = RtcpPacketConverter.deSerialize(Buffer.from(written));
    if (!(report instanceof RtcpRrPacket)) throw new Error("The first packet is no report");
    if (!(description instanceof RtcpSourceDescriptionPacket)) {
      throw new Error("The second has no source description");
    }
    assert.deepEqual(more, []);
    assert.equal(report.ssrc, 0xdeadbeef);
    const { lastSr: lsr, delaySinceLastSr: dlsr, ...same } = block;
    assert.deepEqual(report.reports.map((info) => info.toJSON()), [
      { ...same, lsr, dlsr },
      { ...same, lsr, dlsr, ssrc: 2, packetsLost: 0xff_ffff, fractionLost: 0 },
    ]);
    const { chunks: [{ source, items }] } = description;
    assert.equal(source, 0xdeadbeef);
    assert.deepEqual(items.filter(({ type }) => type === 1).map(({ text }) => text), [cname]);
    assert.deepEqual(readRtcp(written), { senderReports: [], byes: [] });
  }
});

Deno.test("A report may have no block, and one with 31 fits into a datagram", () => {
  assert.equal(receiverReport(1, "abcdefghijklmnop", []).length, 8 + 4 + 24);
  const block = {
    ssrc: 1,
    fractionLost: 0,
    packetsLost: 0,
    highestSequence: 0,
    jitter: 0,
    lastSr: 0,
    delaySinceLastSr: 0,
  };
  const written = receiverReport(1, "abcdefghijklmnop", Array(31).fill(block));
  assert.equal(written[0], 0x80 | 31);
  assert.ok(written.length < 1_200);
  assert.ok(readRtcp(written));
});
