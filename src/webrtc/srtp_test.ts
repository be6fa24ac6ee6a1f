import assert from "@std/assert";
import { createCipheriv } from "node:crypto";
import { isMedia, isSrtcp, type ReceivedRtp, SrtpReceiver } from "./srtp.ts";
import { PACKET_BYTES_MAX, SrtpTransform } from "./srtp_transform.ts";

const KEY = new Uint8Array(16).fill(1);
const SALT = new Uint8Array(12).fill(2);
const SSRC = 0xfedcba98;

interface Sent {
  /** With its rollovers: above 65535 once it has wrapped. */
  index?: number;
  ssrc?: number;
  payload?: number[];
  /** First byte without the version: padding, extension, number of contributing sources. */
  flags?: number;
  /** Of the header, after the fixed twelve. */
  more?: number[];
  key?: Uint8Array;
}

/** An SRTP packet as the other side sends it (RFC 7714). */
function sealed({ index = 1, ssrc = SSRC, payload = [7, 8, 9], flags = 0, more = [], key = KEY }: Sent = {}) {
  const header = new Uint8Array(12 + more.length);
  const view = new DataView(header.buffer);
  header[0] = 0x80 | flags;
  header[1] = 0x80 | 111;
  view.setUint16(2, index & 0xffff);
  view.setUint32(4, 0xfffffff0);
  view.setUint32(8, ssrc);
  header.set(more, 12);
  const iv = new DataView(new ArrayBuffer(12));
  iv.setUint32(2, ssrc);
  iv.setUint32(6, Math.floor(index / 0x1_0000));
  iv.setUint16(10, index & 0xffff);
  const nonce = SALT.map((byte, at) => byte ^ iv.getUint8(at));
  const cipher = createCipheriv("aes-128-gcm", key, nonce);
  cipher.setAAD(header);
  const encrypted = cipher.update(new Uint8Array(payload));
  cipher.final();
  return new Uint8Array([...header, ...encrypted, ...cipher.getAuthTag()]);
}

const receiver = () => new SrtpReceiver(SrtpTransform.gcm(KEY, SALT));

function opened(srtp: SrtpReceiver, packet: Uint8Array, arrivedMs = 0): ReceivedRtp {
  const received = srtp.receive(packet, arrivedMs);
  if (typeof received === "string") throw new Error(`The packet was refused: ${received}`);
  return received;
}

Deno.test("A packet is received with its header's fields and its payload", () => {
  assert.deepEqual(opened(receiver(), sealed({ index: 65_535 })), {
    payloadType: 111,
    sequence: 65_535,
    timestamp: 0xfffffff0,
    ssrc: SSRC,
    arrivedMs: 0,
    payload: new Uint8Array([7, 8, 9]),
  });
});

Deno.test("Contributing sources, an extension and padding are not payload", () => {
  const sources = [0, 0, 0, 5, 0, 0, 0, 6];
  const extension = [0xbe, 0xde, 0, 2, 0x10, 0xff, 0, 0, 1, 2, 3, 4];
  const shapes: Sent[] = [
    { flags: 2, more: sources },
    { flags: 0x10, more: extension },
    { flags: 0x12, more: [...sources, ...extension] },
    { flags: 0x10, more: [0xbe, 0xde, 0, 0] },
    { flags: 0x20, payload: [7, 8, 9, 0, 0, 3] },
    { flags: 0x32, more: [...sources, ...extension], payload: [7, 8, 9, 1] },
  ];
  for (const shape of shapes) {
    assert.deepEqual([...opened(receiver(), sealed(shape)).payload], [7, 8, 9]);
  }
  assert.equal(opened(receiver(), sealed({ payload: [] })).payload.length, 0);
  assert.equal(opened(receiver(), sealed({ flags: 0x20, payload: [0, 2] })).payload.length, 0);
});

Deno.test("Truncated, too long or over-padded packets are malformed", () => {
  const malformed = [
    new Uint8Array(),
    new Uint8Array([128]),
    sealed({ payload: [] }).subarray(0, 27),
    new Uint8Array([0x8f, ...sealed({ payload: [] }).subarray(1)]), // fifteen sources that are not there
    new Uint8Array([0x90, ...sealed().subarray(1, 14)]), // half an extension header
    sealed({ flags: 0x10, more: [0, 0, 0xff, 0xff] }), // a quarter of a megabyte of extension
    sealed({ flags: 0x20, payload: [7, 8, 0] }),
    sealed({ flags: 0x20, payload: [7, 8, 4] }),
    sealed({ flags: 0x20, payload: [] }),
    sealed({ payload: Array(PACKET_BYTES_MAX - 12 - 16 + 1).fill(7) }),
    sealed({ payload: Array(65_000).fill(7) }),
  ];
  for (const packet of malformed) assert.equal(receiver().receive(packet, 0), "malformed");
});

Deno.test("After dispose nothing is authentic", () => {
  const srtp = receiver();
  opened(srtp, sealed({ index: 1 }));
  srtp[Symbol.dispose]();
  assert.equal(srtp.receive(sealed({ index: 2 }), 0), "forged");
});

Deno.test("A tampered packet is forged, and the original is still received after it", () => {
  const srtp = receiver();
  const packet = sealed();
  for (const at of [1, 2, 4, 8, 12, packet.length - 1]) {
    const tampered = packet.slice();
    tampered[at] ^= 1;
    assert.equal(srtp.receive(tampered, 0), "forged", `byte ${at}`);
  }
  assert.equal(srtp.receive(sealed({ key: new Uint8Array(16).fill(3) }), 0), "forged");
  opened(srtp, packet);
});

Deno.test("A forged packet far ahead does not advance the stream", () => {
  const srtp = receiver();
  opened(srtp, sealed({ index: 100 }));
  const ahead = sealed({ index: 30_000 });
  ahead[12] ^= 1;
  assert.equal(srtp.receive(ahead, 0), "forged");
  opened(srtp, sealed({ index: 99 }));
  opened(srtp, sealed({ index: 101 }));
});

Deno.test("A packet is received once, and never when older than the window", () => {
  const srtp = receiver();
  for (const index of [100, 103, 101]) opened(srtp, sealed({ index }));
  for (const index of [100, 103, 101, 39, 1]) assert.equal(srtp.receive(sealed({ index }), 0), "replayed");
  opened(srtp, sealed({ index: 102 }));
  opened(srtp, sealed({ index: 40 }));
});

Deno.test("Sequence numbers wrap with losses and packets out of order, again and again", () => {
  const srtp = receiver();
  const wrap = 0x1_0000;
  opened(srtp, sealed({ index: wrap - 3 }));
  // wrap - 1 is overtaken by the wrap, wrap is lost.
  for (const index of [wrap - 2, wrap + 1, wrap - 1, wrap + 2]) opened(srtp, sealed({ index }));
  for (const index of [wrap - 3, wrap - 1, wrap + 1]) {
    assert.equal(srtp.receive(sealed({ index }), 0), "replayed");
  }
  for (let index = wrap + 30_000; index < 5 * wrap; index += 30_000) opened(srtp, sealed({ index }));
});

Deno.test("A jump ahead by less than a whole round is followed at once, and is not reported as loss", () => {
  const round = 0x1_0000;
  for (const start of [1, 40_000, 3 * round + 60_000]) {
    for (const by of [100, 3_001, 32_767, 32_768, 32_769, 40_000, 65_000, 65_472]) {
      const srtp = receiver();
      for (let index = start % round; index < start; index += 20_000) opened(srtp, sealed({ index }));
      for (let i = 0; i < 10; i++) opened(srtp, sealed({ index: start + i }));
      srtp.sources.get(SSRC)!.report(0);
      const jumped = start + 9 + by;
      for (let i = 0; i < 10; i++) opened(srtp, sealed({ index: jumped + i }));
      const what = `from ${start} by ${by}`;
      assert.equal(srtp.receive(sealed({ index: jumped }), 0), "replayed", what);
      assert.equal(typeof srtp.receive(sealed({ index: start }), 0), "string", what);
      opened(srtp, sealed({ index: jumped - 1 }));
      const { packetsLost, fractionLost, highestSequence } = srtp.sources.get(SSRC)!.report(0);
      assert.equal(highestSequence, jumped + 9, what);
      if (by <= 3_000) assert.equal(packetsLost > 0, true, what);
      else assert.deepEqual([packetsLost, fractionLost], [0, 0], what);
    }
  }
});

Deno.test("In its first round a stream may step back behind its first packet, as SFUs do", () => {
  for (const first of [1, 3, 64, 0x7fff]) {
    for (const behind of [first + 1, first + 2, first + 63, first + 64, first + 0x7fff]) {
      const srtp = receiver();
      opened(srtp, sealed({ index: first }));
      // What libsrtp makes of a number before the first one it sent: the same round, nearly a whole one ahead.
      const index = 0x1_0000 + first - behind;
      for (let i = 0; i < 3_000; i++) opened(srtp, sealed({ index: index + i }));
      assert.equal(srtp.receive(sealed({ index }), 0), "replayed", `${behind} behind ${first}`);
    }
  }
});

Deno.test("A jump back is a replay: the numbers before it were used with these keys", () => {
  const srtp = receiver();
  for (let index = 30_000; index < 30_010; index++) opened(srtp, sealed({ index }));
  for (let index = 10_000; index < 10_010; index++) {
    assert.equal(srtp.receive(sealed({ index }), 0), "replayed");
  }
  opened(srtp, sealed({ index: 30_010 }));
  opened(srtp, sealed({ index: 10_000 + 0x1_0000 }));
});

Deno.test("Each source has its own index, and a packet of one is not accepted as another's", () => {
  const srtp = receiver();
  for (const index of [65_535, 65_536]) opened(srtp, sealed({ index }));
  opened(srtp, sealed({ ssrc: 5, index: 1 }));
  opened(srtp, sealed({ ssrc: 5, index: 2 }));
  opened(srtp, sealed({ index: 65_537 }));
  const moved = sealed({ ssrc: 5, index: 3 });
  moved.set(sealed().subarray(8, 12), 8);
  assert.equal(srtp.receive(moved, 0), "forged");
});

Deno.test("Forged packets add no source; after 64 authentic ones new ones are refused, and those continue", () => {
  const srtp = receiver();
  for (let ssrc = 1_000; ssrc < 1_200; ssrc++) {
    assert.equal(srtp.receive(sealed({ ssrc, key: new Uint8Array(16) }), 0), "forged");
  }
  for (let ssrc = 0; ssrc < 64; ssrc++) opened(srtp, sealed({ ssrc }), 1_000 * ssrc);
  assert.equal(srtp.receive(sealed({ ssrc: 64 }), 3_600_000), "too_many_sources");
  opened(srtp, sealed({ ssrc: 0, index: 2 }));
  assert.equal(srtp.receive(sealed({ ssrc: 0, index: 1 }), 0), "replayed");
});

Deno.test("A new source for each packet: eight at once and one a second are accepted, and those continue", () => {
  const srtp = receiver();
  const letIn = new Set<number>();
  for (let index = 0; index < 500; index++) {
    for (let forged = 0; forged < 3; forged++) {
      srtp.receive(sealed({ ssrc: 10_000 + 3 * index + forged, key: new Uint8Array(16) }), 20 * index);
    }
    const received = srtp.receive(sealed({ ssrc: index }), 20 * index);
    if (typeof received !== "string") letIn.add(index);
    else assert.equal(received, "too_many_sources");
  }
  assert.equal(letIn.size, 8 + 9);
  for (const ssrc of letIn) opened(srtp, sealed({ ssrc, index: 2 }), 10_000);
});

Deno.test("STUN, DTLS, TURN channels and every kind of SRTCP are not taken for SRTP", () => {
  const kinds: [number, number, "other" | "srtp" | "srtcp"][] = [
    [0, 1, "other"], // STUN
    [20, 254, "other"], // DTLS
    [63, 254, "other"],
    [64, 0, "other"], // TURN channel
    [127, 111, "other"],
    [192, 111, "other"],
    [128, 111, "srtp"],
    [128, 0x80 | 111, "srtp"],
    [191, 0, "srtp"],
    [128, 191, "srtp"],
    [128, 192, "srtcp"], // the range of RFC 5761
    [129, 200, "srtcp"], // sender report
    [129, 201, "srtcp"],
    [129, 206, "srtcp"],
    [129, 207, "srtcp"], // extended report
    [128, 223, "srtcp"],
    [128, 224, "srtp"],
  ];
  for (const [first, second, expected] of kinds) {
    const datagram = new Uint8Array(40);
    datagram.set([first, second]);
    const kind = !isMedia(datagram) ? "other" : isSrtcp(datagram) ? "srtcp" : "srtp";
    assert.equal(kind, expected, `${first} ${second}`);
  }
  assert.equal(isMedia(new Uint8Array()), false);
  assert.equal(isSrtcp(Uint8Array.of(128)), false);
});
