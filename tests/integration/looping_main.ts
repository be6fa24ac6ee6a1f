/** `tiro serve` with media workers that loop for ever once they are asked to drain. */
import { serve } from "../../src/cli/serve.ts";
import { spawnMediaProcess, type SpawnWorker, type WorkerProcess } from "../../src/speakers/mod.ts";

const spawnWorker: SpawnWorker = (on) => {
  const worker = spawnMediaProcess(on, { module: new URL("looping_worker.ts", import.meta.url).pathname });
  return {
    send(message) {
      if (message.type === "drain") worker.send(LOOP);
      worker.send(message);
    },
    end: () => worker.end(),
  };
};

const LOOP = { type: "loop" } as unknown as Parameters<WorkerProcess["send"]>[0];

Deno.exit(await serve({ spawnWorker }));
