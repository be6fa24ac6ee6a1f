import assert from "@std/assert";
import { optionsOf } from "./load_args.ts";
import { percentilesOf } from "./loop_probe.ts";

Deno.test("Without options the load is 100 speakers in 4 rooms for a minute", () => {
  const { speakers, rooms, seconds, talkPercent } = optionsOf([]);
  assert.deepEqual({ speakers, rooms, seconds, talkPercent }, {
    speakers: 100,
    rooms: 4,
    seconds: 60,
    talkPercent: 100,
  });
});

Deno.test("Options are read, those that may repeat each time", () => {
  const options = optionsOf([
    "--talk",
    "30",
    "--env",
    "A=1=2",
    "--env",
    "B=",
    "--deno-arg",
    "-q",
    "--json",
    "f",
  ]);
  assert.equal(options.talkPercent, 30);
  assert.deepEqual(options.environment, { A: "1=2", B: "" });
  assert.deepEqual(options.denoArgs, ["-q"]);
  assert.equal(options.json, "f");
});

Deno.test("Media come from the own SFU unless Janus is asked for", () => {
  assert.equal(optionsOf([]).sfu, "own");
  assert.equal(optionsOf(["--sfu", "janus"]).sfu, "janus");
});

Deno.test("--werift takes no value, in any position", () => {
  assert.equal(optionsOf([]).werift, false);
  for (const args of [["--werift", "--speakers", "20"], ["--speakers", "20", "--werift"]]) {
    const { werift, speakers } = optionsOf(args);
    assert.deepEqual({ werift, speakers }, { werift: true, speakers: 20 });
  }
});

Deno.test("What makes no sense is refused by name", () => {
  for (
    const args of [
      ["--sfu", "other"],
      ["--speakers"],
      ["--speakers", "0"],
      ["--talk", "101"],
      ["--env", "A"],
      ["--loud", "1"],
    ]
  ) {
    assert.throws(() => optionsOf(args), new RegExp(`RangeError.*${args[0]}`));
  }
});

Deno.test("Percentiles of a histogram are the upper ends of its steps", () => {
  const counts = Array.from({ length: 100 }, () => 0);
  counts[0] = 98;
  counts[9] = 1;
  counts[19] = 1;
  assert.deepEqual(percentilesOf(counts), { median: 0.5, p99: 5, max: 10 });
});

Deno.test("An option that does not exist is unknown, also without a value", () => {
  for (const args of [["--bogus"], ["--bogus", "1"]]) {
    assert.throws(() => optionsOf(args), /unknown option --bogus/);
  }
});
