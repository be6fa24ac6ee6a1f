/**
 * The thread of hard_end.ts. It kills the children of the process, then ends the process by `_exit`, which waits for
 * nothing of JavaScript, of Deno or of the C library. By libc, because Deno asks permission for every program before it
 * sends a signal, and for everything before it reads `/proc`. A compiled binary has to name this file (`compile.include`
 * in deno.json).
 */
import { parentPort } from "node:worker_threads";
import { LIMITS } from "../domain/mod.ts";
import type { FromHardEnd } from "./hard_end.ts";
import { cString, openLibc } from "./libc.ts";
import { STOP_SIGNALS, StopSignals } from "./stop_signals.ts";

/** Ending the process takes this long. */
const EXIT_MS = 100;
const FAILED = 1;

const SYMBOLS = {
  _exit: { parameters: ["i32"], result: "void" },
  signal: { parameters: ["i32", "usize"], result: "usize" },
  kill: { parameters: ["i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
} as const;
/** Linux on the processors that `openLibc` knows. */
const SIGKILL = 9;
const SIGUSR1 = 10;
const SIG_IGN = 1n;
const O_RDONLY = 0;
/** Some thousand process ids. */
const BYTES_MAX = 64 * 1024;

const libc = openLibc(SYMBOLS)?.symbols;
// Deno would open a debugger's port (9229), and write that to standard error past our queue.
libc?.signal(SIGUSR1, SIG_IGN);

const signals = new StopSignals();
for (const signal of STOP_SIGNALS) {
  Deno.addSignalListener(signal, () => {
    const asked = signals.receive(performance.now());
    if (asked === "exit") end();
    if (asked === "drain") setTimeout(end, LIMITS.drainMs - EXIT_MS);
  });
}
parentPort!.on("message", () => {}); // keeps the thread
const READY: FromHardEnd = "ready";
parentPort!.postMessage(READY);

function end(): void {
  if (!libc) return; // the main thread does it, where it can
  for (const pid of children()) libc.kill(pid, SIGKILL);
  libc._exit(FAILED);
}

/**
 * The kernel lists children by the thread that started them: Deno's main one, whose id is the process's. None where the
 * list cannot be read; its descriptor stays open, for the process ends.
 */
function children(): number[] {
  if (!libc) return [];
  const bytes = new Uint8Array(BYTES_MAX);
  const fd = libc.open(cString(`/proc/self/task/${Deno.pid}/children`), O_RDONLY);
  const length = fd < 0 ? 0 : Number(libc.read(fd, bytes, BigInt(bytes.length)));
  return new TextDecoder().decode(bytes.subarray(0, Math.max(0, length))).match(/\d+/g)?.map(Number) ?? [];
}
