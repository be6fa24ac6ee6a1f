/**
 * Ends the process without its main thread: another thread receives the stop signals too, and ends the process when
 * the time for draining is over, or at a second signal. Listeners and timers of the main thread would wait for whatever
 * blocks it.
 */
import { Worker } from "node:worker_threads";
import { guarded } from "./internal_errors.ts";

/** A bare thread takes 1.5 MB. */
const HEAP_LIMITS = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 };

/** Sent by the thread once its listeners are registered. */
export type FromHardEnd = "ready";

/**
 * Resolves once the thread receives signals; disposing ends it. Rejects when it cannot be started. `onLost`: the thread
 * ended without being disposed.
 */
export async function startHardEnd({ onLost }: { onLost: () => void }): Promise<Disposable> {
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
