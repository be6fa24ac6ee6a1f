import assert from "@std/assert";
import type { Clock } from "../domain/mod.ts";
import { METRICS } from "../domain/mod.ts";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { createMeter } from "./mod.ts";

/** The samples of a rendering: `name{labels}` -> value. */
function samples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line && !line.startsWith("#"));
  return new Map(lines.map((line) => {
    const at = line.lastIndexOf(" ");
    return [line.slice(0, at), Number(line.slice(at + 1))];
  }));
}

Deno.test("Every series of the domain exists from the start", async () => {
  using meter = createMeter();
  const text = await meter.render();
  for (const [name, { kind, help }] of Object.entries(METRICS)) {
    assert.ok(text.includes(`# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`), name);
  }
  const values = samples(text);
  assert.equal(values.get('transcription_transcripts_total{final="true"}'), 0);
  assert.equal(values.get('transcription_transcripts_total{final="false"}'), 0);
  assert.equal(values.get('transcription_errors_total{type="other"}'), 0);
  assert.equal(values.get("transcription_latency_ms_count"), 0);
  assert.equal(values.get('transcription_latency_ms_bucket{le="300"}'), 0);
  assert.match(meter.contentType, /^text\/plain; version=0\.0\.4/);
});

Deno.test("Counts add up by label and observations fall into their buckets", async () => {
  using meter = createMeter();
  meter.count("transcription_transcripts_total", "true");
  meter.count("transcription_transcripts_total", "true", 4);
  meter.count("tiro_queue_dropped_total");
  meter.observe("transcription_latency_ms", 240);
  meter.observe("transcription_latency_ms", 99_999);
  const values = samples(await meter.render());
  assert.equal(values.get('transcription_transcripts_total{final="true"}'), 5);
  assert.equal(values.get('transcription_transcripts_total{final="false"}'), 0);
  assert.equal(values.get('tiro_queue_dropped_total{queue="other"}'), 1);
  assert.equal(values.get('transcription_latency_ms_bucket{le="200"}'), 0);
  assert.equal(values.get('transcription_latency_ms_bucket{le="300"}'), 1);
  assert.equal(values.get('transcription_latency_ms_bucket{le="+Inf"}'), 2);
});

Deno.test("Invalid numbers are ignored, not thrown", async () => {
  using meter = createMeter();
  meter.count("transcription_errors_total", "x", -1);
  meter.count("transcription_errors_total", "x", NaN);
  meter.observe("transcription_latency_ms", NaN);
  meter.observe("transcription_latency_ms", Infinity);
  const values = samples(await meter.render());
  assert.equal(values.get('transcription_errors_total{type="x"}'), undefined);
  assert.equal(values.get("transcription_latency_ms_count"), 0);
});

Deno.test("A label has at most fifty values: the rest count as other, and no count is lost", async () => {
  using meter = createMeter();
  for (let code = 0; code < 1_000; code++) meter.count("transcription_errors_total", `code_${code}`);
  meter.count("transcription_errors_total", "code_3");
  const errors = [...samples(await meter.render())].filter(([name]) =>
    name.startsWith("transcription_errors_total")
  );
  assert.equal(errors.length, 50);
  assert.equal(errors.reduce((sum, [, value]) => sum + value, 0), 1_001);
  const values = new Map(errors);
  assert.equal(values.get('transcription_errors_total{type="code_3"}'), 2);
  assert.equal(values.get('transcription_errors_total{type="other"}'), 951);
});

Deno.test("A label that is no code is counted as other and not shown", async () => {
  using meter = createMeter();
  for (
    const label of ["spoken words here", "https://hpb/?token=1", "a".repeat(65), "", 'quote"', "new\nline"]
  ) {
    meter.count("transcription_errors_total", label);
  }
  const text = await meter.render();
  assert.equal(samples(text).get('transcription_errors_total{type="other"}'), 6);
  assert.ok(!text.includes("spoken") && !text.includes("hpb"));
});

Deno.test("A gauge is read at scrape time until it is disposed", async () => {
  using meter = createMeter();
  let rooms = 2;
  const gauge = meter.gauge("transcription_rooms_active", "Calls being captioned", () => rooms);
  assert.equal(samples(await meter.render()).get("transcription_rooms_active"), 2);
  rooms = 5;
  assert.equal(samples(await meter.render()).get("transcription_rooms_active"), 5);
  assert.throws(() => meter.gauge("transcription_rooms_active", "again", () => 0));
  gauge[Symbol.dispose]();
  assert.ok(!(await meter.render()).includes("transcription_rooms_active"));

  using _next = meter.gauge("transcription_rooms_active", "Calls being captioned", () => 9);
  gauge[Symbol.dispose]();
  assert.equal(samples(await meter.render()).get("transcription_rooms_active"), 9);
});

Deno.test("A gauge that cannot be read does not remove the others", async () => {
  using meter = createMeter();
  meter.gauge("broken", "Broken", () => {
    throw new Error("gone");
  });
  meter.totals("broken_totals", "Broken", "entry", () => {
    throw new Error("gone");
  });
  meter.gauge("whole", "Whole", () => 1);
  const values = samples(await meter.render());
  assert.ok(Number.isNaN(values.get("broken")));
  assert.equal(values.get("whole"), 1);
  await meter.render();
  const counted = samples(await meter.render()).get('tiro_internal_errors_total{where="metrics"}');
  assert.ok(counted! >= 4, "each look at each of them is counted");
});

Deno.test("External totals are read at scrape time, with bounded labels", async () => {
  using meter = createMeter();
  const packets: Record<string, number> = { received: 3, lost: 1 };
  const totals = meter.totals("tiro_audio_packets_total", "Packets", "entry", () => packets);
  await meter.render();
  packets.received = 10;
  packets["not a code"] = 2;
  packets["nor this"] = 5;
  packets.broken = NaN;
  const values = samples(await meter.render());
  assert.equal(values.get('tiro_audio_packets_total{entry="received"}'), 10);
  assert.equal(values.get('tiro_audio_packets_total{entry="lost"}'), 1);
  assert.equal(values.get('tiro_audio_packets_total{entry="other"}'), 7);
  assert.equal(values.get('tiro_audio_packets_total{entry="broken"}'), undefined);
  totals[Symbol.dispose]();
  assert.ok(!(await meter.render()).includes("tiro_audio_packets_total"));
});

Deno.test("A gauge with a label shows only the values read at scrape time", async () => {
  using meter = createMeter();
  let now: Record<string, number> = { not_connected: 2, recogniser_failed: 0 };
  const gauge = meter.gaugeBy("tiro_speakers_in_trouble", "In trouble", "reason", () => now);
  const value = async (reason: string) =>
    samples(await meter.render()).get(`tiro_speakers_in_trouble{reason="${reason}"}`);
  assert.deepEqual([await value("not_connected"), await value("recogniser_failed")], [2, 0]);
  now = { recogniser_failed: 1, "not a code": 3 };
  assert.deepEqual([await value("not_connected"), await value("recogniser_failed")], [undefined, 1]);
  assert.equal(await value("other"), 3);
  gauge[Symbol.dispose]();
  assert.ok(!(await meter.render()).includes("tiro_speakers_in_trouble"));
});

Deno.test("The memory and uptime of the process are shown", async () => {
  const clock = new FakeClock(5_000);
  using meter = createMeter({ clock });
  await clock.advance(90_000);
  const values = samples(await meter.render());
  assert.ok(values.get("process_resident_memory_bytes")! > 10_000_000);
  assert.ok(values.get("tiro_heap_used_bytes")! > 1_000_000);
  assert.equal(values.get("tiro_uptime_seconds"), 90);
});

Deno.test("Two meters share no numbers", async () => {
  using one = createMeter();
  using other = createMeter();
  one.count("transcription_errors_total", "x");
  assert.equal(samples(await other.render()).get('transcription_errors_total{type="x"}'), undefined);
});

/** A clock whose timers fire when the test decides. */
class LateClock implements Clock {
  nowMs = 0;
  fire: (() => void) | undefined;
  now = () => this.nowMs;
  timer(_delayMs: number, callback: () => void): Disposable {
    assert.equal(this.fire, undefined, "there is one timer");
    this.fire = callback;
    return { [Symbol.dispose]: () => void (this.fire = undefined) };
  }
  tick(lateMs: number): void {
    this.nowMs += 500 + lateMs;
    const fire = this.fire!;
    this.fire = undefined;
    fire();
  }
}

Deno.test("Event loop lag is the maximum of the last minute", async () => {
  const clock = new LateClock();
  const meter = createMeter({ clock });
  const lagMs = async () => samples(await meter.render()).get("tiro_event_loop_lag_ms");
  clock.tick(3);
  assert.equal(await lagMs(), 3);
  clock.tick(400);
  clock.tick(1);
  assert.equal(await lagMs(), 400);
  for (let passed = 0; passed < 29; passed++) clock.tick(0);
  assert.equal(await lagMs(), 400, "still there for a scraper that comes every 15 s");
  for (let passed = 0; passed < 120; passed++) clock.tick(0);
  assert.equal(await lagMs(), 0);
  clock.nowMs += 750;
  assert.equal(await lagMs(), 250, "a delay still going on counts");
  meter[Symbol.dispose]();
  assert.equal(clock.fire, undefined);
});

Deno.test("A blocked event loop shows in the real measurement", async () => {
  using meter = createMeter();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 700);
  const lagMs = samples(await meter.render()).get("tiro_event_loop_lag_ms")!;
  assert.ok(lagMs >= 150, `${lagMs} ms`);
});
