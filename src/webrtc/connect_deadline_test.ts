import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { ConnectDeadline } from "./connect_deadline.ts";

/** A deadline on a clock of its own, and when it passed. */
function start({ isAllocating = () => false }: { isAllocating?: (nowMs: number) => boolean } = {}) {
  const clock = new FakeClock();
  const startMs = clock.now();
  const late: number[] = [];
  const deadline = new ConnectDeadline({
    clock,
    isAllocating: () => isAllocating(clock.now() - startMs),
    onLate: () => late.push(clock.now() - startMs),
  });
  return { clock, deadline, late };
}

Deno.test("Connecting without progress is given up after 3 s, once", async () => {
  const { clock, late } = start();
  await clock.advance(60_000);
  assert.deepEqual(late, [3_000]);
});

Deno.test("Connecting that stalls is given up 2 s after its last step, and later with a longer round trip", async () => {
  for (const [roundTripMs, lateMs] of [[0, 2_400], [700, 5_200]]) {
    const { clock, deadline, late } = start();
    await clock.advance(400);
    deadline.progressed(roundTripMs);
    await clock.advance(60_000);
    assert.deepEqual(late, [lateMs]);
  }
});

Deno.test("Connecting that makes progress is given up after 15 s", async () => {
  const { clock, deadline, late } = start();
  for (let second = 0; second < 60; second++) {
    await clock.advance(1_000);
    deadline.progressed(700);
  }
  assert.deepEqual(late, [15_000]);
});

Deno.test("A pending TURN allocation is waited for", async () => {
  const { clock, late } = start({ isAllocating: (nowMs) => nowMs < 4_300 });
  await clock.advance(60_000);
  assert.deepEqual(late, [4_500]);
  const forever = start({ isAllocating: () => true });
  await forever.clock.advance(60_000);
  assert.deepEqual(forever.late, [15_000]);
});

Deno.test("A late relay restarts the first step", async () => {
  const { clock, deadline, late } = start({ isAllocating: (nowMs) => nowMs < 4_300 });
  await clock.advance(4_300);
  deadline.progressed(undefined);
  await clock.advance(60_000);
  assert.deepEqual(late, [7_300]);
});

Deno.test("A disposed deadline never passes, even with later progress", async () => {
  const { clock, deadline, late } = start();
  deadline[Symbol.dispose]();
  deadline.progressed(0);
  await clock.advance(60_000);
  assert.deepEqual(late, []);
  assert.equal(clock.pending, 0);
});
