/** WebM as recorders write it live, as it may be written, and as it must not be. */
import assert from "@std/assert";
import { InvalidRequestError, joinBytes } from "../../domain/mod.ts";
import {
  clusterHead,
  EBML_HEADER,
  element,
  lacedBlock,
  openElement,
  opusHead,
  simpleBlock,
  timed,
  trackEntry,
  webm,
  webmHead,
} from "../../../tests/fakes/containers.ts";
import { BLOCK_BYTES_MAX, WebmDemuxer } from "./webm.ts";

/** 20 ms of CELT each, of different lengths. */
const PACKETS = Array.from(
  { length: 9 },
  (_, index) => Uint8Array.from({ length: 3 + 60 * index }, () => 0xf8),
);
const LIVE = webm(timed(PACKETS, 20, 1_000));

function demuxed(bytes: Uint8Array, step = bytes.length) {
  const demuxer = new WebmDemuxer();
  const packets = [];
  for (let at = 0; at < bytes.length; at += step) {
    packets.push(...demuxer.receive(bytes.subarray(at, at + step)));
  }
  return packets;
}

const payloadsOf = (bytes: Uint8Array) => demuxed(bytes).map(({ payload }) => payload);

function isRefused(bytes: Uint8Array, message: RegExp) {
  assert.throws(
    () => demuxed(bytes),
    (error: unknown) =>
      error instanceof InvalidRequestError && error.field === "bytes" && message.test(error.message),
  );
}

Deno.test("However the bytes are cut, the packets and times are those of the whole, and nothing more is kept", () => {
  const whole = demuxed(LIVE);
  assert.deepEqual(whole, timed(PACKETS, 20, 1_000));
  for (let step = 1; step < 40; step++) assert.deepEqual(demuxed(LIVE, step), whole, `${step} bytes each`);
  for (let at = 1; at < LIVE.length; at++) {
    const demuxer = new WebmDemuxer();
    const packets = [...demuxer.receive(LIVE.subarray(0, at)), ...demuxer.receive(LIVE.subarray(at))];
    assert.deepEqual(packets, whole, `cut at ${at}`);
    assert.equal(demuxer.byteLength, 0);
  }
});

Deno.test("A packet is passed on as soon as its block is here, not when the cluster ends", () => {
  const demuxer = new WebmDemuxer();
  demuxer.receive(joinBytes([webmHead(), clusterHead(0)]));
  const block = simpleBlock(PACKETS[3]);
  assert.deepEqual(demuxer.receive(block.subarray(0, -1)), []);
  assert.equal(demuxer.receive(block.subarray(-1)).length, 1);
});

Deno.test("Sizes may be known, and elements unknown to us come anywhere", () => {
  const other = joinBytes([element(0xec, new Uint8Array(300)), element(0x1c53bb6b, new Uint8Array(50))]);
  const block = joinBytes([other, simpleBlock(PACKETS[1], { relativeMs: -5 })]);
  const group = element(
    0xa0,
    joinBytes([
      element(0xa1, simpleBlock(PACKETS[2]).subarray(3)),
      element(0x9b, [20]),
      element(0x75a1, new Uint8Array(9)),
    ]),
  );
  const cluster = element(0x1f43b675, joinBytes([other, element(0xe7, [100]), block, group]));
  const tracks = element(0x1654ae6b, joinBytes([other, trackEntry()]));
  const bytes = joinBytes([EBML_HEADER, element(0x18538067, joinBytes([other, tracks, other, cluster]))]);
  assert.deepEqual(demuxed(bytes), [
    { payload: PACKETS[1], timestampMs: 95 },
    { payload: PACKETS[2], timestampMs: 100 },
  ]);
});

Deno.test("The first Opus track is read; video, other sound and what is compressed are skipped", () => {
  const tracks = [
    trackEntry({ number: 1, codec: "V_VP8", head: undefined }),
    trackEntry({ number: 2, codec: "A_VORBIS", head: new Uint8Array(500) }),
    trackEntry({ number: 3, more: [element(0x6d80, new Uint8Array(4))] }),
    trackEntry({ number: 200 }),
    trackEntry({ number: 5 }),
  ];
  const blocks = [1, 2, 3, 200, 5, 200].map((track, index) =>
    simpleBlock(track === 1 ? new Uint8Array(100_000) : PACKETS[index], { track })
  );
  const bytes = joinBytes([webmHead(tracks), clusterHead(0), ...blocks]);
  assert.deepEqual(payloadsOf(bytes), [PACKETS[3], PACKETS[5]]);
  const demuxer = new WebmDemuxer();
  for (let at = 0, most = 0; at < bytes.length; at += 100, most = Math.max(most, demuxer.byteLength)) {
    demuxer.receive(bytes.subarray(at, at + 100));
    assert.ok(most <= 1_024, `${most} bytes of a picture are kept`);
  }
});

for (const lacing of ["xiph", "fixed", "ebml"] as const) {
  Deno.test(`Packets of a block with ${lacing} lacing follow each other`, () => {
    const payloads = lacing === "fixed" ? Array<Uint8Array>(8).fill(PACKETS[4]) : [...PACKETS].reverse();
    const block = lacedBlock(payloads, lacing);
    const packets = demuxed(joinBytes([webmHead(), clusterHead(40), block]), 7);
    assert.deepEqual(packets.map(({ payload }) => payload), payloads);
    assert.deepEqual(packets.map(({ timestampMs }) => timestampMs), [40, ...Array(payloads.length - 1)]);
  });
}

Deno.test("A recorder that begins again on the same connection is followed", () => {
  const again = joinBytes([
    webmHead([trackEntry({ number: 9 })]),
    clusterHead(0),
    simpleBlock(PACKETS[1], { track: 9 }),
  ]);
  assert.deepEqual(payloadsOf(joinBytes([LIVE, again])), [...PACKETS, PACKETS[1]]);
});

Deno.test("What is no WebM with Opus is refused by its field, and a huge size keeps nothing", () => {
  isRefused(Uint8Array.of(0), /WebM: an element/);
  isRefused(new TextEncoder().encode("OggS and so on"), /EBML header/);
  isRefused(element(0x18538067, [0]), /EBML header/);
  isRefused(joinBytes([LIVE, new Uint8Array(9)]), /an element was expected/);
  isRefused(joinBytes([EBML_HEADER, Uint8Array.of(0xec, 0)]), /no size/);
  isRefused(joinBytes([webmHead(), openElement(0x1c53bb6b)]), /too large/);
  isRefused(joinBytes([webmHead(), element(0xec, [], 2 ** 40)]), /too large/);
  isRefused(joinBytes([webmHead(), clusterHead(0), element(0xa3, [0x81, 0, 0, 0], 2 ** 50)]), /too large/);
  isRefused(
    joinBytes([
      webmHead(),
      clusterHead(0),
      element(0xa3, new Uint8Array(12).fill(0x81), BLOCK_BYTES_MAX + 1),
    ]),
    /block of audio is too large/,
  );
  isRefused(joinBytes([EBML_HEADER, element(0xe7, new Uint8Array(9))]), /value is too long/);
  for (const data of [[], [0x81], [0x81, 0, 0], new Uint8Array(20)]) {
    isRefused(joinBytes([webmHead(), clusterHead(0), element(0xa3, data)]), /no header/);
  }
  const onlyVideo = webmHead([trackEntry({ codec: "V_VP9" })]);
  for (const head of [onlyVideo, webmHead([trackEntry({ codec: "A_VORBIS" })]), webmHead([])]) {
    isRefused(joinBytes([head, clusterHead(0), simpleBlock(PACKETS[1])]), /no track/);
  }
  for (const head of [opusHead({ channels: 6, family: 1 }), opusHead({ family: 255 }), PACKETS[1]]) {
    isRefused(joinBytes([webmHead([trackEntry({ head })]), clusterHead(0)]), /channels/);
  }
  const laced = (flags: number, ...data: number[]) =>
    joinBytes([webmHead(), clusterHead(0), simpleBlock(Uint8Array.from(data), { flags })]);
  for (
    const bytes of [
      laced(2),
      laced(2, 5, 1, 1),
      laced(2, 1, 9, 0),
      laced(4, 1, 0),
      laced(6, 2, 0x81, 0x80, 0),
      laced(6, 1, 0xff, 0),
      laced(6, 1, 0),
    ]
  ) isRefused(bytes, /sizes in a block/);
  const tiny = lacedBlock(Array<Uint8Array>(256).fill(Uint8Array.of(0xf8)), "fixed");
  isRefused(joinBytes([webmHead(), clusterHead(0), ...Array<Uint8Array>(9).fill(tiny)]), /too many/);
});
