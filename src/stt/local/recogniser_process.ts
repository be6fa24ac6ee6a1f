/**
 * Starts the recogniser's process: this program, by its command `recogniser`. Native code ends a process that it crashes
 * in, so it has one of its own.
 *
 *     service --standard input, one frame--> recogniser     ends when its standard input does
 *     service <--standard output, frames-- recogniser
 */
import { guarded, MessageDecoder, MessageWriter } from "../../flow/mod.ts";
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

/** The running program, by a path that can be named in Deno's permissions wherever it is installed. */
const THIS_PROGRAM = "/proc/self/exe";
const ROOT = new URL("../../..", import.meta.url).pathname;
/** One message is written. */
const WAITING_BYTES_MAX = 64 * 1024;

export const spawnRecogniser: SpawnRecogniser = (start, on) => {
  const child = new Deno.Command(THIS_PROGRAM, {
    args: Deno.build.standalone ? ["recogniser"] : [...runFlags(start), `${ROOT}main.ts`, "recogniser"],
    stdin: "piped",
    stdout: "piped",
    // The runtime's own output, which may be anything.
    stderr: "null",
  }).spawn();
  let isWanted = true;
  const writer = new MessageWriter<RecogniserStart>(child.stdin, {
    waitingBytesMax: WAITING_BYTES_MAX,
    onBroken: () => {}, // it has ended: its status is awaited
  });
  writer.write(start);
  const message = guarded("worker_message", (received: FromProcess) => {
    if (isWanted) on.message(received);
  });
  const received = receive(child.stdout, message);
  const ended = guarded("worker_message", (how: string) => {
    if (isWanted) on.ended(how);
    isWanted = false;
  });
  const over = (async () => {
    await received.catch(() => kill(child));
    const { signal, code } = await child.status;
    await writer.close();
    ended(`${signal ?? code}`);
  })();
  return {
    async end() {
      isWanted = false;
      kill(child);
      await over;
    },
  };
};

async function receive(
  stdout: ReadableStream<Uint8Array>,
  on: (message: FromProcess) => void,
): Promise<void> {
  const decoder = new MessageDecoder<FromProcess>();
  for await (const chunk of stdout) for (const message of decoder.receive(chunk)) on(message);
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // has ended already
  }
}

/** Permissions of its own: to listen on loopback, to load the runtime, and to read that and the models. */
function runFlags({ folders: { models, runtime } }: RecogniserStart): string[] {
  return [
    "run",
    "--no-prompt",
    "--no-check",
    "--cached-only",
    "--no-remote",
    "--ignore-env",
    "--allow-net=127.0.0.1",
    `--allow-ffi=${runtime.join(",")}`,
    `--allow-read=${[`${ROOT}src`, ...runtime, ...models].join(",")}`,
  ];
}
