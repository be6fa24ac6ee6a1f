/**
 * The end that needs no main thread: a thread that does nothing else receives the signals to stop as well, and ends the
 * process when the time for draining is over or somebody insists. A signal's listener runs on its own thread's event
 * loop, so one on the main thread, and a timer there, would wait for whatever blocks it.
 */
import { Worker } from "node:worker_threads";
import { guarded } from "./internal_errors.ts";

/** A bare thread takes 1.5 MB; it loads no more than limits and a few lines beside this. */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 };

/** What the thread reports once its listeners are in place. */
export type FromHardEnd = "ready";

export interface HardEndOptions {
  /** The thread is no more, and nobody ended it. */
  onLost: () => void;
}

/** Resolves once the thread receives signals; disposing ends it. Rejects when it cannot be started. */
export async function startHardEnd({ onLost }: HardEndOptions): Promise<Disposable> {
  const worker = new Worker(new URL("./hard_end_worker.ts", import.meta.url), {
    name: "end",
    resourceLimits: HEAP_LIMITS,
  });
  const ready = Promise.withResolvers<void>();
  worker.on("message", (_message: FromHardEnd) => ready.resolve());
  worker.on(
    "error",
    (cause) => ready.reject(new Error("Cannot start the thread that ends the process", { cause })),
  );
  await ready.promise;
  let isOver = false;
  worker.once(
    "exit",
    guarded("worker_message", () => {
      if (!isOver) onLost();
    }),
  );
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      void worker.terminate();
    },
  };
}
