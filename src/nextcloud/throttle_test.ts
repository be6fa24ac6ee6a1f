import assert from "@std/assert";
import { type Outcome, type Pass, Throttle } from "./throttle.ts";

const MINUTE_MS = 60_000;
const WELCOME: Outcome = { kind: "answered", accepted: true };
const UNAUTHORIZED: Outcome = { kind: "unauthorized" };

function pass(throttle: Throttle, nowMs: number, app = "app_api"): Pass {
  const admitted = throttle.admit(app, nowMs);
  if (typeof admitted === "string") throw new Error(`refused: ${admitted}`);
  return admitted;
}

/** A request let through and ended at once. */
function once(throttle: Throttle, outcome: Outcome, nowMs: number, app?: string) {
  return throttle.settle(pass(throttle, nowMs, app), outcome, nowMs);
}

Deno.test("From the second 401 in a row on requests wait, longer each time", () => {
  const throttle = new Throttle();
  assert.equal(once(throttle, UNAUTHORIZED, 0), undefined);
  const waits: number[] = [];
  let nowMs = 0;
  for (let attempt = 0; attempt < 8; attempt++) {
    const change = once(throttle, UNAUTHORIZED, nowMs);
    if (typeof change !== "object") throw new Error(`no wait after ${attempt}`);
    waits.push(change.waitMs / 1_000);
    assert.equal(throttle.admit("app_api", nowMs + change.waitMs - 1), "unauthorized");
    nowMs += change.waitMs;
  }
  assert.deepEqual(waits, [15, 30, 60, 120, 240, 480, 600, 600]);
});

Deno.test("Wrong credentials are sent fewer than ten times in any half hour", () => {
  const throttle = new Throttle();
  const shownMs: number[] = [];
  for (let nowMs = 0; nowMs < 180 * MINUTE_MS; nowMs += 1_000) {
    const admitted = throttle.admit("app_api", nowMs);
    if (typeof admitted === "string") continue;
    shownMs.push(nowMs);
    throttle.settle(admitted, UNAUTHORIZED, nowMs);
  }
  for (const fromMs of shownMs) {
    const inHalfHour = shownMs.filter((ms) => ms >= fromMs && ms < fromMs + 30 * MINUTE_MS);
    assert.ok(inHalfHour.length < 10, `${inHalfHour.length} from ${fromMs}`);
  }
});

Deno.test("After the wait requests are sent one at a time, until one is accepted", () => {
  const throttle = new Throttle();
  once(throttle, { kind: "throttled", retryAfterMs: 5_000 }, 0);
  assert.equal(throttle.admit("spreed", 4_999), "throttled");
  const probe = pass(throttle, 5_000);
  assert.equal(throttle.admit("app_api", 5_000), "throttled");
  assert.equal(throttle.settle(probe, { kind: "lost" }, 5_100), undefined);
  const second = pass(throttle, 5_100);
  assert.equal(throttle.settle(second, { kind: "answered", accepted: false }, 5_200), undefined);
  const third = pass(throttle, 5_200);
  assert.equal(throttle.settle(third, WELCOME, 5_300), "open");
  pass(throttle, 5_300);
  pass(throttle, 5_300);
});

Deno.test("A 429 waits for its bounded Retry-After, or a minute and longer each time", () => {
  const waitFor = (retryAfterMs?: number) => once(new Throttle(), { kind: "throttled", retryAfterMs }, 0);
  assert.deepEqual(waitFor(0), { waitMs: 1_000 });
  assert.deepEqual(waitFor(90_000), { waitMs: 90_000 });
  assert.deepEqual(waitFor(30 * 24 * 60 * MINUTE_MS), { waitMs: 60 * MINUTE_MS });
  const throttle = new Throttle();
  let nowMs = 0;
  for (const minutes of [1, 2, 4, 8, 16, 30, 30]) {
    assert.deepEqual(once(throttle, { kind: "throttled" }, nowMs), { waitMs: minutes * MINUTE_MS });
    nowMs += minutes * MINUTE_MS;
  }
  assert.equal(once(throttle, WELCOME, nowMs, "spreed"), "open", "whoever answers");
  assert.deepEqual(once(throttle, { kind: "throttled" }, nowMs), { waitMs: MINUTE_MS });
});

Deno.test("Many requests refused together count as one refusal", () => {
  const throttle = new Throttle();
  const together = [0, 1, 2, 3].map(() => pass(throttle, 0));
  assert.deepEqual(together.map((each) => throttle.settle(each, UNAUTHORIZED, 10)), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(once(throttle, UNAUTHORIZED, 20), { waitMs: 15_000 });
});

Deno.test("A response of another app does not end the wait after an app's 401", () => {
  const throttle = new Throttle();
  once(throttle, UNAUTHORIZED, 0, "app_api");
  once(throttle, WELCOME, 0, "spreed");
  assert.deepEqual(once(throttle, UNAUTHORIZED, 0, "app_api"), { waitMs: 15_000 });
  assert.equal(once(throttle, WELCOME, 15_000, "spreed"), undefined);
  assert.equal(once(throttle, WELCOME, 15_000, "app_api"), "open");
});

Deno.test("A response to a request sent before the refusal does not end it", () => {
  const throttle = new Throttle();
  const early = pass(throttle, 0);
  once(throttle, { kind: "throttled", retryAfterMs: 5_000 }, 0);
  assert.equal(throttle.settle(early, WELCOME, 1), undefined);
  assert.equal(throttle.admit("app_api", 2), "throttled");
});

Deno.test("Forgiving ends a wait after 401, not one after 429", () => {
  const throttle = new Throttle();
  once(throttle, UNAUTHORIZED, 0);
  once(throttle, UNAUTHORIZED, 0);
  throttle.forgive();
  assert.equal(once(throttle, UNAUTHORIZED, 0), undefined, "counted anew");
  once(throttle, { kind: "throttled", retryAfterMs: 5_000 }, 0);
  throttle.forgive();
  assert.equal(throttle.admit("app_api", 0), "throttled");
});
