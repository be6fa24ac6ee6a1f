/** A media worker that loops forever when it receives `{ type: "loop" }`. */
import { runMediaWorker } from "../../src/speakers/worker.ts";
import { WorkerSide } from "../../src/speakers/worker_side.ts";

const { receive } = WorkerSide.prototype;
WorkerSide.prototype.receive = function (message) {
  const { type }: { type: string } = message;
  if (type === "loop") { for (;;); }
  receive.call(this, message);
};

await runMediaWorker();
Deno.exit(0);
