import assert from "@std/assert";
import { coresOf, measureCapacity, talkersOf } from "./capacity.ts";

Deno.test("The decode that took the least processor time counts, without the first", async () => {
  const takesMs = [900, 80, 60, 75, 300, 90];
  let nowMs = 0;
  const lengths: number[] = [];
  const capacity = await measureCapacity({
    decode(samples) {
      lengths.push(samples.length);
      nowMs += takesMs[lengths.length - 1];
      return Promise.resolve();
    },
    speech: new Float32Array(32_000),
    cores: 2,
    busyMs: () => nowMs,
  });
  assert.deepEqual(lengths, Array(6).fill(32_000 + 2 * 3_200));
  assert.equal(capacity.realTimeFactor, 0.03);
  assert.equal(capacity.talkers, talkersOf(0.03, 2));
});

Deno.test("Two cores of the measured kind carry sixteen, a slow core one", () => {
  assert.equal(talkersOf(0.03, 2), 16);
  assert.equal(talkersOf(0.03, 8), 64);
  assert.equal(talkersOf(0.8, 1), 1);
});

Deno.test("A container's share of the processors counts", () => {
  assert.equal(coresOf(8, "150000 100000\n"), 1.5);
  assert.equal(coresOf(2, "400000 100000\n"), 2);
  for (const cpuMax of ["max 100000\n", "", undefined, "0 100000"]) assert.equal(coresOf(4, cpuMax), 4);
});
