import assert from "@std/assert";
import { Budget } from "./budget.ts";

const spent = (budget: Budget, tries: number, nowMs: number) =>
  Array.from({ length: tries }, () => budget.spend(nowMs)).filter(Boolean).length;

Deno.test("A budget can be spent at once, and refills by the second", () => {
  const budget = new Budget(10);
  assert.equal(spent(budget, 30, 1_000), 10);
  assert.equal(spent(budget, 30, 1_050), 0);
  assert.equal(spent(budget, 30, 1_300), 3);
  assert.equal(spent(budget, 30, 90_000), 10, "no more than a second's is saved up");
});

Deno.test("A clock that stops or goes back refills nothing", () => {
  const budget = new Budget(2);
  assert.equal(spent(budget, 5, 1_000), 2);
  assert.equal(spent(budget, 5, 0), 0);
  assert.equal(spent(budget, 5, 0), 0);
});

Deno.test("A clock that goes forward and back refills no more than one that only goes forward", () => {
  const budget = new Budget(10);
  assert.equal(spent(budget, 30, 1_000), 10);
  for (let round = 0; round < 10; round++) {
    assert.equal(spent(budget, 30, 500), 0);
    assert.equal(spent(budget, 30, 1_000), 0);
  }
});

Deno.test("A budget below zero recovers", () => {
  const budget = new Budget(10, 20);
  assert.ok(budget.isLeft(0));
  budget.take(50);
  assert.equal(budget.isLeft(3_000), false);
  assert.equal(spent(budget, 30, 3_200), 2);
});

Deno.test("A burst may be larger than a second's budget", () => {
  const budget = new Budget(1, 8);
  assert.equal(spent(budget, 30, 0), 8);
  assert.equal(spent(budget, 30, 2_000), 2);
  assert.equal(spent(budget, 30, 90_000), 8);
});
