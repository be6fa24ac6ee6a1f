/**
 * Starts the recogniser's process: this program, by its command `recogniser`. Native code ends a process that it crashes
 * in, so it has one of its own.
 *
 *     service --standard input, one frame--> recogniser     ends when its standard input does
 *     service <--standard output, frames-- recogniser
 */
import {
  guarded,
  killProcess,
  MessageWriter,
  readMessages,
  SOURCE_ROOT,
  spawnOwnProcess,
} from "../../flow/mod.ts";
import type { FromProcess, RecogniserStart } from "./process_protocol.ts";

export interface RecogniserProcess {
  /** Resolves when it has ended. */
  end(): Promise<void>;
}

export interface ProcessEvents {
  message(message: FromProcess): void;
  /** It ended, which `end` did not cause. Called once, after its last message. */
  ended(how: string): void;
}

/** Throws where no process can be started. */
export type SpawnRecogniser = (start: RecogniserStart, on: ProcessEvents) => RecogniserProcess;

/** One message is written. */
const WAITING_BYTES_MAX = 64 * 1024;

export const spawnRecogniser: SpawnRecogniser = (start, on) => {
  const child = spawnOwnProcess({
    command: "recogniser",
    flags: runFlags(start),
    stderr: "null", // the runtime's own output, which may be anything
  });
  let isWanted = true;
  const writer = new MessageWriter<RecogniserStart>(child.stdin, {
    waitingBytesMax: WAITING_BYTES_MAX,
    onBroken: () => {}, // it has ended: its status is awaited
  });
  writer.write(start);
  const message = guarded("worker_message", (received: FromProcess) => {
    if (isWanted) on.message(received);
  });
  const received = readMessages(child.stdout, message);
  const ended = guarded("worker_message", (how: string) => {
    if (isWanted) on.ended(how);
    isWanted = false;
  });
  const over = (async () => {
    await received.catch(() => killProcess(child));
    const { signal, code } = await child.status;
    await writer.close();
    ended(`${signal ?? code}`);
  })();
  return {
    async end() {
      isWanted = false;
      killProcess(child);
      await over;
    },
  };
};

/** Permissions of its own: to listen on loopback, to load the runtime, and to read that and the models. */
function runFlags({ folders: { models, runtime } }: RecogniserStart): string[] {
  return [
    "--no-prompt",
    "--no-check",
    "--cached-only",
    "--no-remote",
    "--ignore-env",
    "--allow-net=127.0.0.1",
    `--allow-ffi=${runtime.join(",")}`,
    `--allow-read=${[`${SOURCE_ROOT}src`, ...runtime, ...models].join(",")}`,
  ];
}
