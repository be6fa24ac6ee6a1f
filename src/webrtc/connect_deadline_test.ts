import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { ConnectDeadline } from "./connect_deadline.ts";

/** A deadline on a clock of its own, and when it passed. */
function start({ isAsking = () => false }: { isAsking?: (nowMs: number) => boolean } = {}) {
  const clock = new FakeClock();
  const startMs = clock.now();
  const late: number[] = [];
  const deadline = new ConnectDeadline({
    clock,
    isAsking: () => isAsking(clock.now() - startMs),
    onLate: () => late.push(clock.now() - startMs),
  });
  return { clock, deadline, late };
}

Deno.test("A connection that nothing is seen of is given up after 3 s, once", async () => {
  const { clock, late } = start();
  await clock.advance(60_000);
  assert.deepEqual(late, [3_000]);
});

Deno.test("One that gets stuck is given up 2 s after its last step, and later the farther it goes", async () => {
  for (const [roundTripMs, lateMs] of [[0, 2_400], [700, 5_200]]) {
    const { clock, deadline, late } = start();
    await clock.advance(400);
    deadline.progressed(roundTripMs);
    await clock.advance(60_000);
    assert.deepEqual(late, [lateMs]);
  }
});

Deno.test("One that goes on is waited for, but not for ever", async () => {
  const { clock, deadline, late } = start();
  for (let second = 0; second < 60; second++) {
    await clock.advance(1_000);
    deadline.progressed(700);
  }
  assert.deepEqual(late, [15_000]);
});

Deno.test("While a relay is being asked for it is waited for", async () => {
  const { clock, late } = start({ isAsking: (nowMs) => nowMs < 4_300 });
  await clock.advance(60_000);
  assert.deepEqual(late, [4_500]);
  const forever = start({ isAsking: () => true });
  await forever.clock.advance(60_000);
  assert.deepEqual(forever.late, [15_000]);
});

Deno.test("A relay that comes gives the connection through it as long as the first one had", async () => {
  const { clock, deadline, late } = start({ isAsking: (nowMs) => nowMs < 4_300 });
  await clock.advance(4_300);
  deadline.progressed(undefined);
  await clock.advance(60_000);
  assert.deepEqual(late, [7_300]);
});

Deno.test("Disposed, nothing is given up, whatever is seen then", async () => {
  const { clock, deadline, late } = start();
  deadline[Symbol.dispose]();
  deadline.progressed(0);
  await clock.advance(60_000);
  assert.deepEqual(late, []);
  assert.equal(clock.pending, 0);
});
