/** What workers count, delay and log, as their host reports it. */
import assert from "@std/assert";
import { AudioLedger, NegotiationError } from "../domain/mod.ts";
import { toPlainError } from "./plain_error.ts";
import { withHost } from "./worker_host_testing_test.ts";

Deno.test("What workers count is added up, and never goes back when one is replaced", () =>
  withHost({ workers: 2 }, async ({ workers, ledger, meter, clock }) => {
    const counted = (received: number) => ({ ...new AudioLedger().snapshot(), received });
    workers[0].beat({
      ledger: counted(100),
      counts: [{ name: "transcription_errors_total", label: "x", by: 2 }],
    });
    workers[1].beat({ ledger: counted(10), observations: [["tiro_stt_open_ms", 7]] });
    workers[0].beat({ ledger: counted(150) });
    assert.equal(ledger.received, 160);
    workers[0].on.broken(new Error("gone"));
    await clock.advance(0);
    assert.equal(ledger.received, 160);
    workers[2].starts();
    workers[2].beat({
      ledger: counted(5),
      counts: [{ name: "transcription_errors_total", label: "x", by: 1 }],
    });
    assert.equal(ledger.received, 165);
    assert.equal(meter.counted("transcription_errors_total", "x"), 3);
    assert.deepEqual(meter.observed("tiro_stt_open_ms"), [7]);
  }));

Deno.test("The longest delay of a worker's event loop is shown for half a minute to a minute", () =>
  withHost({ workers: 2 }, ({ workers, meter }) => {
    const lagMs = () => meter.gauges.get("tiro_media_worker_lag_ms")!();
    assert.equal(lagMs(), 0);
    workers[0].beat({ nowMs: 1_250, lateMs: 5 });
    workers[1].beat({ nowMs: 1_250, lateMs: 70 });
    assert.equal(lagMs(), 70);
    workers[1].beat({ nowMs: 32_000, lateMs: 3 });
    assert.equal(lagMs(), 70);
    workers[1].beat({ nowMs: 63_000, lateMs: 2 });
    assert.equal(lagMs(), 5);
  }));

Deno.test("A worker's log lines are written here, with the error's code", () =>
  withHost({ workers: 1 }, ({ workers: [worker], log }) => {
    const error = toPlainError(
      new NegotiationError("Cannot answer offer: no", { code: "closed", retryable: false }),
    );
    worker.sends({ type: "log", level: "warn", message: "slow", fields: { speaker: "a" } });
    worker.sends({ type: "log", level: "error", message: "broke", fields: {}, error });
    const [warned, failed] = log.lines;
    assert.deepEqual(warned, { level: "warn", message: "slow", fields: { speaker: "a" } });
    assert.ok(failed.error instanceof NegotiationError && failed.error.code === "closed");
  }));
