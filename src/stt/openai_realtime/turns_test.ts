import assert from "@std/assert";
import { Turns } from "./turns.ts";

/** Where turns end, ms, for stretches of voice and pauses in frames of 100 ms. */
function endsOf(stretches: [ms: number, voiced: boolean][]): number[] {
  const turns = new Turns();
  const ends: number[] = [];
  let atMs = 0;
  for (const [ms, voiced] of stretches) {
    for (let left = ms; left > 0; left -= 100) {
      atMs += 100;
      if (turns.sent(100, voiced)) ends.push(atMs);
    }
  }
  return ends;
}

Deno.test("A pause of half a second ends a turn, once", () => {
  assert.deepEqual(
    endsOf([[1_000, true], [400, false], [600, true], [5_000, false], [300, true], [500, false]]),
    [
      2_500,
      7_800,
    ],
  );
});

Deno.test("Silence is no turn", () => {
  assert.deepEqual(endsOf([[60_000, false]]), []);
});

Deno.test("A long turn ends at the next short pause, and a very long one anywhere", () => {
  assert.deepEqual(endsOf([[16_000, true], [100, false], [1_000, true]]), [16_100]);
  assert.deepEqual(endsOf([[65_000, true]]), [30_000, 60_000]);
});

Deno.test("A turn that was ended has no voice", () => {
  const turns = new Turns();
  turns.sent(200, true);
  assert.equal(turns.hasVoice, true);
  turns.end();
  assert.equal(turns.hasVoice, false);
});
