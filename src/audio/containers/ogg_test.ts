/** Ogg as recorders write it live, as it may be written, and as it must not be. */
import assert from "@std/assert";
import { InvalidRequestError, joinBytes } from "../../domain/mod.ts";
import { ogg, opusHead, timed } from "../../../tests/fakes/containers.ts";
import { OggDemuxer } from "./ogg.ts";

/** 20 ms of CELT each, of different lengths: some span pages, one ends with a lacing value of 0. */
const PACKETS = [3, 600, 60, 1_275, 255, 510, 90, 1_200].map((length) => new Uint8Array(length).fill(0xf8));

function demuxed(bytes: Uint8Array, step = bytes.length) {
  const demuxer = new OggDemuxer();
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

for (const segmentsPerPage of [1, 2, 3, 5, 255]) {
  Deno.test(`${segmentsPerPage} segments on a page: however the bytes are cut, each packet comes once, in time`, () => {
    const bytes = ogg(PACKETS, { packetMs: 20, segmentsPerPage, startMs: 400, ends: true });
    const whole = demuxed(bytes);
    assert.deepEqual(whole.map(({ payload }) => payload), PACKETS);
    const times = timed(PACKETS, 20, 400);
    whole.forEach(({ timestampMs }, index) => {
      if (timestampMs !== undefined) assert.equal(timestampMs, times[index].timestampMs);
    });
    if (segmentsPerPage < 255) assert.equal(whole[0].timestampMs, 400);
    for (const step of [1, 2, 3, 27, 28, 100, 999]) assert.deepEqual(demuxed(bytes, step), whole);
    for (let at = 1; at < bytes.length; at++) {
      const demuxer = new OggDemuxer();
      const packets = [...demuxer.receive(bytes.subarray(0, at)), ...demuxer.receive(bytes.subarray(at))];
      assert.deepEqual(packets, whole, `cut at ${at}`);
      assert.equal(demuxer.byteLength, 0);
    }
  });
}

Deno.test("Tags with a picture span pages and are not kept", () => {
  const bytes = ogg(PACKETS, { packetMs: 20, tagsBytes: 200_000, segmentsPerPage: 100 });
  const demuxer = new OggDemuxer();
  const packets = [];
  let most = 0;
  for (let at = 0; at < bytes.length; at += 1_000) {
    packets.push(...demuxer.receive(bytes.subarray(at, at + 1_000)));
    most = Math.max(most, demuxer.byteLength);
  }
  assert.deepEqual(packets.map(({ payload }) => payload), PACKETS);
  assert.ok(most < 40_000, `${most} bytes`);
});

Deno.test("Of several streams the first with Opus is read, and the next one of a chain after it", () => {
  const first = ogg(PACKETS, { packetMs: 20, serial: 1 });
  const other = ogg(PACKETS.slice(2), { packetMs: 20, serial: 2 });
  const headBytes = 27 + 1 + opusHead().length;
  const vorbis = new Uint8Array(other.subarray(0, headBytes));
  vorbis.set(new TextEncoder().encode("\x01vorbis "), 28);
  const tags = other.subarray(headBytes);
  const both = joinBytes([
    vorbis,
    first.subarray(0, headBytes),
    other.subarray(0, headBytes),
    tags,
    first.subarray(headBytes),
  ]);
  assert.deepEqual(payloadsOf(both), PACKETS);
  for (const ends of [true, false]) {
    const chain = [1, 2, 1].map((serial) => ogg(PACKETS.slice(serial), { packetMs: 20, serial, ends }));
    assert.deepEqual(payloadsOf(joinBytes(chain)), [1, 2, 1].flatMap((serial) => PACKETS.slice(serial)));
  }
});

Deno.test("A packet whose start was not sent is skipped", () => {
  const bytes = ogg([PACKETS[3], PACKETS[3], PACKETS[0]], { packetMs: 20, segmentsPerPage: 4 });
  const pages: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const lacing = bytes.subarray(at + 27, at + 27 + bytes[at + 26]);
    const length = 27 + lacing.length + lacing.reduce((sum, value) => sum + value, 0);
    pages.push(bytes.subarray(at, at += length));
  }
  pages.splice(2, 1);
  assert.deepEqual(payloadsOf(joinBytes(pages)), [PACKETS[3], PACKETS[0]]);
});

Deno.test("What is no Ogg with Opus is refused by its field", () => {
  const bytes = ogg(PACKETS, { packetMs: 20 });
  isRefused(new TextEncoder().encode("RIFF"), /must be Ogg/);
  isRefused(Uint8Array.of(0x1a, 0x45), /must be Ogg/);
  isRefused(joinBytes([bytes, new Uint8Array(1)]), /a page was expected/);
  const version = bytes.slice();
  version[4] = 1;
  isRefused(version, /a page was expected/);
  const vorbis = bytes.slice();
  vorbis.set(new TextEncoder().encode("\x01vorbis "), 28);
  isRefused(vorbis, /no stream has it/);
  isRefused(bytes.slice(47), /no stream has it/);
  const surround = bytes.slice();
  surround[28 + 9] = 6;
  isRefused(surround, /channels/);
});
