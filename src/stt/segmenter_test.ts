import assert from "@std/assert";
import { Segmenter, type SegmenterOptions, type SpeechSpan } from "./segmenter.ts";

const RATE_HZ = 1_000; // a sample is a millisecond
const OPTIONS = { sampleRateHz: RATE_HZ, preRollMs: 300, pauseMs: 500, tailMs: 300, longestMs: 3_000 };

/** Audio whose samples are its position, so that a span shows what it is made of. */
class Source {
  #at = 0;

  next(ms: number): Float32Array<ArrayBuffer> {
    const start = this.#at;
    this.#at += ms;
    return Float32Array.from({ length: ms }, (_, at) => start + at);
  }
}

function setup(options: Partial<SegmenterOptions> = {}, frameMs = 80) {
  const segmenter = new Segmenter({ ...OPTIONS, ...options });
  const source = new Source();
  /** The spans that ended, in frames. */
  const push = (ms: number, speech: number): SpeechSpan[] => {
    const spans: SpeechSpan[] = [];
    for (let leftMs = ms; leftMs > 0; leftMs -= frameMs) {
      spans.push(...segmenter.push(source.next(Math.min(frameMs, leftMs)), speech));
    }
    return spans;
  };
  return { segmenter, push };
}

/** Where a span is, after a check that it holds just that audio. */
function placeOf({ samples, startMs, endMs }: SpeechSpan): [startMs: number, endMs: number] {
  assert.deepEqual([samples[0], samples.at(-1)], [startMs, endMs - 1]);
  assert.equal(samples.length, endMs - startMs);
  return [startMs, endMs];
}

Deno.test("A span has the voice, the time before it and a part of the pause after it", () => {
  const { segmenter, push } = setup();
  assert.deepEqual(push(1_000, 0), []);
  assert.deepEqual([segmenter.isOpen, segmenter.held, segmenter.settledMs], [false, 300, 700]);
  assert.deepEqual(push(800, 1), []);
  assert.deepEqual([segmenter.isOpen, segmenter.settledMs, segmenter.endMs], [true, 700, 1_800]);
  assert.deepEqual(push(480, 0), []);
  assert.deepEqual(push(80, 0).map(placeOf), [[700, 2_100]]);
  assert.equal(segmenter.isOpen, false);
  assert.deepEqual(push(10_000, 0), []);
  assert.equal(segmenter.held, 300);
});

Deno.test("A shorter pause is in the span, and audio is in one span only", () => {
  const { push } = setup();
  push(400, 1);
  push(400, 0);
  push(400, 1);
  assert.deepEqual(push(520, 0).map(placeOf), [[0, 1_500]]);
  push(80, 1);
  assert.deepEqual(push(520, 0).map(placeOf), [[1_500, 2_100]], "nothing of the first span");
});

Deno.test("A voice begins at a higher probability than it continues at", () => {
  const { segmenter, push } = setup();
  push(400, 0.49);
  assert.equal(segmenter.isOpen, false);
  push(80, 0.5);
  push(400, 0.35);
  assert.deepEqual(push(480, 0.34), []);
  assert.deepEqual(push(80, 0.49).map(placeOf), [[100, 1_180]], "after a pause the voice has to begin again");
});

Deno.test("A long span is cut at the quietest place of its last third, and no audio is lost", () => {
  for (const frameMs of [20, 80, 200, 7_000]) {
    const segmenter = new Segmenter(OPTIONS);
    const speech = Float32Array.from(
      { length: 7_000 },
      (_, at) => at % 1_300 >= 1_200 ? 0.01 : at % 2 ? 0.5 : -0.5,
    );
    const spans: SpeechSpan[] = [];
    for (let at = 0; at < speech.length; at += frameMs) {
      spans.push(...segmenter.push(speech.subarray(at, at + frameMs), 1));
    }
    spans.push(segmenter.finish()!);
    const cuts = spans.slice(1).map(({ startMs }) => startMs % 1_300);
    assert.equal(cuts.length, 2);
    assert.ok(cuts.every((at) => at >= 1_220 && at <= 1_280), `frames of ${frameMs} ms: cut at ${cuts}`);
    assert.deepEqual(spans.flatMap(({ samples }) => [...samples]), [...speech]);
    assert.ok(spans.every(({ startMs, endMs }) => endMs - startMs <= OPTIONS.longestMs));
  }
});

Deno.test("A long span whose voice has just stopped ends there", () => {
  const { segmenter, push } = setup();
  assert.deepEqual(push(2_800, 1), []);
  assert.deepEqual(push(200, 0).map(placeOf), [[0, 3_000]]);
  assert.equal(segmenter.isOpen, false);
});

Deno.test("A partial span is what the open span has so far, once for each voice", () => {
  const { segmenter, push } = setup();
  assert.equal(segmenter.partial(), undefined);
  push(600, 1);
  assert.deepEqual(placeOf(segmenter.partial()!), [0, 600]);
  assert.equal(segmenter.partial(), undefined, "nothing new");
  push(80, 0);
  assert.equal(segmenter.partial(), undefined, "no voice is new");
  push(80, 1);
  push(400, 0);
  assert.deepEqual(placeOf(segmenter.partial()!), [0, 1_060], "with the tail of the pause");
  assert.deepEqual(push(160, 0).map(placeOf), [[0, 1_060]]);
  assert.equal(segmenter.partial(), undefined);
  push(80, 1);
  assert.deepEqual(placeOf(segmenter.partial()!), [1_060, 1_400]);
});

Deno.test("After a cut the rest is shown by the next partial", () => {
  const { segmenter, push } = setup();
  push(2_900, 1);
  assert.ok(segmenter.partial());
  const [cut] = push(200, 1);
  assert.deepEqual(segmenter.partial()?.startMs, cut.endMs);
});

Deno.test("Finishing ends the open span without a pause, and does nothing without one", () => {
  const { segmenter, push } = setup();
  assert.equal(segmenter.finish(), undefined);
  push(400, 1);
  push(100, 0);
  assert.deepEqual(placeOf(segmenter.finish()!), [0, 500]);
  assert.equal(segmenter.finish(), undefined);
  assert.deepEqual(push(1_000, 0), []);
});

Deno.test("What is held is bounded, whatever is pushed", () => {
  const { segmenter, push } = setup();
  let most = 0;
  for (let round = 0; round < 200; round++) {
    push(round * 37 % 900, (round * 7 % 10) / 9);
    most = Math.max(most, segmenter.held);
  }
  assert.ok(most > 2_000 && most <= OPTIONS.longestMs, `${most}`);
  const { held, endMs, settledMs } = segmenter;
  assert.equal(held, endMs - settledMs);
});

Deno.test("The samples of a span are a copy", () => {
  const segmenter = new Segmenter(OPTIONS);
  const samples = new Float32Array(200).fill(0.5);
  segmenter.push(samples, 1);
  const span = segmenter.partial()!;
  samples.fill(0);
  segmenter.push(samples, 1);
  assert.ok(span.samples.every((sample) => sample === 0.5));
});

Deno.test("The defaults keep a span under the nine seconds that recognisers take", () => {
  const segmenter = new Segmenter({ sampleRateHz: 16_000 });
  const spans = segmenter.push(new Float32Array(16_000 * 60).fill(0.1), 1);
  assert.ok(spans.length >= 7);
  assert.ok(spans.every(({ startMs, endMs }) => endMs - startMs <= 8_500));
});

Deno.test("A span is known before it ends, once its tail is there", () => {
  const { segmenter, push } = setup();
  push(800, 1);
  push(240, 0);
  assert.equal(segmenter.ending(), undefined);
  push(80, 0);
  const foreseen = segmenter.ending();
  assert.equal(segmenter.partial(), undefined);
  assert.deepEqual(push(240, 0), [foreseen]);
  assert.equal(segmenter.ending(), undefined);
});
