import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { SilenceWatchdog } from "./watchdog.ts";

function setUp() {
  const clock = new FakeClock(1_000);
  const reportedMs: number[] = [];
  let checks = 0;
  const watchdog = new SilenceWatchdog({
    clock,
    silenceMs: 5_000,
    onSilent: () => reportedMs.push(clock.now()),
    onCheck: () => checks++,
  });
  return { clock, reportedMs, watchdog, checks: () => checks };
}

Deno.test("Silence is reported once, its length after the last packet", async () => {
  const { clock, reportedMs, watchdog } = setUp();
  watchdog.arm();
  await clock.advance(3_000);
  watchdog.fed(clock.now());
  await clock.advance(60_000);
  assert.deepEqual(reportedMs, [9_000]);
  assert.equal(clock.pending, 0);
});

Deno.test("With packets nothing is reported, with one timer and one check per silence", async () => {
  const { clock, reportedMs, watchdog, checks } = setUp();
  watchdog.arm();
  for (let packet = 0; packet < 3_000; packet++) {
    await clock.advance(20);
    watchdog.fed(clock.now());
    assert.equal(clock.pending, 1);
  }
  assert.deepEqual(reportedMs, []);
  assert.ok(checks() <= 13, `${checks()} checks in a minute`);
});

Deno.test("After a report the next packet watches again", async () => {
  const { clock, reportedMs, watchdog } = setUp();
  watchdog.arm();
  await clock.advance(10_000);
  watchdog.fed(clock.now());
  await clock.advance(10_000);
  assert.deepEqual(reportedMs, [6_000, 16_000]);
});

Deno.test("Disarmed it reports nothing; armed again it starts from zero", async () => {
  const { clock, reportedMs, watchdog } = setUp();
  watchdog.arm();
  await clock.advance(4_000);
  watchdog.disarm();
  assert.equal(clock.pending, 0);
  await clock.advance(60_000);
  watchdog.arm();
  await clock.advance(4_999);
  assert.deepEqual(reportedMs, []);
  await clock.advance(1);
  assert.deepEqual(reportedMs, [70_000]);
  watchdog.arm();
  watchdog.disarm();
  assert.equal(clock.pending, 0);
});
