import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { MessageLimit } from "./message_limit.ts";

const MAX_BYTES = 200;
const FIN = 0x80, TEXT = 1, CONTINUATION = 0, PING = 9, CLOSE = 8;
const STAND_IN = [FIN | TEXT, 0];

function frame(first: number, length: number, fill = 0x61): number[] {
  const size = length < 126
    ? [length]
    : length < 65_536
    ? [126, length >> 8, length & 0xff]
    : [127, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 0xff, length & 0xff];
  return [first, ...size, ...Array(length).fill(fill)];
}

/** What is read of the bytes, given in portions of so many. */
function passed(bytes: number[], portion = bytes.length) {
  const skipped: [number: number, bytes: number][] = [];
  const limit = new MessageLimit({
    maxBytes: MAX_BYTES,
    onSkipped: (...each) => skipped.push(each),
  });
  const out: number[] = [];
  for (let at = 0; at < bytes.length; at += portion) {
    for (const each of limit.receive(Uint8Array.from(bytes.slice(at, at + portion)))) out.push(...each);
  }
  return { out, skipped };
}

const PORTIONS = [1, 2, 3, 7, 64, 1_000_000];

Deno.test("Messages that fit pass unchanged, whole, in fragments and with pings between them, in any chunks", () => {
  const stream = [
    ...frame(FIN | TEXT, 0),
    ...frame(FIN | TEXT, 125),
    ...frame(FIN | 2, 190),
    ...frame(TEXT, 50),
    ...frame(CONTINUATION, 0),
    ...frame(FIN | CONTINUATION, 100),
    ...frame(FIN | CLOSE, 2),
  ];
  for (const portion of PORTIONS) assert.deepEqual(passed(stream, portion), { out: stream, skipped: [] });
});

Deno.test("A ping between fragments is not held until the last of them", () => {
  const pieces = frame(TEXT, 10);
  const ping = frame(FIN | PING, 3);
  assert.deepEqual(passed([...pieces, ...ping]).out, ping);
  const last = frame(FIN | CONTINUATION, 1);
  assert.deepEqual(passed([...pieces, ...ping, ...last]).out, [...ping, ...pieces, ...last]);
});

Deno.test("A message that is too large is skipped, and those before and after it pass", () => {
  const small = frame(FIN | TEXT, 5);
  for (const length of [198, 300, 70_000]) {
    const stream = [...small, ...frame(FIN | TEXT, length), ...small];
    for (const portion of PORTIONS) {
      const { out, skipped } = passed(stream, portion);
      assert.deepEqual(out, [...small, ...STAND_IN, ...small]);
      assert.deepEqual(skipped, [[2, stream.length - 2 * small.length]]);
    }
  }
});

Deno.test("Fragments that are too large together are skipped, and a ping between them passes", () => {
  const ping = frame(FIN | PING, 3);
  const small = frame(FIN | TEXT, 5);
  const stream = [
    ...frame(TEXT, 100),
    ...ping,
    ...frame(CONTINUATION, 100),
    ...frame(CONTINUATION, 150),
    ...ping,
    ...frame(FIN | CONTINUATION, 1),
    ...small,
  ];
  for (const portion of PORTIONS) {
    const { out, skipped } = passed(stream, portion);
    assert.deepEqual(out, [...ping, ...ping, ...STAND_IN, ...small]);
    assert.deepEqual(skipped, [[1, 102 + 102 + 154 + 3]]);
  }
});

Deno.test("What is in a skipped message is never read as a frame", () => {
  const inside = [...frame(FIN | TEXT, 3), ...frame(FIN | CLOSE, 2)];
  const stream = [
    FIN | TEXT,
    126,
    2,
    0,
    ...Array.from({ length: 512 }, (_, at) => inside[at % inside.length]),
  ];
  for (const portion of PORTIONS) assert.deepEqual(passed(stream, portion).out, STAND_IN);
});

Deno.test("Endless fragments are not held, however short they are", () => {
  const limit = new MessageLimit({ maxBytes: Infinity, onSkipped: () => {} });
  const crumbs = Uint8Array.from(Array(1_000).fill(frame(CONTINUATION, 1)).flat());
  assert.deepEqual(limit.receive(Uint8Array.from(frame(TEXT, 1))), []);
  for (let i = 0; i < 20; i++) assert.deepEqual(limit.receive(crumbs), []);
  const end = limit.receive(Uint8Array.from(frame(FIN | CONTINUATION, 1)));
  assert.deepEqual(end.map((each) => [...each]), [STAND_IN]);
});

Deno.test("A held fragment keeps no other bytes of its chunk in memory", () => {
  const limit = new MessageLimit({ maxBytes: MAX_BYTES, onSkipped: () => {} });
  const pings = Array(500).fill(frame(FIN | PING, 100)).flat();
  limit.receive(Buffer.from([...frame(TEXT, 1), ...pings]));
  const message = limit.receive(Buffer.from(frame(FIN | CONTINUATION, 1)));
  assert.deepEqual(message.flatMap((each) => [...each]), [
    ...frame(TEXT, 1),
    ...frame(FIN | CONTINUATION, 1),
  ]);
  for (const { buffer } of message) assert.ok(buffer.byteLength < 10, `${buffer.byteLength} bytes`);
});

for (
  const [what, bytes] of [
    ["a mask", [FIN | TEXT, 0x80 | 1, 1, 2, 3, 4, 5]],
    ["a reserved bit", [0xf1, 1, 5]],
    ["a piece of nothing", [CONTINUATION, 1, 5]],
  ] as const
) {
  Deno.test(`Bytes that are no frames of a server pass to their reader: ${what}`, () => {
    const stream = [...frame(FIN | TEXT, 3), ...bytes, ...frame(FIN | TEXT, 300)];
    for (const portion of PORTIONS) assert.deepEqual(passed(stream, portion), { out: stream, skipped: [] });
  });
}

Deno.test("A message that begins inside another passes to the reader, with the held part of the other", () => {
  const stream = [...frame(TEXT, 3), ...frame(FIN | TEXT, 3)];
  for (const portion of PORTIONS) assert.deepEqual(passed(stream, portion).out, stream);
});
