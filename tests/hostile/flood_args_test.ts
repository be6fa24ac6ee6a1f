import assert from "@std/assert";
import { arrivedOf } from "./flood_words.ts";
import { floodOptionsOf, HELP } from "./flood_args.ts";
import { GARBAGE } from "./garbage.ts";

Deno.test("Without options every kind is sent for a minute at 10 Mbit/s", () => {
  const { kinds, seconds, megabits, inTheSfusName } = floodOptionsOf([]);
  assert.deepEqual(kinds, Object.keys(GARBAGE));
  assert.deepEqual({ seconds, megabits, inTheSfusName }, {
    seconds: 60,
    megabits: 10,
    inTheSfusName: false,
  });
});

Deno.test("Kinds are found by a part of their name, each once, and --help lists them", () => {
  const { kinds } = floodOptionsOf(["--kind", "alerts", "--kind", "ENCRYPTED", "--seconds", "5"]);
  assert.deepEqual(kinds, [
    "alerts that are not encrypted",
    "alerts that seem encrypted",
    "RTP that nobody encrypted",
  ]);
  for (const kind of Object.keys(GARBAGE)) assert.ok(HELP.includes(kind));
});

Deno.test("What makes no sense is refused by name", () => {
  for (const args of [["--kind", "kindness"], ["--seconds"], ["--mbit", "0"], ["--loud", "1"]]) {
    assert.throws(() => floodOptionsOf(args), new RegExp(`RangeError.*${args[0]}`));
  }
});

Deno.test("Of the words spoken those read in order have arrived", () => {
  assert.equal(arrivedOf(["a", "b", "c", "a"], ["a", "b", "c", "a"]), 4);
  assert.equal(arrivedOf(["a", "b", "c", "a"], ["a", "c", "x", "a", "a"]), 3);
  assert.equal(arrivedOf(["a", "b"], []), 0);
});

Deno.test("An option that does not exist is unknown, also without a value", () => {
  for (const args of [["--bogus"], ["--bogus", "1"]]) {
    assert.throws(() => floodOptionsOf(args), /unknown option --bogus/);
  }
});
