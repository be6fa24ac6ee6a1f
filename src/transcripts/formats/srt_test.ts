import assert from "@std/assert";
import fc from "fast-check";
import { tidy } from "../../domain/mod.ts";
import { srt } from "./srt.ts";
import { cue, hostileCues, pagesOf, RECORD, written } from "./testing_test.ts";

Deno.test("A SubRip file numbers its cues, names speakers, and wraps long finals to two lines", async () => {
  const long =
    "We begin with the budget, and then we talk about the new building, which is late, and about the old one, which is not.";
  const file = await written(
    srt(RECORD, pagesOf([cue(0, "Good morning.", { speakerName: "Ada" }), cue(1, long, { endMs: 10_000 })])),
  );
  assert.equal(
    file,
    `1
00:00:00,000 --> 00:00:01,500
Ada: Good morning.

2
00:00:02,000 --> 00:00:07,793
Speaker 1:
We begin with the budget, and then we talk
about the new building, which is late, and

3
00:00:07,793 --> 00:00:10,000
Speaker 1:
about the old one, which is not.

`,
  );
});

const BLOCK = /^(\d+)\n\d{2,}:\d\d:\d\d,\d{3} --> \d{2,}:\d\d:\d\d,\d{3}\n(?:[^\n<>{}\\]+\n){1,3}$/;

Deno.test("Whatever is said, each block of a SubRip file is a number, one line of times, and text without markup", async () => {
  await fc.assert(
    fc.asyncProperty(hostileCues, async (all) => {
      const file = await written(srt(RECORD, pagesOf(all)));
      const blocks = file.split("\n\n").slice(0, -1);
      assert.ok(blocks.length >= all.filter(({ text }) => tidy(text) !== "").length);
      for (const [at, block] of blocks.entries()) {
        const [, number] = BLOCK.exec(`${block}\n`) ?? assert.fail(JSON.stringify(block));
        assert.equal(number, String(at + 1));
        assert.equal(block.match(/-->/g)?.length, 1);
      }
    }),
    { numRuns: 300 },
  );
});
