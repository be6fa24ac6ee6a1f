import assert from "@std/assert";
import { StampClock } from "./stamp_clock.ts";

/** Two fake clocks. */
function clocks() {
  const time = { wallMs: 1_700_000_000_000, nowMs: 50_000 };
  const pass = (ms: number) => {
    time.wallMs += ms;
    time.nowMs += ms;
  };
  return { time, pass, stamps: new StampClock(() => time.wallMs, () => time.nowMs) };
}

Deno.test("A datagram has waited since its timestamp", () => {
  const { time, pass, stamps } = clocks();
  const emptyMs = stamps.tick();
  pass(4);
  const stampMs = time.wallMs;
  pass(16);
  stamps.tick();
  assert.equal(stamps.waitedMs(stampMs, emptyMs), 16);
  pass(3); // by what the one before it took
  assert.equal(stamps.waitedMs(stampMs, emptyMs), 19);
});

Deno.test("A step of the wall clock has no effect in the next iteration, and at most one poll interval in its own", () => {
  for (const byMs of [-3_600_000, -7_000, -30, 30, 7_000, 3_600_000]) {
    const { time, pass, stamps } = clocks();
    let emptyMs = stamps.tick();
    pass(10);
    const before = time.wallMs;
    time.wallMs += byMs;
    pass(10);
    stamps.tick();
    const waitedMs = stamps.waitedMs(before, emptyMs);
    assert.ok(waitedMs >= 0 && waitedMs <= 20, `${waitedMs} ms`);
    emptyMs = stamps.tick();
    pass(15);
    const after = time.wallMs;
    pass(5);
    stamps.tick();
    assert.equal(stamps.waitedMs(after, emptyMs), 5);
  }
});

Deno.test("A wall clock set during an iteration is read again in the next", () => {
  const { time, pass, stamps } = clocks();
  const emptyMs = stamps.tick();
  assert.equal(stamps.waitedMs(time.wallMs, emptyMs), 0);
  time.wallMs -= 7_000;
  pass(20);
  stamps.tick();
  assert.equal(stamps.waitedMs(time.wallMs - 8, emptyMs), 8);
});
