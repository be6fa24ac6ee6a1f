/** `tiro serve` in which everything that nobody expects happens once the file that is its argument is there. */
import process from "node:process";
import { serve } from "../../src/cli/serve.ts";
import { spawnMediaProcess, type SpawnWorker } from "../../src/speakers/mod.ts";

const [file] = Deno.args;
const SENT = "what-a-peer-sent";
let hasStrayed = false;

const spawnWorker: SpawnWorker = (on) =>
  spawnMediaProcess({
    message(message) {
      on.message(message);
      if (message.type === "caption") throw new Error(SENT);
    },
    broken: (error) => on.broken(error),
  });

Deno.exit(
  await serve({
    spawnWorker,
    readSystemFile() {
      if (!hasStrayed && exists(file)) {
        hasStrayed = true;
        stray();
      }
      return Promise.resolve(undefined);
    },
  }),
);

function stray(): void {
  void Promise.reject(new Error(SENT));
  void Promise.reject(SENT);
  setTimeout(() => {
    throw new Error(SENT);
  });
  queueMicrotask(() => {
    throw new Error(SENT);
  });
  new EventTarget().dispatchEvent(new Event(SENT));
  for (const write of [globalThis.console.log, globalThis.console.error]) write(SENT);
  process.emitWarning(SENT);
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
