/**
 * A media worker as a process: this program, by its command `media-worker`. A process can be killed whatever it does, and
 * its sockets and memory end with it; a thread cannot (Deno 2.9.6: docs/decisions/0027-media-processes.md).
 *
 *     service --standard input, frames--> worker     ends when its standard input does
 *     service <--standard output, frames-- worker    inherits standard error
 */
import project from "../../deno.json" with { type: "json" };
import { LIMITS } from "../domain/mod.ts";
import { guarded, MessageDecoder, MessageWriter } from "../flow/mod.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import type { SpawnWorker, WorkerProcess } from "./worker_link.ts";

/** The running program, by a path that can be named in Deno's permissions wherever it is installed. */
const THIS_PROGRAM = "/proc/self/exe";
const MAIN = new URL("../../main.ts", import.meta.url).pathname;
const ROOT = new URL("../..", import.meta.url).pathname;
/** Bytes waiting for a process that does not read them: the PCM of all its speakers, and a margin for the rest. */
export const WAITING_BYTES_MAX = LIMITS.speakersPerWorker * LIMITS.sourceRequestBytes + 4 * 1024 * 1024;
/**
 * Has a worker read its sockets while it is busy. Tokio's event loop polls the kernel when it is idle, or after 61 ticks by
 * default. A busy media worker's ticks last some ms, and while V8 collects garbage one follows the other: words from
 * speech-to-text waited in their sockets. Polling costs a system call of a microsecond.
 */
export const PROMPT_SOCKETS = { DENO_TOKIO_EVENT_INTERVAL: "2" };

/** For tests: another module in place of the program's, and flags for Deno. */
export interface MediaProcessOptions {
  module?: string;
  flags?: readonly string[];
}

export function spawnMediaProcess(
  on: Parameters<SpawnWorker>[0],
  { module = MAIN, flags = [] }: MediaProcessOptions = {},
): WorkerProcess {
  const args = ["media-worker"];
  const child = new Deno.Command(THIS_PROGRAM, {
    args: Deno.build.standalone ? args : [...runFlags(), ...flags, module, ...args],
    env: PROMPT_SOCKETS,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let isOver = false;
  let writeError: unknown;
  const broken = guarded("worker_message", (error: unknown) => {
    if (isOver) return;
    isOver = true;
    kill(child);
    on.broken(error);
  });
  const writer = new MessageWriter<ToWorker>(child.stdin, {
    waitingBytesMax: WAITING_BYTES_MAX,
    onBroken(error) {
      // Where the pipe is closed the process has ended: its status has the cause.
      if (!(error instanceof Deno.errors.BrokenPipe)) writeError = error;
      kill(child); // reported below, after its output
    },
  });
  const received = receive(child.stdout, guarded("worker_message", on.message)).catch(broken);
  void child.status.then(async ({ code, signal }) => {
    await received; // its last captions may still be in the pipe
    broken(writeError ?? new Error(`it ended (${signal ?? code})`));
  });
  return {
    send(message) {
      if (!isOver) writer.write(message);
    },
    async end() {
      isOver = true;
      kill(child);
      await writer.close();
      await child.status;
    },
  };
}

async function receive(
  stdout: ReadableStream<Uint8Array>,
  onMessage: (message: FromWorker) => void,
): Promise<void> {
  const decoder = new MessageDecoder<FromWorker>();
  for await (const chunk of stdout) for (const message of decoder.receive(chunk)) onMessage(message);
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // Has ended already.
  }
}

/** The flags of the task `start`: the same permissions, where the program is run from its sources. */
function runFlags(): string[] {
  const flags = project.tasks.start.split(" ").filter((word) => word.startsWith("--"));
  return [
    "run",
    "--no-check",
    "--cached-only",
    ...flags.map((flag) => flag.replace("=src,", `=${ROOT}src,`)),
  ];
}
