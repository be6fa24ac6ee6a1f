/**
 * Has threads hear their sockets while they are busy. Deno's event loop (tokio's) asks the kernel what has come when it
 * has nothing else to do, or after so many turns, which are 61 unless the environment says otherwise. A media worker's
 * turns are of some ms, and while V8 collects garbage one follows the other: words from speech-to-text lay in their
 * sockets. Asking costs a system call of a microsecond.
 */

/** Read by Deno when it starts a thread, in turns of the event loop. */
const VARIABLE = "DENO_TOKIO_EVENT_INTERVAL";
const LOOK_EVERY_TURNS = 2;

/**
 * For threads started from now on, unless the environment says something itself. To be called before there is work: the
 * environment is the process', and libc reads it when it looks up names.
 */
export function promptSockets(): void {
  if (Deno.env.get(VARIABLE) === undefined) Deno.env.set(VARIABLE, `${LOOK_EVERY_TURNS}`);
}
