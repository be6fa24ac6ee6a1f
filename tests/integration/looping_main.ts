/** `tiro serve` with media workers that loop for ever once they are asked to drain. */
import { serve } from "../../src/cli/serve.ts";
import { spawnMediaWorker, type SpawnWorker, type WorkerThread } from "../../src/speakers/mod.ts";

const spawnWorker: SpawnWorker = (on) => {
  const released = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT); // never
  const thread = spawnMediaWorker(on, new URL("looping_worker.ts", import.meta.url), released);
  return {
    send(message) {
      if (message.type === "drain") thread.send(LOOP);
      thread.send(message);
    },
    terminate: () => thread.terminate(),
  };
};

const LOOP = { type: "loop" } as unknown as Parameters<WorkerThread["send"]>[0];

Deno.exit(await serve({ spawnWorker }));
