import assert from "@std/assert";
import { type CodedFrame, LIMITS } from "../domain/mod.ts";
import { seededRandom } from "./testing_test.ts";
import { SpeechBuffer } from "./speech_buffer.ts";

const PLAIN = { voiced: true, endOfVoice: false, isRead: false };

function setup(limits: Partial<{ durationMs: number; frames: number; bytes: number }> = {}) {
  const counts = { sentMs: 0, droppedMs: 0, droppedPackets: 0 };
  const buffer = new SpeechBuffer({
    durationMs: 10_000,
    frames: 1_000,
    bytes: 125_000,
    ...limits,
    onSent: (ms) => counts.sentMs += ms,
    onDropped: (ms, packets) => {
      counts.droppedMs += ms;
      counts.droppedPackets += packets;
    },
  });
  return { buffer, counts };
}

/** A packet in which every byte is its number. */
function packet(number: number, { bytes = 80, startMs = 20 * number } = {}): CodedFrame {
  return {
    kind: "coded",
    startMs,
    durationMs: 20,
    payload: new Uint8Array(bytes).fill(number),
    receivedAtMs: 1_000 + startMs,
  };
}

/** Start times of what is read until there is no more. */
function readAll(buffer: SpeechBuffer): number[] {
  const startsMs: number[] = [];
  for (let next = buffer.read(); next; next = buffer.read()) startsMs.push(next.frame.startMs);
  return startsMs;
}

Deno.test("Frames of every kind are read as they were pushed, and are copies", () => {
  const { buffer } = setup();
  const original = packet(7);
  buffer.push(original, { voiced: true, endOfVoice: false, isRead: false });
  if (original.kind === "coded") original.payload.fill(0);
  buffer.push({ kind: "lost", startMs: 160, durationMs: 20, receivedAtMs: 5 }, { ...PLAIN, voiced: false });
  const pause: CodedFrame = { kind: "silence", startMs: 180, durationMs: 1_202.5, receivedAtMs: 6 };
  buffer.push(pause, { voiced: false, endOfVoice: true, isRead: false });
  assert.deepEqual(buffer.read(), { frame: packet(7), voiced: true, endOfVoice: false });
  assert.deepEqual(buffer.read()?.frame.kind, "lost");
  assert.deepEqual(buffer.read(), { frame: pause, voiced: false, endOfVoice: true });
  assert.equal(buffer.read(), undefined);
});

Deno.test("Ten seconds of speech are kept, however long the pauses between, and the oldest is dropped and counted", () => {
  const { buffer, counts } = setup();
  for (let number = 0; number < 600; number++) {
    const pauseMs = number < 550 ? 0 : 50_000;
    buffer.push(packet(number, { startMs: 20 * number + pauseMs }), PLAIN);
  }
  assert.equal(buffer.size, 500);
  assert.deepEqual(counts, { sentMs: 0, droppedMs: 2_000, droppedPackets: 100 });
  assert.equal(buffer.read()?.frame.startMs, 2_000);
});

Deno.test("Short packets and large ones have bounds of their own", () => {
  const short = setup({ frames: 100 });
  for (let number = 0; number < 130; number++) short.buffer.push(packet(number), PLAIN);
  assert.equal(short.buffer.size, 100);
  const large = setup({ bytes: 10_000 });
  for (let number = 0; number < 30; number++) large.buffer.push(packet(number, { bytes: 1_200 }), PLAIN);
  assert.equal(large.buffer.size, 8);
  assert.equal(large.counts.droppedPackets, 22);
});

Deno.test("What was sent is counted once, kept until it is acknowledged, and dropping it is no loss", () => {
  const { buffer, counts } = setup();
  for (let number = 0; number < 20; number++) buffer.push(packet(number), { ...PLAIN, isRead: true });
  buffer.sent(200, 1);
  buffer.sent(310, 2); // in the middle of a packet, which goes with the next
  assert.equal(counts.sentMs, 300);
  buffer.acknowledge(1);
  assert.equal(buffer.size, 10);
  buffer.rewind();
  assert.deepEqual(readAll(buffer), Array.from({ length: 10 }, (_, index) => 200 + 20 * index));
  buffer.sent(400, 3);
  assert.equal(counts.sentMs, 400, "what is sent again is not counted again");
  buffer.acknowledge(3);
  assert.equal(buffer.size, 0);

  for (let number = 0; number < 520; number++) {
    buffer.push(packet(number), { ...PLAIN, isRead: true });
    buffer.sent(20 * number + 20, number);
  }
  assert.equal(counts.droppedMs, 0);
});

Deno.test("What is read and not sent is read again after `reread`, and losing some of it is reported", () => {
  const { buffer, counts } = setup({ durationMs: 200 });
  for (let number = 0; number < 10; number++) buffer.push(packet(number), PLAIN);
  for (let reads = 0; reads < 4; reads++) buffer.read();
  buffer.sent(40, 1);
  buffer.reread();
  assert.equal(buffer.read()?.frame.startMs, 40);
  assert.equal(buffer.push(packet(10), PLAIN), true, "one that was sent makes room");
  assert.equal(buffer.push(packet(11), PLAIN), true);
  assert.equal(buffer.push(packet(12), PLAIN), false);
  assert.equal(buffer.push(packet(13), PLAIN), true, "nothing of it is read by now");
  assert.deepEqual(counts, { sentMs: 40, droppedMs: 40, droppedPackets: 2 });
});

Deno.test("What has waited too long is dropped; what was sent and not acknowledged stays", () => {
  const { buffer, counts } = setup();
  for (let number = 0; number < 10; number++) buffer.push(packet(number), PLAIN);
  assert.equal(buffer.expire(1_000 + 100), true);
  assert.equal(buffer.size, 5);
  assert.equal(counts.droppedPackets, 5);
  buffer.read();
  assert.equal(buffer.expire(1_000 + 120), false);
  readAll(buffer);
  buffer.sent(Infinity, 1);
  buffer.expire(Infinity);
  assert.equal(buffer.size, 4);
});

Deno.test("A session that fails in the silence after a voice leaves nothing to say again", () => {
  const { buffer, counts } = setup();
  for (let number = 0; number < 10; number++) {
    buffer.push(packet(number), { voiced: number < 5, endOfVoice: false, isRead: true });
  }
  buffer.sent(100, 1);
  buffer.sent(200, 2);
  buffer.acknowledge(1);
  buffer.rewind();
  assert.equal(buffer.size, 0);
  assert.equal(counts.droppedMs, 0);
});

Deno.test("Memory follows what is held: half a KB for the silent, 10 KB for a voice, some 70 KB for ten seconds", () => {
  const { buffer } = setup();
  const firstBytes = buffer.byteLength;
  assert.ok(firstBytes < 600, `${firstBytes} bytes at first`);
  for (let number = 0; number < 2_000; number++) {
    buffer.push(packet(number), { ...PLAIN, isRead: true });
    buffer.sent(20 * number + 20, number);
    buffer.acknowledge(number - 30);
  }
  assert.ok(buffer.byteLength <= 10_500, `${buffer.byteLength} bytes for a voice`);
  for (let number = 0; number < 600; number++) buffer.push(packet(number), PLAIN);
  assert.ok(buffer.byteLength <= 90_000, `${buffer.byteLength} bytes for ten seconds`);
  buffer.clear();
  assert.equal(buffer.byteLength, firstBytes);
});

Deno.test("Whatever is pushed, read, sent, acknowledged and lost, nothing is mixed up and each packet has one fate", () => {
  const random = seededRandom(11);
  const below = (limit: number) => Math.floor(random() * limit);
  for (let world = 0; world < 30; world++) {
    const { buffer, counts } = setup({ durationMs: 1_000, frames: 40, bytes: 6_000 });
    let pushed = 0;
    let mark = 0;
    let readMs = 0;
    for (let step = 0; step < 2_000; step++) {
      switch (below(8)) {
        case 0:
          buffer.sent(readMs, ++mark);
          break;
        case 1:
          buffer.acknowledge(mark - below(3));
          break;
        case 2:
          if (below(20) === 0) buffer.rewind();
          if (below(20) === 0) buffer.reread();
          break;
        case 3:
        case 4: {
          const next = buffer.read();
          if (!next) break;
          const { frame } = next;
          const number = frame.startMs / 20;
          assert.equal(frame.receivedAtMs, 1_000 + frame.startMs);
          if (frame.kind === "coded") assert.ok(frame.payload.every((byte) => byte === (number & 0xff)));
          readMs = frame.startMs + 20;
          break;
        }
        default:
          buffer.push(packet(pushed++, { bytes: below(200) }), PLAIN);
      }
    }
    readAll(buffer);
    buffer.sent(Infinity, ++mark);
    buffer.acknowledge(mark);
    assert.equal(buffer.size, 0);
    assert.equal(counts.sentMs + counts.droppedMs, 20 * pushed);
  }
});

Deno.test("The bounds of the service hold ten seconds of what calls send", () => {
  assert.ok(LIMITS.speechFrames * 20 >= LIMITS.speechMs);
  assert.ok(LIMITS.speechBytes / 80 * 20 >= LIMITS.speechMs);
});

Deno.test("Payloads stay whole when all that was held before them was a pause", () => {
  const { buffer } = setup();
  for (let number = 0; number < 6; number++) buffer.push(packet(number), { ...PLAIN, isRead: true });
  buffer.sent(120, 1);
  const pause: CodedFrame = { kind: "silence", startMs: 120, durationMs: 400, receivedAtMs: 0 };
  buffer.push(pause, { voiced: false, endOfVoice: true, isRead: false });
  buffer.acknowledge(1);
  const packets = Array.from({ length: 40 }, (_, at) => packet(at, { startMs: 520 + 20 * at }));
  for (const each of packets) buffer.push(each, PLAIN);
  assert.deepEqual(buffer.read()?.frame, pause);
  for (const each of packets) assert.deepEqual(buffer.read()?.frame, each);
});
