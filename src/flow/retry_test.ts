import assert from "@std/assert";
import { InvalidRequestError, UnavailableError } from "../domain/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { BACKOFF, backoffMs, retry, type RetryOptions, RetryPolicy } from "./retry.ts";

const transient = () => new UnavailableError("Cannot join: no answer", "signaling_unreachable");

/** Options with a fake clock, and the waits that were announced. */
function setup(options: Partial<RetryOptions> = {}) {
  const clock = new FakeClock();
  const controller = new AbortController();
  const waits: number[] = [];
  return {
    clock,
    controller,
    waits,
    options: {
      attempts: 5,
      signal: controller.signal,
      clock,
      onRetry: (_error: unknown, delayMs: number) => void waits.push(delayMs),
      ...options,
    },
  };
}

Deno.test("The backoff doubles to its maximum, half of it jitter", () => {
  const least = [0, 1, 2, 3, 4, 5, 50].map((n) => backoffMs(n, BACKOFF, () => 0));
  const most = [0, 1, 2, 3, 4, 5, 50].map((n) => backoffMs(n, BACKOFF, () => 1));
  assert.deepEqual(least, [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
  assert.deepEqual(most, [1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
  assert.equal(backoffMs(5_000, BACKOFF, () => 1), BACKOFF.maxMs, "no overflow");
});

Deno.test("A first success does not wait", async () => {
  const { clock, options, waits } = setup();
  assert.equal(await retry((number) => Promise.resolve(number), options), 0);
  assert.deepEqual(waits, []);
  assert.equal(clock.pending, 0);
});

Deno.test("A retryable failure is tried again after its wait until it succeeds", async () => {
  const { clock, options, waits } = setup();
  const tried: number[] = [];
  const result = retry((number) => {
    tried.push(number);
    return number < 2 ? Promise.reject(transient()) : Promise.resolve("joined");
  }, options);
  await settle();
  assert.deepEqual(tried, [0]);
  await clock.advance(waits[0] - 0.001);
  assert.deepEqual(tried, [0], "not before its wait is over");
  await clock.advance(0.001);
  assert.deepEqual(tried, [0, 1]);
  await clock.advance(BACKOFF.maxMs);
  assert.equal(await result, "joined");
  assert.deepEqual(tried, [0, 1, 2]);
  assert.equal(waits.length, 2);
});

Deno.test("After the last attempt its error is thrown", async () => {
  const { clock, options, waits } = setup({ attempts: 3 });
  const errors: Error[] = [];
  const result = retry(() => {
    errors.push(transient());
    return Promise.reject(errors.at(-1));
  }, options);
  const rejected = assert.rejects(result, (error: unknown) => error === errors[2]);
  await clock.advance(60_000);
  await rejected;
  assert.equal(errors.length, 3);
  assert.equal(waits.length, 2);
  assert.equal(clock.pending, 0);
});

Deno.test("An error that is not retryable is thrown at once", async () => {
  for (const error of [new InvalidRequestError("Cannot join: no such room", "roomToken"), new Error("bug")]) {
    const { options, waits } = setup();
    await assert.rejects(retry(() => Promise.reject(error), options), error);
    assert.deepEqual(waits, []);
  }
});

Deno.test("The caller may decide what is retryable", async () => {
  const { clock, options, waits } = setup({ attempts: 2, isRetryable: () => true });
  const rejected = assert.rejects(retry(() => Promise.reject(new Error("plain")), options), /plain/);
  await clock.advance(60_000);
  await rejected;
  assert.equal(waits.length, 1);
});

Deno.test("Aborting during a wait ends it with the reason and leaves no timer", async () => {
  const { clock, controller, options } = setup();
  let tries = 0;
  const result = retry(() => {
    tries++;
    return Promise.reject(transient());
  }, options);
  await settle();
  assert.equal(clock.pending, 1);
  const reason = new Error("session ended");
  controller.abort(reason);
  await assert.rejects(result, reason);
  assert.equal(tries, 1);
  assert.equal(clock.pending, 0);
});

Deno.test("Aborting during an attempt gives the reason, not the attempt's error", async () => {
  for (const attempts of [1, 5]) {
    const { controller, options, waits } = setup({ attempts });
    const reason = new Error("session ended");
    await assert.rejects(
      retry(() => {
        controller.abort(reason);
        return Promise.reject(transient());
      }, options),
      reason,
    );
    assert.deepEqual(waits, [], "no wait is announced");
  }
});

Deno.test("With an aborted signal there is no attempt", async () => {
  const { controller, options } = setup();
  const reason = new Error("session ended");
  controller.abort(reason);
  let tries = 0;
  await assert.rejects(
    retry(() => {
      tries++;
      return Promise.resolve();
    }, options),
    reason,
  );
  assert.equal(tries, 0);
});

const hopeless = () => new InvalidRequestError("Cannot open: wrong key", "key");

/** A policy whose waits have no jitter. */
function policyOf() {
  return new RetryPolicy({ random: () => 1 });
}

Deno.test("A policy's first retry is made at once, those after it wait longer and longer", async () => {
  const clock = new FakeClock();
  const policy = policyOf();
  assert.equal(policy.waitMs(clock.now()), 0);
  const waits: number[] = [];
  for (let failure = 0; failure < 8; failure++) {
    policy.failed(clock.now(), transient());
    waits.push(policy.waitMs(clock.now()));
    await clock.advance(policy.waitMs(clock.now()));
  }
  assert.deepEqual(waits, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
  assert.equal(policy.failures, 8);
});

Deno.test("A wait begins with the failure: after quiet minutes the next attempt is made at once", async () => {
  const clock = new FakeClock();
  const policy = policyOf();
  for (let failure = 0; failure < 6; failure++) policy.failed(clock.now(), transient());
  await clock.advance(6_000);
  assert.equal(policy.waitMs(clock.now()), 10_000);
  await clock.advance(10 * 60_000);
  assert.equal(policy.waitMs(clock.now()), 0);
});

Deno.test("A connection that lasted some seconds resets the failures, one that ended at once does not", async () => {
  const clock = new FakeClock();
  const policy = policyOf();
  for (let failure = 0; failure < 5; failure++) {
    policy.opened(clock.now());
    await clock.advance(100);
    policy.failed(clock.now(), transient());
  }
  assert.equal(policy.failures, 5);
  policy.opened(clock.now());
  await clock.advance(5_000);
  policy.failed(clock.now(), transient());
  assert.deepEqual([policy.failures, policy.waitMs(clock.now())], [1, 0]);
});

Deno.test("An error that is not retryable waits a minute, however long the connection lasted", async () => {
  const clock = new FakeClock();
  const policy = policyOf();
  policy.opened(clock.now());
  await clock.advance(20_000);
  policy.failed(clock.now(), hopeless());
  assert.equal(policy.waitMs(clock.now()), 60_000);
  policy.worked();
  assert.deepEqual([policy.failures, policy.waitMs(clock.now())], [0, 0]);
});

Deno.test("A policy may have no failure without a wait, or several", () => {
  const waitsOf = (freeFailures: number) => {
    const policy = new RetryPolicy({ freeFailures, random: () => 1 });
    return [1, 2, 3, 4].map(() => {
      policy.failed(0);
      return policy.waitMs(0);
    });
  };
  assert.deepEqual(waitsOf(0), [1_000, 2_000, 4_000, 8_000]);
  assert.deepEqual(waitsOf(2), [0, 0, 1_000, 2_000]);
});

Deno.test("A failure may have its own backoff, and without jitter a wait is exact", () => {
  const policy = new RetryPolicy({ freeFailures: 0, random: () => 0 });
  policy.failed(0, undefined, { baseMs: 300, maxMs: 1_000, jitter: 0 });
  assert.equal(policy.waitMs(0), 300);
  policy.failed(0);
  assert.equal(policy.waitMs(0), 1_000, "2 s less the random half");
});

Deno.test("An attempt pending at the last failure restarts the wait, and makes it no longer", () => {
  const policy = new RetryPolicy({ freeFailures: 0, random: () => 1 });
  policy.failed(0);
  policy.failedToo(700);
  assert.deepEqual([policy.failures, policy.waitMs(700)], [1, 1_000]);
});
