/** Workers that break, are stuck or grow without end, and their replacement. */
import assert from "@std/assert";
import { UnavailableError } from "../domain/mod.ts";
import { WorkerError } from "./plain_error.ts";
import { Reports, withHost } from "./worker_host_testing_test.ts";

Deno.test("A worker that breaks fails its own speakers, and another takes its place at once", () =>
  withHost({ workers: 2 }, async ({ host, workers, open, clock, meter }) => {
    const a = new Reports();
    const hosted = host.open({ speaker: { id: "a" }, languageId: "en", source: { kind: "webrtc" } }, a);
    const b = open("b");
    const answering = hosted.request({ type: "answer", offer: { sid: "1", sdp: "offer" }, iceServers: [] });
    const refusal = assert.rejects(
      answering,
      (error: unknown) => error instanceof WorkerError && error.code === "worker_lost",
    );
    workers[0].on.broken(new Error("out of luck"));
    await refusal;
    assert.deepEqual(a.events, ["failed: Cannot use a media worker: it broke"]);
    assert.deepEqual(b.events, []);
    assert.ok(workers[0].terminated && !workers[1].terminated);
    await hosted[Symbol.asyncDispose](); // nothing is left of it
    await clock.advance(0);
    assert.equal(workers.length, 3);
    open("c");
    assert.deepEqual(
      workers[1].speakers(),
      ["b", "c"],
      "no speaker is opened in a worker that is not ready",
    );
    workers[2].sends({ type: "ready", nowMs: 0 });
    open("c2");
    assert.deepEqual(workers[1].speakers(), ["b", "c", "c2"], "nor before it has started with its settings");
    workers[2].beat();
    open("d");
    assert.deepEqual(workers[2].speakers(), ["d"]);
    assert.equal(meter.counted("tiro_media_workers_lost_total", "broken"), 1);
    workers[0].sends({ type: "receiving", id: 1 });
    assert.equal(a.events.length, 1, "the dead say nothing");
  }));

Deno.test("A worker that is silent for five seconds is stuck; one that beats is not", () =>
  withHost({ workers: 2 }, async ({ workers, open, clock, meter }) => {
    const [a, b] = [open("a"), open("b")];
    for (let second = 0; second < 5; second++) {
      assert.deepEqual(a.events, [], `after ${second} s`);
      await clock.advance(1_000);
      workers[1].beat();
    }
    assert.deepEqual(a.events, ["failed: Cannot use a media worker: it does not respond"]);
    assert.deepEqual(b.events, []);
    assert.ok(workers[0].terminated && !workers[1].terminated, "and is ended");
    assert.equal(workers.length, 3);
    assert.equal(meter.counted("tiro_media_workers_lost_total", "stuck"), 1);
  }));

Deno.test("A worker whose memory grows without end is ended, and its speakers open elsewhere", () =>
  withHost({ workers: 2 }, ({ workers, open, meter }) => {
    const [a, b] = [open("a"), open("b")];
    workers[0].beat({ heapBytes: 256 * 1024 * 1024 });
    assert.deepEqual(a.events, []);
    workers[0].beat({ heapBytes: 256 * 1024 * 1024 + 1 });
    assert.deepEqual([a.events, b.events], [["failed: Cannot use a media worker: its memory grows"], []]);
    assert.ok(workers[0].terminated);
    assert.equal(meter.counted("tiro_media_workers_lost_total", "memory"), 1);
  }));

Deno.test("A worker that breaks again and again is replaced more and more slowly", () =>
  withHost({ workers: 1 }, async ({ workers, clock, open }) => {
    const startedAfterMs: number[] = [];
    for (let time = 0; time < 5; time++) {
      workers.at(-1)!.on.broken(new Error("again"));
      assert.throws(() => open("a"), UnavailableError);
      const fromMs = clock.now();
      while (workers.length === time + 1) await clock.advance(10);
      startedAfterMs.push(clock.now() - fromMs);
    }
    assert.equal(startedAfterMs[0], 10);
    assert.ok(startedAfterMs[4] >= 2_000 && startedAfterMs[4] <= 4_010, `${startedAfterMs}`);
  }));

Deno.test("A worker that cannot be started is tried again", () =>
  withHost({ workers: 1 }, async ({ workers, clock, log, refuseNext }) => {
    refuseNext();
    workers[0].on.broken(new Error("it ended"));
    for (let waitedMs = 0; waitedMs < 60_000 && workers.length === 1; waitedMs += 100) {
      await clock.advance(100);
    }
    assert.equal(workers.length, 2);
    assert.ok(log.lines.some(({ message }) => message === "media worker not started"));
  }));
