import assert from "@std/assert";
import { Trust } from "./trust.ts";

Deno.test("A recogniser is trusted until sessions recognise nothing, then left alone for growing times", () => {
  const trust = new Trust();
  assert.ok(trust.admits(0));
  assert.equal(trust.begin(0), undefined, "no trial");
  let nowMs = 0;
  const waits: number[] = [];
  for (let failure = 0; failure < 8; failure++) {
    trust.failed(nowMs, nowMs);
    const sinceMs = nowMs;
    while (!trust.admits(nowMs)) nowMs += 100;
    waits.push(nowMs - sinceMs);
  }
  assert.ok(waits[0] >= 2_500 && waits[0] <= 5_000, `${waits}`);
  assert.ok(waits[7] >= 30_000 && waits[7] <= 60_000, `${waits}`);
  assert.ok(trust.worked(nowMs));
  assert.equal(trust.worked(nowMs), false, "once");
  assert.ok(trust.admits(nowMs));
});

Deno.test("One session tries it at a time, until it ends or has said nothing for half a minute", () => {
  const trust = new Trust();
  trust.failed(0, 0);
  const first = trust.begin(5_000);
  assert.ok(first);
  assert.equal(trust.admits(5_100), false);
  first?.[Symbol.dispose]();
  assert.ok(trust.admits(5_100));
  const second = trust.begin(5_100);
  assert.equal(trust.admits(35_000), false);
  assert.ok(trust.admits(35_100));
  const third = trust.begin(35_100);
  second?.[Symbol.dispose]();
  assert.equal(trust.admits(35_200), false, "the third tries it still");
  third?.[Symbol.dispose]();
  assert.ok(trust.admits(35_200));
});

Deno.test("Sessions from before the last news show nothing", () => {
  const trust = new Trust();
  trust.failed(1_000, 500);
  assert.equal(trust.worked(900), false);
  assert.ok(trust.isLost);
  assert.ok(trust.worked(6_000));
  trust.failed(9_000, 5_900);
  assert.equal(trust.isLost, false);
  trust.failed(9_000, 6_100);
  assert.ok(trust.isLost);
});
