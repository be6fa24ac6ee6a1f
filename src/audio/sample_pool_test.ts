import assert from "@std/assert";
import { SamplePool } from "./sample_pool.ts";

Deno.test("What was given back is taken again", () => {
  const pool = new SamplePool(10);
  const [a, b] = [pool.take(), pool.take()];
  assert.notEqual(a, b);
  assert.equal(a.length, 10);
  pool.give(a);
  assert.equal(pool.take(), a);
  assert.notEqual(pool.take(), a, "and not twice");
});

Deno.test("An array of another length is not kept, and no more than were ever needed at once", () => {
  const pool = new SamplePool(10);
  pool.give(new Float32Array(9));
  assert.equal(pool.take().length, 10);
  const many = Array.from({ length: 1_000 }, () => new Float32Array(10));
  for (const samples of many) pool.give(samples);
  const kept = new Set(many);
  let taken = 0;
  while (kept.delete(pool.take())) taken++;
  assert.equal(taken, 256);
});
