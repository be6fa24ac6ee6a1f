/** A media worker that loops for ever when it is told `{ type: "loop" }`. */
import { runMediaWorker } from "../../src/speakers/worker.ts";

await runMediaWorker(({ type }: { type: string }) => {
  if (type === "loop") { for (;;); }
});
Deno.exit(0);
