/**
 * Real recognisers with real models: where `scripts/recognisers NAME` installs them, and their processes. A test here
 * is ignored, with the reason in its name, where its recogniser is not installed. They take hundreds of megabytes to
 * gigabytes, so most are run by hand and before a release:
 *
 *     scripts/recognisers NAME && deno task test:recognisers
 *
 * `scripts/test` installs only those that take less than a minute, and runs whichever are installed.
 */
import { ServerProcess } from "../real/server_process.ts";

const INSTALLED = new URL("../../.cache/recognisers/", import.meta.url);
/** To load a model of gigabytes on a busy machine. */
const READY_WITHIN_MS = 120_000;

/** The folder of a recogniser, without a slash at its end; undefined where it is not installed. */
export function recogniserFolder(name: string): string | undefined {
  const folder = new URL(name, INSTALLED).pathname;
  return exists(`${folder}/installed`) ? folder : undefined;
}

/** The name of the tests of a recogniser: with the reason where they are ignored. */
export function testName(title: string, name: string): string {
  return recogniserFolder(name) === undefined
    ? `${title} (ignored: not installed; run scripts/recognisers ${name})`
    : title;
}

export interface RecogniserCommand {
  name: string;
  /** The program and its arguments. */
  command: readonly [string, ...string[]];
  /** Added to this process's. */
  env?: Readonly<Record<string, string>>;
  isReady(): Promise<boolean>;
}

/** Starts a recogniser and waits until it is ready. Rejects with the end of its log. */
export async function startRecogniser({ name, command, env = {}, isReady }: RecogniserCommand) {
  const logPath = await Deno.makeTempFile({ prefix: `tiro-${name}-`, suffix: ".log" });
  const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`);
  try {
    const server = await ServerProcess.start({
      name,
      executable: "env",
      args: [...settings, ...command],
      logPath,
      isReady,
      readyWithinMs: READY_WITHIN_MS,
    });
    return {
      /** At the end of the process: `unload` waits for nothing. */
      [Symbol.dispose]() {
        Deno.kill(server.pid, "SIGKILL");
        Deno.removeSync(logPath);
      },
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await Deno.remove(logPath);
      },
    };
  } catch (error) {
    await Deno.remove(logPath);
    throw error;
  }
}

export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
