/** A thread that says again what it is told, and whose handler throws when it is told so. */
import { parentPort } from "node:worker_threads";
import { guarded, surviveInternalErrors } from "../../src/flow/mod.ts";

surviveInternalErrors(({ kind }) => parentPort!.postMessage({ type: `survived ${kind}` }));
parentPort!.on(
  "message",
  guarded("worker_message", ({ type }: { type: string }) => {
    if (type === "throw") throw new Error("in the worker");
    if (type === "reject") void Promise.reject(new Error("in the worker"));
    if (type === "timer") setTimeout(() => reportError(new Error("in the worker")));
    parentPort!.postMessage({ type });
    if (type === "stop") parentPort!.close();
  }),
);
