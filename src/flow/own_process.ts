/**
 * This program as a child process, by one of its commands: messages on its standard input and output, in frames
 * (`message_pipe.ts`). The child ends when its standard input does.
 */
import { MessageDecoder } from "./message_pipe.ts";
import { IGNORED_SIGNALS, STOP_SIGNALS } from "./stop_signals.ts";

/** The running program, by a path that can be named in Deno's permissions wherever it is installed. */
const THIS_PROGRAM = "/proc/self/exe";
/** Of the sources, with a slash at its end. */
export const SOURCE_ROOT = new URL("../..", import.meta.url).pathname;

export interface OwnProcessOptions {
  command: string;
  /** For `deno run`, where the program is run from its sources. */
  flags: readonly string[];
  /** For tests: in place of the program's. */
  module?: string;
  env?: Record<string, string>;
  stderr: "inherit" | "null";
}

/** Throws where no process can be started. */
export function spawnOwnProcess(
  { command, flags, module = `${SOURCE_ROOT}main.ts`, ...options }: OwnProcessOptions,
): Deno.ChildProcess {
  return new Deno.Command(THIS_PROGRAM, {
    args: Deno.build.standalone ? [command] : ["run", ...flags, module, command],
    stdin: "piped",
    stdout: "piped",
    ...options,
  }).spawn();
}

export function killProcess(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended already.
  }
}

/** Resolves at the end of the pipe. Where `on` returns a promise, what follows waits for it. */
export async function readMessages<Message>(
  pipe: ReadableStream<Uint8Array>,
  on: (message: Message) => Promise<void> | void,
): Promise<void> {
  const decoder = new MessageDecoder<Message>();
  for await (const chunk of pipe) {
    for (const message of decoder.receive(chunk)) {
      const handled = on(message);
      if (handled) await handled;
    }
  }
}

/**
 * For a child: Ctrl-C and systemd's stop reach the whole process group, but the service drains its speakers first, and then
 * ends its children.
 */
export function leaveSignalsToService(): void {
  for (const signal of [...STOP_SIGNALS, ...IGNORED_SIGNALS]) Deno.addSignalListener(signal, () => {});
}
