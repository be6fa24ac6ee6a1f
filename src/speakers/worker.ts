/**
 * A media worker: the module that runs on a thread of its own. Its owner is WorkerHost, which finds it beside itself;
 * a compiled binary has to name it (`compile.include` in deno.json).
 */
import { parentPort } from "node:worker_threads";
import { guarded, surviveInternalErrors, systemClock, takeLibraryOutput } from "../flow/mod.ts";
import { collectGarbage } from "./heap.ts";
import type { ToWorker } from "./protocol.ts";
import { WorkerSide } from "./worker_side.ts";

const side = new WorkerSide({
  post: (message) => parentPort!.postMessage(message),
  clock: systemClock,
  onStopped: () => globalThis.close(),
});

// As on the main thread: an error that escaped a callback must not end everyone's captions.
surviveInternalErrors((error) => side.survived(error));
takeLibraryOutput((what) => side.wroteToConsole(what));
parentPort!.on("message", guarded("worker_message", (message: ToWorker) => side.receive(message)));
collectGarbage();
side.ready();
