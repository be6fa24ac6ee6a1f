/**
 * A media worker: the module that runs on a thread of its own. Its owner is WorkerHost, which finds it beside itself;
 * a compiled binary has to name it (`compile.include` in deno.json).
 */
/// <reference lib="deno.worker" />
import { systemClock } from "../flow/mod.ts";
import type { ToWorker } from "./protocol.ts";
import { WorkerSide } from "./worker_side.ts";

const side = new WorkerSide({ post: (message) => self.postMessage(message), clock: systemClock });

// As on the main thread: an error that escaped a callback must not end everyone's captions.
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  side.stray(event.reason);
});
self.addEventListener("error", (event) => {
  event.preventDefault();
  side.stray(event.error);
});
self.addEventListener("message", ({ data }: MessageEvent<ToWorker>) => side.receive(data));
side.ready();
