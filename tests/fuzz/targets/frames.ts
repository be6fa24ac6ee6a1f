/** Bytes of a WebSocket server: the limit that takes messages which are too long out of them. */
import fc from "fast-check";
import { MessageLimit } from "../../../src/flow/message_limit.ts";
import { defineTarget } from "../batch.ts";
import { mutatedBytes } from "../mutations.ts";

const MAX_BYTES = 300;

const of = (first: number, length: number, fill = 0x81) =>
  Uint8Array.of(
    first,
    ...length < 126 ? [length] : [126, length >> 8, length & 0xff],
    ...Array(length).fill(fill),
  );
const stream = (...frames: Uint8Array[]) => Uint8Array.from(frames.flatMap((frame) => [...frame]));

/** Messages whole and in pieces, short, too long, and full of what looks like frames. */
const STREAMS = [
  stream(of(0x81, 5), of(0x82, 200), of(0x89, 3), of(0x81, 0)),
  stream(of(0x81, 400), of(0x81, 5), of(0x88, 2)),
  stream(of(0x01, 100), of(0x89, 3), of(0x00, 100), of(0x80, 50), of(0x81, 5)),
  stream(of(0x01, 200), of(0x00, 200), of(0x8a, 0), of(0x80, 1), of(0x81, 5)),
];

/** What comes out of the bytes, and how many were skipped. */
function passed(bytes: Uint8Array, portion: number): { out: string; skipped: number } {
  let skipped = 0;
  const limit = new MessageLimit({
    maxBytes: MAX_BYTES,
    onSkipped: (_number, length) => {
      if (length <= MAX_BYTES) throw new Error("A message that fits was skipped");
      skipped++;
    },
  });
  const out: number[] = [];
  for (let at = 0; at < bytes.length; at += portion) {
    for (const each of limit.receive(Uint8Array.from(bytes.subarray(at, at + portion)))) out.push(...each);
  }
  return { out: out.join(), skipped };
}

export const frames = defineTarget({
  name: "frames",
  about: "WebSocket frames: the same in any portions, never more than came, what fits is not skipped",
  inputs: fc.record({ bytes: mutatedBytes(STREAMS), portion: fc.integer({ min: 1, max: 500 }) }),
  inputsPerWorld: 5_000,
  open: () => ({
    run({ bytes, portion }) {
      const whole = passed(bytes, bytes.length || 1);
      const parts = passed(bytes, portion);
      if (whole.out !== parts.out || whole.skipped !== parts.skipped) {
        throw new Error("It depends on how the bytes come");
      }
      const isShorter = whole.out.length <= bytes.join().length;
      if (!isShorter) throw new Error("More came out than went in");
    },
    close() {},
  }),
});
