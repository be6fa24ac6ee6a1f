import assert from "@std/assert";
import { slopeOf, studentT } from "./slope.ts";

Deno.test("Points on a line have its slope, and no doubt about it", () => {
  const { perUnit, plusMinus } = slopeOf([0, 1, 2, 3].map((x) => ({ x, y: 5 + 2 * x })));
  assert.equal(perUnit, 2);
  assert.ok(plusMinus < 1e-9);
});

Deno.test("Scatter widens the slope's confidence interval as in the textbook", () => {
  // Worked by hand: slope 0.6, residual sum 2.4, 3 degrees of freedom, Sxx 10: 3.182 * sqrt(0.8 / 10).
  const { perUnit, plusMinus } = slopeOf([2, 4, 5, 4, 5].map((y, at) => ({ x: at + 1, y })));
  assert.ok(Math.abs(perUnit - 0.6) < 1e-9);
  assert.ok(Math.abs(plusMinus - 0.900) < 0.01, String(plusMinus));
});

Deno.test("Student's t is that of the tables", () => {
  for (const [freedom, t] of [[1, 12.706], [2, 4.303], [3, 3.182], [5, 2.571], [10, 2.228], [30, 2.042]]) {
    assert.ok(Math.abs(studentT(freedom) - t) < 0.01 * t, `${freedom}: ${studentT(freedom)}`);
  }
});

Deno.test("Two points give a slope without a confidence interval", () => {
  assert.deepEqual(slopeOf([{ x: 0, y: 0 }, { x: 2, y: 1 }]), { perUnit: 0.5, plusMinus: Infinity });
});
