/**
 * Collects the garbage of loading the program, half of the heap, which V8 would keep for a minute of work and more. To be
 * called once, after loading and before work: it takes 20 to 50 ms.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export function collectGarbage(): void {
  // Only contexts created after the flag have `gc`.
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  if (typeof collect === "function") collect();
}
