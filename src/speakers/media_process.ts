/**
 * A media worker as a process: this program, by its command `media-worker`. A process can be killed whatever it does, and
 * its sockets and memory end with it; a thread cannot (Deno 2.9.6: docs/decisions/0027-media-processes.md).
 *
 *     service --standard input, frames--> worker     ends when its standard input does
 *     service <--standard output, frames-- worker    inherits standard error
 */
import project from "../../deno.json" with { type: "json" };
import { LIMITS } from "../domain/mod.ts";
import {
  guarded,
  killProcess,
  MessageWriter,
  type OwnProcessOptions,
  readMessages,
  SOURCE_ROOT,
  spawnOwnProcess,
} from "../flow/mod.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import type { SpawnWorker, WorkerProcess } from "./worker_link.ts";

/** Bytes waiting for a process that does not read them: the PCM of all its speakers, and a margin for the rest. */
export const WAITING_BYTES_MAX = LIMITS.speakersPerWorker * LIMITS.sourceRequestBytes + 4 * 1024 * 1024;
/**
 * Has a worker read its sockets while it is busy. Tokio's event loop polls the kernel when it is idle, or after 61 ticks by
 * default. A busy media worker's ticks last some ms, and while V8 collects garbage one follows the other: words from
 * speech-to-text waited in their sockets. Polling costs a system call of a microsecond.
 */
export const PROMPT_SOCKETS = { DENO_TOKIO_EVENT_INTERVAL: "2" };

/** For tests: another module in place of the program's, and more flags for Deno. */
export type MediaProcessOptions = Partial<Pick<OwnProcessOptions, "module" | "flags">>;

export function spawnMediaProcess(
  on: Parameters<SpawnWorker>[0],
  { module, flags = [] }: MediaProcessOptions = {},
): WorkerProcess {
  const child = spawnOwnProcess({
    command: "media-worker",
    flags: [...runFlags(), ...flags],
    module,
    env: PROMPT_SOCKETS,
    stderr: "inherit",
  });
  let isOver = false;
  let writeError: unknown;
  const broken = guarded("worker_message", (error: unknown) => {
    if (isOver) return;
    isOver = true;
    killProcess(child);
    on.broken(error);
  });
  const writer = new MessageWriter<ToWorker>(child.stdin, {
    waitingBytesMax: WAITING_BYTES_MAX,
    onBroken(error) {
      // Where the pipe is closed the process has ended: its status has the cause.
      if (!(error instanceof Deno.errors.BrokenPipe)) writeError = error;
      killProcess(child); // reported below, after its output
    },
  });
  const message = guarded("worker_message", (message: FromWorker) => on.message(message));
  const received = readMessages(child.stdout, message).catch(broken);
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
      killProcess(child);
      await writer.close();
      await child.status;
    },
  };
}

/** The flags of the task `start`: the same permissions, where the program is run from its sources. */
function runFlags(): string[] {
  const flags = project.tasks.start.split(" ").filter((word) => word.startsWith("--"));
  return [
    "--no-check",
    "--cached-only",
    ...flags.map((flag) => flag.replace("=src,", `=${SOURCE_ROOT}src,`)),
  ];
}
