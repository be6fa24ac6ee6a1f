/**
 * Gives back what loading the program left: half of an isolate's heap then is garbage, which V8 keeps for a minute of
 * work and more. To be called once, when a thread has loaded what it needs and before it has work: it takes 20 to 50 ms.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export function collectGarbage(): void {
  // V8 shows its collector to contexts made after the flag. The flag is the process': taking it back would take it from
  // another thread that does this.
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("globalThis.gc");
  if (typeof collect === "function") collect();
}
