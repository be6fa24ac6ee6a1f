import assert from "@std/assert";
import { RecognisedUntil } from "./recognised_until.ts";

Deno.test("A word shows that what was sent before its latency and 0.3 s was recognised", () => {
  const recognised = new RecognisedUntil();
  for (let nowMs = 0; nowMs <= 2_000; nowMs += 200) {
    assert.equal(recognised.sent(200, nowMs), Math.max(nowMs, 100));
  }
  assert.equal(recognised.word(2_000, 500), 1_200);
  assert.equal(recognised.word(2_100, 900), 1_200, "a later word takes nothing back");
  assert.equal(recognised.sinceMs, 1_200);
  recognised.all(3_000);
  assert.equal(recognised.sinceMs, 3_000);
});

Deno.test("A burst cannot have been recognised at more than twice the speed of speech, but its words may come sooner", () => {
  const recognised = new RecognisedUntil();
  const marks = Array.from({ length: 20 }, () => recognised.sent(200, 1_000));
  assert.equal(marks.at(-1), 2_900);
  assert.equal(recognised.word(2_000, 300), 1_400);
  assert.equal(recognised.sinceMs, 1_000, "words of all the burst may come again");
  assert.equal(recognised.word(3_600, 300), 3_000);
  assert.equal(recognised.sinceMs, 3_000);
});
