import assert from "@std/assert";
import { giveSamples, SPARES_MAX, takeSamples } from "./spare_samples.ts";

Deno.test("Memory that was given back is used again, and not twice", () => {
  drop();
  const [a, b] = [takeSamples(10), takeSamples(10)];
  assert.notEqual(a, b);
  assert.equal(a.length, 10);
  giveSamples(a);
  assert.equal(takeSamples(10), a);
  assert.notEqual(takeSamples(10), a);
});

Deno.test("Memory of another length is not reused, and no more is kept than many acknowledgements give back", () => {
  drop();
  giveSamples(new Float32Array(9));
  assert.equal(takeSamples(10).length, 10);
  const many = Array.from({ length: 1_000 }, () => new Float32Array(10));
  for (const samples of many) giveSamples(samples);
  const kept = new Set(many);
  let taken = 0;
  while (kept.delete(takeSamples(10))) taken++;
  assert.equal(taken, SPARES_MAX);
});

/** All tests of a process have the same spares. */
function drop(): void {
  for (let each = 0; each < SPARES_MAX; each++) takeSamples(0);
}
