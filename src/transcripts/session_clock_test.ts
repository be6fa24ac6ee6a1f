import assert from "@std/assert";
import type { Caption } from "../domain/mod.ts";
import { SessionClock } from "./session_clock.ts";

const caption = (
  utterance: number,
  [startMs, endMs]: [number, number],
  receivedAtMs: number,
  others: Partial<Caption> = {},
): Caption => ({
  speakerId: "a",
  utterance,
  revision: 0,
  languageId: "en",
  text: "words",
  final: true,
  spoken: { startMs, endMs },
  receivedAtMs,
  ...others,
});

Deno.test("The interval of a caption is where it was spoken, whenever the audio arrived", () => {
  const clock = new SessionClock();
  const began = 100_000;
  assert.deepEqual(clock.interval(caption(0, [0, 1_000], 111_000.4), began, 120_000), {
    startMs: 10_000,
    endMs: 11_000,
  });
  // Two seconds of congestion, and trailing silence that counts as audio: the offset is kept.
  assert.deepEqual(clock.interval(caption(1, [5_000, 6_000], 118_000), began, 120_000), {
    startMs: 15_000,
    endMs: 16_000,
  });
  assert.deepEqual(clock.interval(caption(2, [8_000, 9_000], 117_000), began, 120_000), {
    startMs: 18_000,
    endMs: 19_000,
  });
});

Deno.test("A new pipeline of the same speaker begins its media time anew, and is anchored anew", () => {
  const clock = new SessionClock();
  clock.interval(caption(7, [90_000, 91_000], 91_000), 0, 91_000);
  assert.deepEqual(clock.interval(caption(0, [200, 900], 94_900), 0, 95_000), {
    startMs: 94_200,
    endMs: 94_900,
  });
  // One that begins while the one before is in its first utterance.
  const other = new SessionClock();
  other.interval(caption(0, [0, 1_000], 3_000, { revision: 4 }), 0, 3_000);
  assert.equal(other.interval(caption(0, [0, 1_000], 5_000), 0, 5_000).endMs, 5_000);
});

Deno.test("Media time that jumps is anchored anew", () => {
  const clock = new SessionClock();
  clock.interval(caption(0, [0, 1_000], 1_000), 0, 1_000);
  assert.equal(clock.interval(caption(1, [1_000, 2_000], 62_000), 0, 62_000).endMs, 62_000);
});

Deno.test("An interval is never negative, never reversed, and never in the future", () => {
  const clock = new SessionClock();
  assert.deepEqual(clock.interval(caption(0, [0, 3_000], 101_000), 100_000, 101_000), {
    startMs: 0,
    endMs: 1_000,
  });
  assert.deepEqual(clock.interval(caption(1, [9_000, 8_000], 104_000), 100_000, 104_000), {
    startMs: 4_000,
    endMs: 4_000,
  });
});

Deno.test("Each speaker has an offset of their own, of a thousand speakers", () => {
  const clock = new SessionClock();
  for (let id = 0; id < 1_500; id++) {
    clock.interval(caption(5, [0, 100], 1_000, { speakerId: `${id}` }), 0, 2_000);
  }
  // The oldest was forgotten and is anchored again; the newest is not.
  assert.equal(clock.interval(caption(6, [0, 100], 3_000, { speakerId: "0" }), 0, 9_000).endMs, 3_000);
  assert.equal(clock.interval(caption(6, [0, 100], 3_000, { speakerId: "1499" }), 0, 9_000).endMs, 1_000);
});
