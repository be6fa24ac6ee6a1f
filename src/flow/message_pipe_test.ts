import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { encodeMessage, MessageDecoder, MessageWriter } from "./message_pipe.ts";

const MESSAGES = [
  { type: "caption", text: "grüß Gott, 世界", at: 1.5 },
  { type: "audio", bytes: new Uint8Array([1, 2, 3]), more: { bytes: new Uint8Array(70_000).fill(7) } },
  {},
  { type: "none", bytes: new Uint8Array(), list: [1, null, "two"] },
];

Deno.test("Messages are decoded as they were encoded, wherever the stream is cut", () => {
  const frames = MESSAGES.map(encodeMessage);
  const stream = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  frames.reduce((at, frame) => (stream.set(frame, at), at + frame.length), 0);
  for (const step of [1, 7, 8, 9, 100, 65_536, stream.length]) {
    const decoder = new MessageDecoder<unknown>();
    const messages: unknown[] = [];
    for (let at = 0; at < stream.length; at += step) {
      messages.push(...decoder.receive(stream.subarray(at, at + step)));
    }
    assert.deepEqual(messages, MESSAGES, `${step} bytes at a time`);
  }
});

Deno.test("Bytes of a message are a copy, not a view of the stream", () => {
  const frame = encodeMessage({ bytes: new Uint8Array([1, 2, 3]) });
  const [message] = new MessageDecoder<{ bytes: Uint8Array }>().receive(frame);
  frame.fill(0);
  assert.deepEqual(message.bytes, new Uint8Array([1, 2, 3]));
});

Deno.test("Bytes in a Buffer, as sockets of Node's modules have them, arrive as bytes", () => {
  const [message] = new MessageDecoder<{ bytes: Uint8Array }>().receive(
    encodeMessage({ bytes: Buffer.from([1, 2, 3]) }),
  );
  assert.deepEqual(message.bytes, new Uint8Array([1, 2, 3]));
});

Deno.test("A writer writes in order, and reports a closed reader", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const broken: unknown[] = [];
  const writer = new MessageWriter<unknown>(writable, {
    waitingBytesMax: 100_000,
    onBroken: (error) => broken.push(error),
  });
  for (const message of MESSAGES) writer.write(message);
  const decoder = new MessageDecoder<unknown>();
  const read: unknown[] = [];
  const reader = readable.getReader();
  while (read.length < MESSAGES.length) read.push(...decoder.receive((await reader.read()).value!));
  assert.deepEqual(read, MESSAGES);
  await reader.cancel(new Error("gone"));
  writer.write({});
  await new Promise((resolve) => setTimeout(resolve));
  writer.write({});
  assert.equal(broken.length, 1, "once");
});

Deno.test("Messages that come while one is written are written together, and closing waits for them", async () => {
  const written: number[] = [];
  const release: (() => void)[] = [];
  const writer = new MessageWriter<unknown>(
    new WritableStream({
      write(bytes) {
        written.push(new MessageDecoder<unknown>().receive(bytes).length);
        return new Promise<void>((resolve) => release.push(resolve));
      },
      close: () => void written.push(0),
    }),
    { waitingBytesMax: 100_000, onBroken: assert.fail },
  );
  const turn = () => new Promise((resolve) => setTimeout(resolve));
  for (let message = 0; message < 5; message++) writer.write({ message });
  await turn();
  assert.deepEqual(written, [1], "the first is not delayed");
  release.pop()!();
  await turn();
  assert.deepEqual(written, [1, 4]);
  writer.write({});
  const closed = writer.close();
  for (let write = 0; write < 2; write++) {
    release.pop()!();
    await turn();
  }
  await closed;
  assert.deepEqual(written, [1, 4, 1, 0]);
});

Deno.test("A writer whose reader does not read keeps no more than its bound, and reports it once", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const broken: unknown[] = [];
  const message = { bytes: new Uint8Array(1_000) };
  const frameBytes = encodeMessage(message).length;
  const writer = new MessageWriter<unknown>(writable, {
    waitingBytesMax: 10 * frameBytes,
    onBroken: (error) => broken.push(error),
  });
  for (let n = 0; n < 10; n++) writer.write(message);
  assert.equal(broken.length, 0);
  for (let n = 0; n < 10; n++) writer.write(message);
  assert.equal(broken.length, 1);
  const closed = writer.close();
  let bytes = 0;
  for await (const chunk of readable) bytes += chunk.length;
  await closed;
  assert.equal(bytes, 10 * frameBytes, "what was accepted is written");
});
