import assert from "@std/assert";
import type { DecodeKind } from "./decode_order.ts";
import { Detectors } from "./detectors.ts";
import { type FromRecogniser, SAMPLE_RATE_HZ } from "./protocol.ts";
import { FINALS_MAX, RecogniserSession, TALKING_MS, withZeros } from "./recogniser_session.ts";

/** The model's longest audio is 9.2 s. */
const MODEL_MS = 9_000;

/** A session whose voice detector takes every sample above 0.5 as a voice, and whose decodes are run by the test. */
class Rig {
  nowMs = 0;
  readonly sent: FromRecogniser[] = [];
  readonly asked: DecodeKind[] = [];
  readonly detectors: Detectors;
  readonly session: RecogniserSession;
  readonly decodedMs: number[] = [];

  constructor({ detectors = loudDetectors(1), partialEveryMs = 600 } = {}) {
    this.detectors = detectors;
    this.session = new RecogniserSession({
      detectors,
      ask: (kind) => this.asked.push(kind),
      send: (message) => this.sent.push(message),
      partialEveryMs: () => partialEveryMs,
    }, 0);
  }

  /** Audio in frames of 100 ms, in real time. */
  hear(durationMs: number, level: number): void {
    for (let ms = 0; ms < durationMs; ms += 100) {
      this.nowMs += 100;
      this.session.receive(new Float32Array(SAMPLE_RATE_HZ / 10).fill(level), this.nowMs);
    }
  }

  /** Runs the first decode that was asked for, with this text. */
  decode(text: string): void {
    const kind = this.asked.shift();
    const span = kind && this.session.spanFor(kind);
    if (!kind || !span) return;
    this.decodedMs.push(withZeros(span.samples).length * 1_000 / SAMPLE_RATE_HZ);
    this.session.decoded(kind, span, text);
  }

  take(type: FromRecogniser["type"]): FromRecogniser[] {
    return this.sent.filter((message) => message.type === type);
  }
}

function loudDetectors(most: number): Detectors {
  return new Detectors(() => ({ isVoice: (window) => window[0] > 0.5, reset() {} }), most);
}

const VOICE = 1;
const NOISE = 0.1;
const ZEROS = 0;

Deno.test("A voice is decoded while it lasts, and once more when it is over", () => {
  const rig = new Rig();
  rig.hear(500, NOISE);
  rig.hear(2_000, VOICE);
  rig.decode("One two three.");
  assert.deepEqual(rig.take("partial").map((message) => "text" in message && message.text), [
    "One two three",
  ]);
  rig.hear(700, NOISE);
  while (rig.asked.length > 0) rig.decode("One two three.");
  const [final, ...others] = rig.take("final");
  assert.deepEqual(others, []);
  if (final?.type !== "final") throw new Error("there is no final");
  assert.equal(final.text, "One two three.");
  assert.ok(final.startMs >= 100 && final.startMs <= 500, `${final.startMs}`);
  assert.ok(final.endMs >= 2_800 && final.endMs <= 3_000, `${final.endMs}`);
});

Deno.test("Steady noise is sent on to nobody, and acknowledged", () => {
  const rig = new Rig();
  rig.hear(60_000, NOISE);
  assert.deepEqual(rig.asked, []);
  assert.deepEqual([...new Set(rig.sent.map(({ type }) => type))], ["progress"]);
  const last = rig.sent.at(-1);
  assert.ok(last?.type === "progress" && last.ms >= 58_500, JSON.stringify(last));
});

Deno.test("Audio counts as processed once its final was sent, in the same message", () => {
  const rig = new Rig();
  rig.hear(1_000, VOICE);
  rig.hear(700, ZEROS);
  rig.hear(1_000, VOICE);
  assert.deepEqual(rig.take("progress"), []);
  while (rig.asked.length > 0) rig.decode("Yes.");
  const [final] = rig.take("final");
  assert.ok(final.type === "final" && final.ms >= final.endMs && final.ms <= 1_700, JSON.stringify(final));
});

Deno.test("Segments wait for their finals in order, and the session takes no more audio meanwhile", () => {
  const rig = new Rig();
  for (let segment = 0; segment < FINALS_MAX; segment++) {
    assert.equal(rig.session.isFull, false);
    rig.hear(500, VOICE);
    rig.hear(700, ZEROS);
  }
  assert.equal(rig.session.isFull, true);
  const texts = ["First.", "Second."];
  for (; rig.asked.length > 0; rig.decode(texts[0])) {
    if (rig.asked[0] === "final" && rig.take("final").length > 0) texts.shift();
  }
  assert.deepEqual(rig.take("final").map((message) => "text" in message && message.text), [
    "First.",
    "Second.",
  ]);
  assert.equal(rig.session.isFull, false);
});

Deno.test("Each of two segments that wait is decoded once, even where two decodes run at a time", () => {
  const rig = new Rig();
  for (const voiceMs of [500, 1_500]) {
    rig.hear(voiceMs, VOICE);
    rig.hear(700, ZEROS);
  }
  const finals = () => rig.asked.filter((kind) => kind === "final").length;
  assert.equal(finals(), 1, "the second would be given the same audio");
  const first = rig.session.spanFor("final") ?? assert.fail("no span");
  rig.session.decoded("final", first, "First.");
  assert.equal(finals(), 2);
  const second = rig.session.spanFor("final") ?? assert.fail("no span");
  assert.ok(second.startMs >= first.endMs);
  rig.session.decoded("final", second, "Second.");
  assert.equal(finals(), 2);
  assert.deepEqual(rig.take("final").map((message) => "text" in message && message.text), [
    "First.",
    "Second.",
  ]);
});

Deno.test("A segment is decoded while its pause lasts, and its final then takes no time", () => {
  const rig = new Rig();
  rig.hear(500, VOICE);
  rig.hear(500, ZEROS);
  while (rig.asked.length > 0) rig.decode("Yes.");
  rig.hear(300, ZEROS);
  assert.deepEqual([rig.asked, rig.take("final").length], [[], 1]);
});

Deno.test("It is done once, though its last segment was decoded before it ended", () => {
  const rig = new Rig();
  rig.hear(500, VOICE);
  rig.hear(500, ZEROS);
  while (rig.asked.length > 0) rig.decode("Yes.");
  rig.session.finish();
  while (rig.asked.length > 0) rig.decode("Yes.");
  assert.deepEqual(rig.sent.slice(-2).map(({ type }) => type), ["final", "done"]);
  assert.deepEqual([rig.take("final").length, rig.take("done").length], [1, 1]);
});

Deno.test("If the voice goes on after all, what was decoded in the pause is a partial", () => {
  const rig = new Rig();
  rig.hear(500, VOICE);
  rig.hear(500, ZEROS);
  while (rig.asked.length > 0) rig.decode("Yes.");
  rig.hear(500, VOICE);
  rig.hear(800, ZEROS);
  while (rig.asked.length > 0) rig.decode("Yes, we can.");
  const finals = rig.take("final");
  assert.ok(finals.length === 1 && finals[0].type === "final" && finals[0].text === "Yes, we can.");
});

Deno.test("Of partials the newest counts: one at a time, of the newest audio", () => {
  const rig = new Rig();
  rig.hear(3_000, VOICE);
  assert.deepEqual(rig.asked, ["first"]);
  rig.decode("One two three four.");
  assert.ok(rig.decodedMs[0] > 2_900, `${rig.decodedMs}`);
});

Deno.test("A partial that comes after its segment has ended is not sent", () => {
  const rig = new Rig();
  rig.hear(1_000, VOICE);
  const audio = rig.session.spanFor("partial");
  rig.hear(700, ZEROS);
  if (!audio) throw new Error("no partial is due");
  rig.session.decoded("partial", audio, "One");
  assert.deepEqual(rig.take("partial"), []);
});

Deno.test("The same text is sent once, and silence asks for no partial", () => {
  const rig = new Rig({ partialEveryMs: 100 });
  rig.hear(1_000, VOICE);
  rig.decode("One");
  rig.hear(200, VOICE);
  rig.decode("One");
  assert.equal(rig.take("partial").length, 1);
  const { length } = rig.asked;
  rig.hear(200, ZEROS);
  rig.decode("One");
  rig.hear(100, ZEROS);
  assert.ok(rig.asked.length <= length + 1);
});

Deno.test("No decode is longer than the model takes, and a voice without pauses loses nothing", () => {
  const rig = new Rig();
  rig.hear(30_000, VOICE);
  rig.session.finish();
  while (rig.asked.length > 0) rig.decode("Words.");
  const finals = rig.take("final").flatMap((message) => message.type === "final" ? [message] : []);
  assert.equal(finals.length, 4);
  assert.deepEqual(
    finals.map(({ text }) => text),
    ["Words", "Words", "Words", "Words."],
    "three end within a sentence",
  );
  let endMs = 0;
  for (const final of finals) {
    assert.equal(final.startMs, endMs);
    endMs = final.endMs;
  }
  assert.ok(endMs > 29_900, `${endMs}`);
  for (const durationMs of rig.decodedMs) {
    assert.ok(durationMs <= MODEL_MS);
  }
});

Deno.test("Finishing decodes what is left, then is done, once", () => {
  const rig = new Rig();
  rig.hear(800, VOICE);
  rig.session.finish();
  assert.deepEqual(rig.take("done"), []);
  while (rig.asked.length > 0) rig.decode("Yes.");
  assert.deepEqual(rig.sent.slice(-2).map(({ type }) => type), ["final", "done"]);
  assert.equal(rig.take("done").length, 1);
});

Deno.test("Finishing without a voice is done at once", () => {
  const rig = new Rig();
  rig.hear(800, NOISE);
  rig.session.finish();
  assert.deepEqual(rig.take("done"), [{ type: "done" }]);
});

Deno.test("A detector is held for a sound, and given back in silence", () => {
  const rig = new Rig();
  rig.hear(1_000, ZEROS);
  assert.equal(rig.detectors.taken, 0);
  rig.hear(1_000, NOISE);
  assert.equal(rig.detectors.taken, 1);
  rig.hear(3_000, ZEROS);
  assert.equal(rig.detectors.taken, 0);
  rig.hear(100, VOICE);
  rig.session.dispose();
  assert.equal(rig.detectors.taken, 0);
});

Deno.test("While all detectors are taken a session holds its audio and takes no more, and loses none", () => {
  const detectors = loudDetectors(1);
  const first = new Rig({ detectors });
  const second = new Rig({ detectors });
  first.hear(500, VOICE);
  second.hear(300, VOICE);
  assert.deepEqual([second.session.isFull, second.session.isHeld], [true, true]);
  second.session.finish();
  assert.deepEqual(second.sent, []);
  first.session.dispose();
  second.session.retry(second.nowMs);
  while (second.asked.length > 0) second.decode("Yes.");
  const [final] = second.take("final");
  assert.ok(final?.type === "final" && final.endMs >= 280, JSON.stringify(final));
  assert.equal(second.take("done").length, 1);
});

Deno.test("Somebody talks from the opening on, and for some seconds after a voice", () => {
  const rig = new Rig();
  assert.equal(rig.session.isTalking(TALKING_MS - 1), true);
  assert.equal(rig.session.isTalking(TALKING_MS), false);
  rig.hear(9_000, NOISE);
  assert.equal(rig.session.isTalking(rig.nowMs), false);
  rig.hear(500, VOICE);
  assert.equal(rig.session.isTalking(rig.nowMs + TALKING_MS - 100), true);
});
