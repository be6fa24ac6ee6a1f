import assert from "@std/assert";
import { LineRate, LINES_MAX } from "./line_rate.ts";

/** How many of `lines` are admitted. */
function admitted(
  rate: LineRate,
  lines: number,
  nowMs: number,
  message = "full",
  level = "warn" as const,
): number {
  let count = 0;
  for (let line = 0; line < lines; line++) if (rate.admit(level, message, nowMs)) count++;
  return count;
}

Deno.test("A message has a limit per minute; suppressed lines are reported once, when the minute is over", () => {
  const rate = new LineRate();
  assert.equal(admitted(rate, 180, 0), LINES_MAX.warn);
  assert.equal(admitted(rate, 180, 30_000), 0);
  assert.deepEqual(rate.due(59_999), []);
  assert.deepEqual(rate.due(60_000), [{ level: "warn", message: "full", lines: 360 - LINES_MAX.warn }]);
  assert.deepEqual(rate.due(60_000), []);
  assert.equal(admitted(rate, 1, 60_000), 1);
});

Deno.test("Each message has its own limit at each level", () => {
  const rate = new LineRate();
  admitted(rate, 1_000, 0);
  assert.ok(rate.admit("warn", "other", 0));
  assert.ok(rate.admit("error", "full", 0));
});

Deno.test("Without suppressed lines a window ends silently, and a clock set back opens a new one", () => {
  const rate = new LineRate();
  assert.equal(admitted(rate, LINES_MAX.warn, 100_000), LINES_MAX.warn);
  assert.equal(admitted(rate, LINES_MAX.warn, 160_000), LINES_MAX.warn);
  assert.deepEqual(rate.due(300_000), []);
  assert.equal(admitted(rate, 1, 0), 1);
});

Deno.test("A clock set back while lines are suppressed opens a new window and reports them", () => {
  const rate = new LineRate();
  assert.equal(admitted(rate, 30, 86_400_000), LINES_MAX.warn);
  assert.deepEqual(rate.due(0), [{ level: "warn", message: "full", lines: 30 - LINES_MAX.warn }]);
  assert.equal(admitted(rate, 30, 0), LINES_MAX.warn);
  assert.deepEqual(rate.due(59_999), []);
  assert.deepEqual(rate.due(60_000), [{ level: "warn", message: "full", lines: 30 - LINES_MAX.warn }]);
});

Deno.test("Messages beyond the bound share one limit, and all are counted", () => {
  const rate = new LineRate();
  let written = 0;
  for (let message = 0; message < 1_000; message++) written += admitted(rate, 1, 0, `message ${message}`);
  assert.equal(written, 256 + LINES_MAX.warn);
  assert.deepEqual(rate.due(60_000), [{ level: "warn", message: "others", lines: 1_000 - written }]);
});
