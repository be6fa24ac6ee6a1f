import assert from "@std/assert";
import { spokenNumbers } from "./spoken_numbers.ts";

Deno.test("Digits are compared as the words that were said", () => {
  assert.equal(spokenNumbers("1, 2, 10 and 31"), "one, two, ten and thirty one");
  assert.equal(spokenNumbers("at 9:30 in room 407"), "at half past nine in room four hundred seven");
  assert.equal(spokenNumbers("at 7.15, at 8:00"), "at seven fifteen, at eight o'clock");
  assert.equal(spokenNumbers("12345678910 and 3D"), "12345678910 and 3D");
});
