/**
 * The thread of hard_end.ts. It takes the children of the process with it, and then ends the process by `_exit`: nothing of
 * JavaScript, of Deno or of the C library is waited for. By libc, because Deno asks permission for every program before it
 * sends a signal, and for everything before it reads `/proc`. A compiled binary has to name this file (`compile.include`
 * in deno.json).
 */
import { parentPort } from "node:worker_threads";
import { LIMITS } from "../domain/mod.ts";
import type { FromHardEnd } from "./hard_end.ts";
import { openLibc } from "./libc.ts";
import { STOP_SIGNALS, StopSignals } from "./stop_signals.ts";

/** What ending the process takes itself. */
const EXIT_MS = 100;
const FAILED = 1;

const SYMBOLS = {
  _exit: { parameters: ["i32"], result: "void" },
  signal: { parameters: ["i32", "usize"], result: "usize" },
  kill: { parameters: ["i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  // glibc has it since 2.30. Without it children are left to end by their pipes.
  getdents64: { parameters: ["i32", "buffer", "usize"], result: "isize", optional: true },
} as const;
/** Of Linux on the processors that `openLibc` knows. */
const SIGKILL = 9;
const SIGUSR1 = 10;
const SIG_IGN = 1n;
const O_RDONLY = 0;
/** struct linux_dirent64 */
const RECORD_BYTES_AT = 16;
const NAME_AT = 19;
/** Some thousand threads, or children of one thread; the rest is left. */
const BYTES_MAX = 64 * 1024;

const libc = openLibc(SYMBOLS)?.symbols;
// Deno would open a debugger's port (9229), and report that on standard error past our queue.
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
  // The kernel lists children by the thread that started them.
  for (const thread of namesIn("/proc/self/task")) {
    for (const pid of textOf(`/proc/self/task/${thread}/children`).split(" ").map(Number)) {
      if (pid > 0) libc.kill(pid, SIGKILL);
    }
  }
  libc._exit(FAILED);
}

/** Descriptors are left open: the process ends. Empty where it cannot be read. */
function bytesOf(path: string, how: "read" | "getdents64"): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(BYTES_MAX);
  if (!libc) return bytes.subarray(0, 0);
  const fd = libc.open(new TextEncoder().encode(`${path}\0`), O_RDONLY);
  const length = fd < 0 ? 0 : Number(libc[how]?.(fd, bytes, BigInt(bytes.length)) ?? 0);
  return bytes.subarray(0, Math.max(0, length));
}

function textOf(path: string): string {
  return new TextDecoder().decode(bytesOf(path, "read"));
}

function namesIn(folder: string): string[] {
  const records = bytesOf(folder, "getdents64");
  const view = new DataView(records.buffer, 0, records.length);
  const names: string[] = [];
  for (let at = 0; at < records.length; at += view.getUint16(at + RECORD_BYTES_AT, true)) {
    const name = records.subarray(at + NAME_AT, records.indexOf(0, at + NAME_AT));
    names.push(new TextDecoder().decode(name));
  }
  return names.filter((name) => /^\d+$/.test(name));
}
