/**
 * A worker thread that hears its sockets while it is busy. Deno's event loop (tokio's) asks the kernel what has come when
 * it has nothing else to do, or after so many turns, which are 61 unless the environment says otherwise. A media worker's
 * turns are of 5 ms and more, and while V8 collects garbage one follows the other: words from speech-to-text lay in
 * their sockets for 0.1 to 0.3 s. Asking costs a system call of a microsecond.
 */
import { Worker, type WorkerOptions } from "node:worker_threads";

/** Read by Deno, in turns of the event loop. */
const VARIABLE = "DENO_TOKIO_EVENT_INTERVAL";
const LOOK_EVERY_TURNS = 2;

/** Throws as `new Worker` does. */
export function promptWorker(url: URL, options?: WorkerOptions): Worker {
  const before = Deno.env.get(VARIABLE);
  Deno.env.set(VARIABLE, `${LOOK_EVERY_TURNS}`);
  try {
    // The thread has read it when this returns. Processes we start are to have the environment that we were given.
    return new Worker(url, options);
  } finally {
    if (before === undefined) Deno.env.delete(VARIABLE);
    else Deno.env.set(VARIABLE, before);
  }
}
