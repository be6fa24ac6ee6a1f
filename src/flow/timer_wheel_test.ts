import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { TimerWheel } from "./timer_wheel.ts";

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

Deno.test("Timers fire once, never early, in the order of their times, whatever order they were set in", async () => {
  const wheel = new TimerWheel();
  const startMs = performance.now();
  const delays = [0, 5, 15, 25, 40, 70, 120, 40, 15];
  const fired: { delayMs: number; afterMs: number }[] = [];
  await Promise.all(
    delays.toReversed().map((delayMs) =>
      new Promise<void>((resolve) =>
        wheel.timer(delayMs, () => {
          fired.push({ delayMs, afterMs: performance.now() - startMs });
          resolve();
        })
      )
    ),
  );
  assert.equal(fired.length, delays.length);
  for (const { delayMs, afterMs } of fired) assert.ok(afterMs >= delayMs, `${delayMs} after ${afterMs}`);
  const order = fired.map(({ delayMs }) => delayMs).filter((delayMs) => delayMs >= 15);
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
});

Deno.test("A callback that throws is reported, and other timers still fire", async () => {
  using errors = new CaughtInternalErrors();
  const wheel = new TimerWheel();
  const fired: number[] = [];
  const all = Promise.withResolvers<void>();
  // The first and the last are the platform's own timers, those between are the wheel's.
  const delays = [0, 20, 20, 20, 30, 5];
  delays.forEach((delayMs, index) =>
    wheel.timer(delayMs, () => {
      fired.push(index);
      if (fired.length === delays.length) all.resolve();
      if (index % 2 === 0) throw new Error("from a callback");
    })
  );
  await all.promise;
  assert.deepEqual(errors.kinds, ["timer", "timer", "timer"]);
});

Deno.test("A cancelled timer does not fire, and with the last one the platform's is cancelled", async () => {
  const wheel = new TimerWheel();
  let fired = 0;
  const timers = [20, 30, 30, 2_000].map((delayMs) => wheel.timer(delayMs, () => fired++));
  for (const timer of timers) timer[Symbol.dispose]();
  for (const timer of timers) timer[Symbol.dispose]();
  // The sanitizers would see a timer that is left.
  await new Promise<void>((resolve) => wheel.timer(50, resolve));
  assert.equal(fired, 0);
});

Deno.test("A callback may set and cancel timers, of its own time too", async () => {
  const wheel = new TimerWheel();
  const fired: string[] = [];
  const done = Promise.withResolvers<void>();
  const others: Disposable[] = [];
  for (const name of ["a", "b"]) {
    others.push(wheel.timer(30, () => {
      fired.push(name);
      for (const other of others) other[Symbol.dispose](); // only one of the two is first
      wheel.timer(20, () => {
        fired.push("later");
        done.resolve();
      });
    }));
  }
  await done.promise;
  assert.equal(fired.length, 2);
  assert.equal(fired[1], "later");
});

Deno.test("A timer set by a callback does not delay pending ones", async () => {
  const wheel = new TimerWheel();
  const startMs = performance.now();
  const later: Disposable[] = [];
  wheel.timer(30, () => later.push(wheel.timer(60_000, () => assert.fail("too early"))));
  await new Promise<void>((resolve) => wheel.timer(60, resolve));
  assert.ok(performance.now() - startMs < 30_000, "a busy machine is not as slow as the other timer");
  for (const timer of later) timer[Symbol.dispose]();
});

Deno.test("An earlier timer set after a later one is not delayed", async () => {
  const wheel = new TimerWheel();
  using _late = wheel.timer(60_000, () => assert.fail("too early"));
  const startMs = performance.now();
  await new Promise<void>((resolve) => wheel.timer(30, resolve));
  assert.ok(performance.now() - startMs < 30_000, "a busy machine is not as slow as the other timer");
});

Deno.test("After the thread was busy for longer than several ticks, all that is due fires", async () => {
  const wheel = new TimerWheel();
  let fired = 0;
  for (let delayMs = 20; delayMs < 120; delayMs += 10) wheel.timer(delayMs, () => fired++);
  const untilMs = performance.now() + 150;
  while (performance.now() < untilMs);
  await wait(30);
  assert.equal(fired, 10);
});

Deno.test("A timer longer than a round of the wheel is kept too", () => {
  using _timer = new TimerWheel().timer(3_600_000, () => assert.fail("too early"));
});

Deno.test("Hundreds set and cancelled at once fire at their own times", async () => {
  const wheel = new TimerWheel();
  const startMs = performance.now();
  const wrong: string[] = [];
  let [expected, fired] = [0, 0];
  await new Promise<void>((resolve) => {
    for (let index = 0; index < 1_000; index++) {
      const delayMs = 11 + index * 7 % 200;
      const timer = wheel.timer(delayMs, () => {
        const lateMs = performance.now() - startMs - delayMs;
        if (lateMs < 0) wrong.push(`${delayMs}: ${lateMs}`);
        if (++fired === expected) resolve();
      });
      if (index % 3 === 0) timer[Symbol.dispose]();
      else expected++;
    }
  });
  assert.deepEqual(wrong, []);
});
