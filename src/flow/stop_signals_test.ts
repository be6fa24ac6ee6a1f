import assert from "@std/assert";
import { ECHO_MS, StopSignals } from "./stop_signals.ts";

Deno.test("The first signal drains, its echo is ignored, a later one ends the process", () => {
  const signals = new StopSignals();
  assert.equal(signals.receive(7_000), "drain");
  assert.equal(signals.receive(7_001), "echo");
  assert.equal(signals.receive(7_000 + ECHO_MS), "echo");
  assert.equal(signals.receive(7_001 + ECHO_MS), "exit");
});
