import assert from "@std/assert";
import { AudioLedger } from "./ledger.ts";

Deno.test("Audio that was all sent leaves nothing cut, in whatever order its fractions were summed", () => {
  const total = new AudioLedger();
  const ledger = new AudioLedger(total);
  ledger.add("decodedMs", 0.3);
  for (const sentMs of [0.1, 0.1, 0.1]) ledger.add("sentMs", sentMs);
  ledger.cut();
  assert.deepEqual([ledger.cutMs, total.cutMs], [0, 0]);
});

Deno.test("Audio decoded and not accounted for is cut once", () => {
  const ledger = new AudioLedger();
  ledger.add("decodedMs", 100);
  ledger.add("gatedMs", 40);
  ledger.cut();
  ledger.cut();
  assert.equal(ledger.cutMs, 60);
});
