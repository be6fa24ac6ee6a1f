import assert from "@std/assert";
import { Connection } from "werift";
import "./ice.ts";

Deno.test("Setting the wall clock back by an hour delays no consent check by more than 6 s", async () => {
  const ice = new Connection(false, {});
  const startMs = performance.now();
  await ice["abortableDelay"](3_600_000, AbortSignal.timeout(30_000));
  assert.ok(performance.now() - startMs >= 5_900);
  await assert.rejects(ice["abortableDelay"](3_600_000, AbortSignal.abort()), { name: "AbortError" });
  await ice.close();
});
