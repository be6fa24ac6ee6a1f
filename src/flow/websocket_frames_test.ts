import assert from "@std/assert";
import { CLOSE, closePayload, encodeFrame, FrameDecoder, FrameError, OPCODE } from "./websocket_frames.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const concat = (...parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));

/** A frame with its first byte as given: FIN 0x80, opcode. */
function raw(first: number, payload: string): Uint8Array {
  const bytes = encodeFrame(OPCODE.text, utf8(payload), false).slice();
  bytes[0] = first;
  return bytes;
}

function decode(
  bytes: Uint8Array,
  options: { masked?: boolean; chunkBytes?: number; maxMessageBytes?: number } = {},
) {
  const { masked = false, chunkBytes = Infinity, maxMessageBytes = 1_000_000 } = options;
  const decoder = new FrameDecoder({ masked, maxMessageBytes });
  const frames = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    frames.push(...decoder.receive(bytes.subarray(at, at + chunkBytes)));
  }
  return frames;
}

function closeCodeOf(bytes: Uint8Array, options = {}): number | undefined {
  try {
    decode(bytes, options);
    return undefined;
  } catch (error) {
    if (error instanceof FrameError) return error.closeCode;
    throw error;
  }
}

Deno.test("The examples of RFC 6455 section 5.7 read as it says", () => {
  const hello = [{ type: "message", data: "Hello" }];
  assert.deepEqual(decode(Uint8Array.of(0x81, 5, 0x48, 0x65, 0x6c, 0x6c, 0x6f)), hello);
  const masked = Uint8Array.of(0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58);
  assert.deepEqual(decode(masked, { masked: true }), hello);
  assert.deepEqual(decode(Uint8Array.of(1, 3, 0x48, 0x65, 0x6c, 0x80, 2, 0x6c, 0x6f)), hello);
});

Deno.test("Frames of every length, masked or not, survive being cut anywhere", () => {
  for (const masked of [false, true]) {
    const payloads = [0, 1, 3, 4, 125, 126, 127, 300, 65_535, 65_536].map((length) =>
      Uint8Array.from({ length }, (_, at) => at * 31)
    );
    const bytes = concat(...payloads.map((payload) => encodeFrame(OPCODE.binary, payload, masked)));
    for (const chunkBytes of [1, 7, 1_000, Infinity]) {
      const frames = decode(bytes, { masked, chunkBytes });
      assert.deepEqual(frames, payloads.map((data) => ({ type: "message", data })));
    }
  }
});

Deno.test("Masking keeps the payload it was given, and each frame has a key of its own", () => {
  const payload = Uint8Array.of(1, 2, 3, 4, 5);
  const frames = Array.from({ length: 8 }, () => encodeFrame(OPCODE.binary, payload, true));
  assert.deepEqual(payload, Uint8Array.of(1, 2, 3, 4, 5));
  assert.ok(new Set(frames.map((bytes) => bytes.subarray(2, 6).join())).size > 1);
});

Deno.test("Control frames come between the fragments of a message; a character may be cut between two", () => {
  const [first, second] = [utf8("né").subarray(0, 2), utf8("né").subarray(2)];
  const bytes = concat(
    Uint8Array.of(0x01, first.length, ...first),
    encodeFrame(OPCODE.ping, utf8("p"), false),
    Uint8Array.of(0x80, second.length, ...second),
    encodeFrame(OPCODE.close, closePayload(1001, "bye"), false),
  );
  assert.deepEqual(decode(bytes), [
    { type: "ping", payload: utf8("p") },
    { type: "message", data: "né" },
    { type: "close", code: 1001, reason: "bye" },
  ]);
});

Deno.test("What breaks the rules is refused with the code that says why", () => {
  assert.equal(closeCodeOf(raw(0xc1, "x")), CLOSE.protocolError, "reserved bit");
  assert.equal(closeCodeOf(raw(0x83, "x")), CLOSE.protocolError, "unknown data opcode");
  assert.equal(closeCodeOf(raw(0x8b, "x")), CLOSE.protocolError, "unknown control opcode");
  assert.equal(closeCodeOf(raw(0x80, "x")), CLOSE.protocolError, "continuation of nothing");
  assert.equal(
    closeCodeOf(concat(raw(0x01, "x"), raw(0x81, "y"))),
    CLOSE.protocolError,
    "message in a message",
  );
  assert.equal(closeCodeOf(raw(0x09, "x")), CLOSE.protocolError, "fragmented ping");
  assert.equal(closeCodeOf(raw(0x89, "x".repeat(126))), CLOSE.protocolError, "long ping");
  assert.equal(closeCodeOf(raw(0x88, "x")), CLOSE.protocolError, "half a close code");
  assert.equal(closeCodeOf(raw(0x81, "x"), { masked: true }), CLOSE.protocolError, "unmasked from a client");
  assert.equal(closeCodeOf(Uint8Array.of(0x81, 1, 0xff)), CLOSE.invalidPayload, "not UTF-8");
});

Deno.test("Size is judged by the header and over all fragments, before anything is held", () => {
  const options = { maxMessageBytes: 10 };
  assert.equal(closeCodeOf(raw(0x81, "x".repeat(10)), options), undefined);
  assert.equal(closeCodeOf(raw(0x81, "x".repeat(11)).subarray(0, 2), options), CLOSE.tooBig);
  assert.equal(
    closeCodeOf(concat(raw(0x01, "x".repeat(6)), raw(0x80, "x".repeat(5))), options),
    CLOSE.tooBig,
  );
  const huge = Uint8Array.of(0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  assert.equal(closeCodeOf(huge, options), CLOSE.tooBig);
  const crumbs = concat(raw(0x01, "x"), ...Array.from({ length: 1_000 }, () => raw(0x00, "x")));
  assert.equal(closeCodeOf(crumbs), CLOSE.tooBig);
});

Deno.test("A close reason is cut to what fits, at a whole character", () => {
  const payload = closePayload(1000, "é".repeat(100));
  assert.ok(payload.length <= 125);
  const [frame] = decode(encodeFrame(OPCODE.close, payload, false));
  assert.deepEqual(frame, { type: "close", code: 1000, reason: "é".repeat(61) });
});
