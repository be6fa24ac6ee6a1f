import assert from "@std/assert";
import { LIMITS } from "../domain/mod.ts";
import { Guesses } from "./guesses.ts";

const HELD = LIMITS.guessHoldMs;

Deno.test("The first wrong credentials of a source get a response at once, further ones within a minute are delayed", () => {
  const guesses = new Guesses();
  for (let n = 0; n < LIMITS.guessesFree; n++) assert.equal(guesses.wrong("a", 0), 0);
  assert.equal(guesses.wrong("a", 0), HELD);
  assert.equal(guesses.wrong("b", 0), 0, "another source");
  assert.equal(guesses.wrong("a", 60_000 / LIMITS.guessesFree), 0, "one has leaked");
  assert.equal(guesses.wrong("a", 60_000 / LIMITS.guessesFree), HELD);
  assert.equal(guesses.wrong("a", 600_000), 0);
});

Deno.test("Many wrong credentials are forgotten as fast as few", () => {
  const guesses = new Guesses();
  for (let n = 0; n < 10_000; n++) guesses.wrong("a", 0);
  for (let n = 0; n < LIMITS.guessesFree; n++) assert.equal(guesses.wrong("a", 61_000), 0);
});

Deno.test("Wrong credentials from many sources are delayed too, and the number of sources is bounded", () => {
  const guesses = new Guesses();
  const held = Array.from({ length: 5_000 }, (_, n) => guesses.wrong(`source ${n}`, 0)).filter((ms) =>
    ms > 0
  );
  assert.equal(held.length, 5_000 - LIMITS.guessesFreeOfAll);
  assert.equal(guesses.size, LIMITS.guessSources);
});
