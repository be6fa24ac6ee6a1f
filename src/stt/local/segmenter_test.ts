import assert from "@std/assert";
import { SAMPLE_RATE_HZ } from "./protocol.ts";
import { LONGEST_MS, PRE_ROLL_MS, type Segment, Segmenter, TAIL_MS, WINDOW_SAMPLES } from "./segmenter.ts";

const WINDOW_MS = WINDOW_SAMPLES * 1_000 / SAMPLE_RATE_HZ;
const ms = (samples: number) => samples * 1_000 / SAMPLE_RATE_HZ;

/** So many ms of voice or silence, at this power; the segments that ended in it. */
function hear(
  segmenter: Segmenter,
  durationMs: number,
  isVoice: boolean,
  power = isVoice ? 1 : 0,
): Segment[] {
  const ended: Segment[] = [];
  for (let at = 0; at < Math.round(durationMs / WINDOW_MS); at++) {
    const segment = segmenter.window(isVoice, power);
    if (segment) ended.push(segment);
  }
  return ended;
}

Deno.test("A segment begins before its voice and ends after it, once there is half a second of silence", () => {
  const segmenter = new Segmenter();
  assert.deepEqual(hear(segmenter, 960, false), []);
  const voiceFrom = segmenter.head;
  assert.deepEqual(hear(segmenter, 1_600, true), []);
  const voiceTo = segmenter.head;
  assert.deepEqual(hear(segmenter, 480, false), []);
  const [segment, ...others] = hear(segmenter, 480, false);
  assert.deepEqual(others, []);
  assert.equal(ms(voiceFrom - segment.from), PRE_ROLL_MS);
  assert.equal(ms(segment.to - voiceTo), TAIL_MS);
});

Deno.test("Without a voice nothing is ever a segment, and only the pre-roll is kept", () => {
  const segmenter = new Segmenter();
  assert.deepEqual(hear(segmenter, 60_000, false, 1), []);
  assert.equal(ms(segmenter.head - segmenter.settledTo), PRE_ROLL_MS);
  assert.equal(segmenter.segment, undefined);
  assert.equal(segmenter.end(), undefined);
});

Deno.test("A short pause does not end a segment", () => {
  const segmenter = new Segmenter();
  hear(segmenter, 640, true);
  assert.deepEqual(hear(segmenter, 384, false), []);
  assert.deepEqual(hear(segmenter, 640, true), []);
  assert.equal(hear(segmenter, 640, false).length, 1);
});

Deno.test("The next segment does not repeat audio of the one before", () => {
  const segmenter = new Segmenter();
  hear(segmenter, 640, true);
  const [first] = hear(segmenter, 544, false);
  hear(segmenter, 640, true);
  const [second] = hear(segmenter, 640, false);
  assert.ok(second.from >= first.to, `${second.from} ${first.to}`);
});

Deno.test("A voice without pauses is cut at the quietest place of the last third, and continues there", () => {
  const segmenter = new Segmenter();
  hear(segmenter, 7_008, true);
  const quietFrom = segmenter.head;
  hear(segmenter, 2 * WINDOW_MS, true, 0.01);
  const [segment] = hear(segmenter, 4_000, true);
  assert.equal(segment.to, quietFrom + WINDOW_SAMPLES);
  assert.deepEqual(segmenter.segment, { from: segment.to, to: segmenter.head });
  assert.equal(segmenter.settledTo, segment.to);
});

Deno.test("No segment is longer than the model takes, whatever the voice does, and together they are all of it", () => {
  const segmenter = new Segmenter();
  let seed = 1;
  const random = () => (seed = seed * 48271 % 2147483647) / 2147483647;
  let to = 0;
  const segments: Segment[] = [];
  for (let at = 0; at < 300_000 / WINDOW_MS; at++) {
    const ended = segmenter.window(true, random());
    if (ended) segments.push(ended);
  }
  const last = segmenter.end();
  if (last) segments.push(last);
  assert.ok(last !== undefined && segments.length > 30);
  for (const segment of segments) {
    assert.ok(ms(segment.to - segment.from) <= LONGEST_MS);
    assert.equal(segment.from, to);
    to = segment.to;
  }
  assert.equal(to, segmenter.head);
});

Deno.test("What is left of a cut without a voice is no segment", () => {
  const segmenter = new Segmenter();
  hear(segmenter, 8_320, true);
  // The silence that follows is the quietest place, and cut in its middle: what follows holds no voice.
  const ended = hear(segmenter, 1_000, false);
  assert.equal(ended.length, 1);
  assert.equal(segmenter.segment, undefined);
  assert.equal(segmenter.end(), undefined);
  assert.ok(ms(segmenter.head - segmenter.settledTo) <= PRE_ROLL_MS);
});

Deno.test("Audio that ends within a voice is a segment", () => {
  const segmenter = new Segmenter();
  hear(segmenter, 640, true);
  assert.deepEqual(segmenter.end(), { from: 0, to: segmenter.head });
  assert.equal(segmenter.end(), undefined);
});
