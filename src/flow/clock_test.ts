import assert from "@std/assert";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { delay, systemClock, untilAborted, withTimeout } from "./clock.ts";

const never = () => new AbortController().signal;

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  await settle();
  return settled;
}

Deno.test("A delay ends when its time has come and not before", async () => {
  const clock = new FakeClock();
  const waiting = delay(100, never(), clock);
  await clock.advance(99);
  assert.equal(await isSettled(waiting), false);
  await clock.advance(1);
  await waiting;
  assert.equal(clock.pending, 0);
});

Deno.test("An aborted delay rejects with the reason and disarms its timer", async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const waiting = delay(100, controller.signal, clock);
  const reason = new Error("session ended");
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  assert.equal(clock.pending, 0);
});

Deno.test("A delay on a signal already aborted arms nothing", async () => {
  const clock = new FakeClock();
  const reason = new Error("gone");
  await assert.rejects(delay(100, AbortSignal.abort(reason), clock), reason);
  assert.equal(clock.pending, 0);
});

Deno.test("The real clock fires once, and not after being disposed", async () => {
  const fired: string[] = [];
  const cancelled = systemClock.timer(1, () => fired.push("cancelled"));
  cancelled[Symbol.dispose]();
  const before = systemClock.now();
  const late = Promise.withResolvers<void>();
  using _timer = systemClock.timer(10, () => {
    fired.push("kept");
    late.resolve();
  });
  await late.promise;
  assert.deepEqual(fired, ["kept"]);
  assert.ok(systemClock.now() > before);
});

Deno.test("Waiting until aborted settles like the work when that comes first", async () => {
  const failure = new Error("work failed");
  assert.equal(await untilAborted(Promise.resolve(7), never()), 7);
  await assert.rejects(untilAborted(Promise.reject(failure), never()), failure);
});

Deno.test("Waiting until aborted rejects with the reason, and a late failure is ignored", async () => {
  const controller = new AbortController();
  const work = Promise.withResolvers<number>();
  const waiting = untilAborted(work.promise, controller.signal);
  const reason = new Error("session ended");
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  work.reject(new Error("late")); // an unhandled rejection would fail this test
  await settle();
});

Deno.test("Waiting on a signal already aborted rejects at once", async () => {
  const reason = new Error("gone");
  const work = Promise.withResolvers<void>();
  await assert.rejects(untilAborted(work.promise, AbortSignal.abort(reason)), reason);
  work.resolve();
});

Deno.test("Work with a timeout gets a signal that ends it, by time or by its caller, and leaves no timer", async () => {
  const clock = new FakeClock();
  const asked = new AbortController();
  const options = { signal: asked.signal, timeoutMs: 100, late: () => new Error("late"), clock };
  assert.equal(await withTimeout(options, () => Promise.resolve(7)), 7);
  assert.equal(clock.pending, 0);
  const pending = (signal: AbortSignal) => untilAborted(Promise.withResolvers<void>().promise, signal);
  const late = assert.rejects(withTimeout(options, pending), /late/);
  await clock.advance(100);
  await late;
  const ended = assert.rejects(withTimeout(options, pending), /enough/);
  asked.abort(new Error("enough"));
  await ended;
  await assert.rejects(withTimeout(options, () => Promise.resolve(7)), /enough/);
  assert.equal(clock.pending, 0);
});
