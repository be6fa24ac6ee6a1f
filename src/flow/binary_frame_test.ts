import assert from "@std/assert";
import { fitsBinaryFrame, writeBinaryFrame } from "./binary_frame.ts";

/** A transport that takes what it gets when the test says so. */
function slowTransport() {
  const writes: { bytes: Uint8Array; written: (error?: Error | null) => void }[] = [];
  return {
    writes,
    write(bytes: Uint8Array, written: (error?: Error | null) => void) {
      writes.push({ bytes, written });
    },
  };
}

function unmasked(frame: Uint8Array): Uint8Array {
  const mask = frame.subarray(4, 8);
  return frame.slice(8).map((byte, at) => byte ^ mask[at % 4]);
}

const ignore = () => {};

Deno.test("Messages of 126 to 20,472 bytes fit, which are those of audio", () => {
  const fits = (length: number) => fitsBinaryFrame(new Uint8Array(length));
  assert.deepEqual([125, 126, 7_680, 19_200, 20_472, 20_473].map(fits), [
    false,
    true,
    true,
    true,
    true,
    false,
  ]);
});

Deno.test("A frame has its length and unmasks to the message, whatever its length and alignment", () => {
  const transport = slowTransport();
  const noise = crypto.getRandomValues(new Uint8Array(20_500));
  for (const length of [126, 127, 128, 129, 255, 256, 19_200, 20_471, 20_472]) {
    for (const at of [0, 1, 2, 3]) {
      const message = noise.subarray(at, at + length);
      writeBinaryFrame(transport, message, ignore);
      const { bytes, written } = transport.writes.pop()!;
      assert.deepEqual([...bytes.subarray(0, 4)], [0x82, 0xfe, length >> 8, length & 0xff]);
      assert.deepEqual(unmasked(bytes), message);
      written();
    }
  }
});

Deno.test("A buffer is reused once the transport has taken it, and not before", () => {
  const transport = slowTransport();
  const messages = [1, 2, 3].map((value) => new Uint8Array(19_200).fill(value));
  for (const message of messages) writeBinaryFrame(transport, message, ignore);
  const buffers = transport.writes.map(({ bytes }) => bytes.buffer);
  assert.equal(new Set(buffers).size, 3);
  transport.writes.forEach(({ bytes }, at) => assert.deepEqual(unmasked(bytes), messages[at]));
  transport.writes[1].written();
  writeBinaryFrame(transport, messages[0], ignore);
  assert.equal(transport.writes[3].bytes.buffer, buffers[1]);
  for (const at of [0, 2, 3]) transport.writes[at].written();
});

Deno.test("A buffer that could not be written is not reused, and its sender is called back all the same", () => {
  const transport = slowTransport();
  let told = 0;
  writeBinaryFrame(transport, new Uint8Array(200), () => told++);
  const { bytes, written } = transport.writes[0];
  written(new Error("the socket is gone"));
  assert.equal(told, 1);
  for (let count = 0; count < 100; count++) writeBinaryFrame(transport, new Uint8Array(200), ignore);
  assert.ok(transport.writes.slice(1).every((write) => write.bytes.buffer !== bytes.buffer));
  for (const write of transport.writes.slice(1)) write.written();
});

Deno.test("A burst leaves few buffers behind", () => {
  const transport = slowTransport();
  for (let count = 0; count < 200; count++) writeBinaryFrame(transport, new Uint8Array(200), ignore);
  for (const { written } of transport.writes) written();
  const before = new Set(transport.writes.map(({ bytes }) => bytes.buffer));
  for (let count = 0; count < 200; count++) writeBinaryFrame(transport, new Uint8Array(200), ignore);
  const kept = transport.writes.slice(200).filter(({ bytes }) => before.has(bytes.buffer));
  assert.equal(kept.length, 32);
  for (const { written } of transport.writes.slice(200)) written();
});

Deno.test("Masks are random: of a thousand equal frames hardly two are the same on the wire", () => {
  const transport = slowTransport();
  const seen = new Set<string>();
  for (let count = 0; count < 3_000; count++) {
    writeBinaryFrame(transport, new Uint8Array(126), ignore);
    const { bytes, written } = transport.writes.pop()!;
    seen.add(String(bytes.subarray(4, 8)));
    written();
  }
  assert.ok(seen.size > 2_990, `only ${seen.size} masks`);
});
