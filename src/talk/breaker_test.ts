import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { Breaker } from "./breaker.ts";

Deno.test("One failure is a hiccup, two in a row open the breaker, a success closes it", () => {
  const breaker = new Breaker(new FakeClock());
  breaker.record(false);
  assert.equal(breaker.isOpen, false);
  breaker.record(false);
  assert.equal(breaker.isOpen, true);
  breaker.record(true);
  assert.equal(breaker.isOpen, false);
});

Deno.test("An open breaker lets someone try after a while, and one more failure opens it again", async () => {
  const clock = new FakeClock();
  const breaker = new Breaker(clock);
  breaker.record(false);
  breaker.record(false);
  await clock.advance(10_000);
  assert.equal(breaker.isOpen, false);
  breaker.record(false);
  assert.equal(breaker.isOpen, true);
});
