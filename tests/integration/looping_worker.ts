/** A media worker that loops for ever when it is told `{ type: "loop" }`; for ever ends when the test sets the flag. */
import { parentPort, workerData } from "node:worker_threads";

const released = new Int32Array(workerData);
parentPort!.on("message", ({ type }: { type: string }) => {
  if (type !== "loop") return;
  for (;;) if (Atomics.load(released, 0) !== 0) break;
});
await import("../../src/speakers/worker.ts");
