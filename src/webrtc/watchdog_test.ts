import assert from "@std/assert";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { SilenceWatchdog } from "./watchdog.ts";

function setUp() {
  const clock = new FakeClock(1_000);
  const told: number[] = [];
  let looks = 0;
  const watchdog = new SilenceWatchdog({
    clock,
    silenceMs: 5_000,
    onSilent: () => told.push(clock.now()),
    onCheck: () => looks++,
  });
  return { clock, told, watchdog, looks: () => looks };
}

Deno.test("Silence is told once, its length after the last packet", async () => {
  const { clock, told, watchdog } = setUp();
  watchdog.arm();
  await clock.advance(3_000);
  watchdog.fed(clock.now());
  await clock.advance(60_000);
  assert.deepEqual(told, [9_000]);
  assert.equal(clock.pending, 0);
});

Deno.test("Packets keep it quiet, with one timer and a look per silence", async () => {
  const { clock, told, watchdog, looks } = setUp();
  watchdog.arm();
  for (let packet = 0; packet < 3_000; packet++) {
    await clock.advance(20);
    watchdog.fed(clock.now());
    assert.equal(clock.pending, 1);
  }
  assert.deepEqual(told, []);
  assert.ok(looks() <= 13, `${looks()} looks in a minute`);
});

Deno.test("After silence was told the next packet watches again", async () => {
  const { clock, told, watchdog } = setUp();
  watchdog.arm();
  await clock.advance(10_000);
  watchdog.fed(clock.now());
  await clock.advance(10_000);
  assert.deepEqual(told, [6_000, 16_000]);
});

Deno.test("Disarmed it tells nothing; armed again it counts anew", async () => {
  const { clock, told, watchdog } = setUp();
  watchdog.arm();
  await clock.advance(4_000);
  watchdog.disarm();
  assert.equal(clock.pending, 0);
  await clock.advance(60_000);
  watchdog.arm();
  await clock.advance(4_999);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.deepEqual(told, [70_000]);
  watchdog.arm();
  watchdog.disarm();
  assert.equal(clock.pending, 0);
});
