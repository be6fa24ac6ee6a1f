import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { Breaker } from "./breaker.ts";

Deno.test("One failure is a hiccup, two in a row open the breaker, a success closes it", () => {
  const breaker = new Breaker(new FakeClock());
  breaker.record("failed");
  assert.equal(breaker.isOpen, false);
  breaker.record("failed");
  assert.equal(breaker.isOpen, true);
  breaker.record("accepted");
  assert.equal(breaker.isOpen, false);
});

Deno.test("An open breaker lets someone try after a while, and one more failure opens it again", async () => {
  const clock = new FakeClock();
  const breaker = new Breaker(clock);
  breaker.record("failed");
  breaker.record("failed");
  await clock.advance(10_000);
  assert.equal(breaker.isOpen, false);
  breaker.record("failed");
  assert.equal(breaker.isOpen, true);
});

Deno.test("A refused secret opens it at once and is tried too seldom to be shut out", async () => {
  const clock = new FakeClock();
  const breaker = new Breaker(clock);
  let attempts = 0;
  for (let minute = 0; minute < 30; minute++) {
    if (!breaker.isOpen) {
      breaker.record("refused");
      attempts++;
    }
    await clock.advance(60_000);
  }
  assert.ok(attempts >= 2 && attempts < 10, `${attempts} attempts in half an hour`);
});
