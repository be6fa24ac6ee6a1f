import assert from "@std/assert";
import type { PcmFrame } from "../domain/mod.ts";
import { Framer } from "./framer.ts";
import { joined, seededRandom } from "./testing_test.ts";

const RATE = 24_000;

/** Audio from `startMs` on; each sample holds its own number on the timeline, so that none can be lost or moved. */
function audio(startMs: number, durationMs: number, changes: Partial<PcmFrame> = {}): PcmFrame {
  const first = Math.round(startMs * RATE / 1_000);
  return {
    samples: Float32Array.from({ length: durationMs * RATE / 1_000 }, (_, i) => first + i),
    sampleRateHz: RATE,
    startMs,
    receivedAtMs: startMs,
    voiced: false,
    endOfVoice: false,
    ...changes,
  };
}

const lengthMs = (frame: PcmFrame) => frame.samples.length * 1_000 / frame.sampleRateHz;

Deno.test("Framer makes chunks of 200 ms out of 20 ms frames", () => {
  const framer = new Framer({ sampleRateHz: RATE });
  const chunks = Array.from({ length: 20 }, (_, i) => [...framer.receive(audio(20 * i, 20))]).flat();
  assert.deepEqual(chunks.map((c) => [c.startMs, lengthMs(c), c.receivedAtMs]), [[0, 200, 180], [
    200,
    200,
    380,
  ]]);
  assert.deepEqual(joined(chunks.map((c) => c.samples)), audio(0, 400).samples);
  assert.deepEqual(framer.flush(), []);
});

Deno.test("A chunk is voiced when any part of it is", () => {
  const framer = new Framer({ sampleRateHz: RATE, chunkMs: 80 });
  const chunks = Array.from(
    { length: 12 },
    (_, i) => [...framer.receive(audio(20 * i, 20, { voiced: i === 5 }))],
  )
    .flat();
  assert.deepEqual(chunks.map((c) => c.voiced), [false, true, false]);
});

Deno.test("The end of a voice returns the remainder at once and is marked once", () => {
  const framer = new Framer({ sampleRateHz: RATE, chunkMs: 100 });
  framer.receive(audio(0, 60));
  const [rest] = framer.receive(audio(60, 20, { endOfVoice: true }));
  assert.deepEqual([lengthMs(rest), rest.endOfVoice], [80, true]);
  assert.equal(rest.samples.buffer.byteLength, rest.samples.byteLength, "the buffer holds nothing else");
  assert.deepEqual(framer.flush(), []);

  const exact = framer.receive(audio(500, 100, { endOfVoice: true }));
  assert.deepEqual(exact.map((c) => [c.startMs, lengthMs(c), c.endOfVoice]), [[500, 100, true]]);
  const long = framer.receive(audio(600, 250, { endOfVoice: true }));
  assert.deepEqual(long.map((c) => [c.startMs, lengthMs(c), c.endOfVoice]), [
    [600, 100, false],
    [700, 100, false],
    [800, 50, true],
  ]);
});

Deno.test("A jump of the media time discards the held samples; rounding does not", () => {
  const framer = new Framer({ sampleRateHz: RATE, chunkMs: 100 });
  assert.deepEqual(framer.receive(audio(0, 60)), []);
  assert.deepEqual(framer.receive(audio(60.9, 20)), []);
  const before = framer.receive(audio(200, 20));
  assert.deepEqual(before.map((c) => [c.startMs, lengthMs(c), c.endOfVoice]), [[0, 80, false]]);
  assert.deepEqual(framer.flush().map((c) => [c.startMs, lengthMs(c)]), [[200, 20]]);
  assert.deepEqual(framer.flush(), []);
});

Deno.test("Whatever comes in, each sample comes out once, in its place, in chunks of their own", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const framer = new Framer({ sampleRateHz: RATE, chunkMs: 80 + Math.floor(random() * 121) });
    const frames: PcmFrame[] = [];
    let startMs = 0;
    for (let i = 0; i < 50; i++) {
      if (random() < 0.1) startMs += 40;
      const durationMs = 10 * Math.ceil(random() * 60);
      frames.push(audio(startMs, durationMs, { endOfVoice: random() < 0.1 }));
      startMs += durationMs;
    }
    const chunks = [...frames.flatMap((frame) => [...framer.receive(frame)]), ...framer.flush()];
    assert.deepEqual(joined(chunks.map((c) => c.samples)), joined(frames.map((f) => f.samples)));
    for (const chunk of chunks) assert.ok(Math.abs(chunk.startMs * RATE / 1_000 - chunk.samples[0]) < 1e-3);
    assert.equal(
      new Set([...chunks, ...frames].map((c) => c.samples.buffer)).size,
      chunks.length + frames.length,
    );
    assert.equal(chunks.filter((c) => c.endOfVoice).length, frames.filter((f) => f.endOfVoice).length);
  }
});

Deno.test("Framer refuses audio of another rate and chunks of other lengths", () => {
  const framer = new Framer({ sampleRateHz: 16_000 });
  assert.throws(
    () => framer.receive(audio(0, 20)),
    /Cannot frame audio: it has 24000 Hz and the chunks 16000 Hz/,
  );
  for (const chunkMs of [79, 201, NaN]) {
    assert.throws(() => new Framer({ sampleRateHz: RATE, chunkMs }), RangeError);
  }
});

Deno.test("A chunk given back is used again; one that is kept never changes", () => {
  const framer = new Framer({ sampleRateHz: RATE, chunkMs: 100 });
  const [kept] = framer.receive(audio(0, 100));
  const [returned] = framer.receive(audio(100, 100));
  framer.recycle(returned.samples);
  const [next] = framer.receive(audio(200, 100));
  assert.equal(next.samples.buffer, returned.samples.buffer);
  assert.deepEqual(kept.samples, audio(0, 100).samples);
  assert.deepEqual(next.samples, audio(200, 100).samples);
});
