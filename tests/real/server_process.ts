/**
 * A server of the real stack as a child process: its output goes to a log file, it is ready when a probe says so, and
 * it is gone when disposed. It also dies with the thread that started it (`setpriv --pdeathsig`), so that a killed test
 * run leaves no server behind. Never restarts automatically: a server that ends early is an error for the test to see.
 */
export interface ServerCommand {
  /** For error messages. */
  name: string;
  executable: string;
  args: readonly string[];
  /** Appended to. */
  logPath: string;
  /** True once the server can be used; called again and again until then. */
  isReady(): Promise<boolean>;
  /** Default: 10 s. */
  readyWithinMs?: number;
}

const READY_TIMEOUT_MS = 10_000;
const POLL_INTERVAL_MS = 20;
/** Enough of a log to see why a server ended. */
const TAIL_LINES = 40;

export class ServerProcess implements AsyncDisposable {
  readonly #command: ServerCommand;
  readonly #child: Deno.ChildProcess;
  #ended = false;

  private constructor(command: ServerCommand) {
    this.#command = command;
    this.#child = new Deno.Command("sh", {
      args: [
        "-c",
        'log=$1; shift; exec setpriv --pdeathsig KILL "$@" >>"$log" 2>&1',
        "sh",
        command.logPath,
        command.executable,
        ...command.args,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    void this.#child.status.then(() => this.#ended = true);
  }

  /** Starts the server and waits until it is ready; rejects with the end of its log when it is not. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const server = new ServerProcess(command);
    try {
      await server.#ready();
      return server;
    } catch (error) {
      await server.kill();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Ends the server as a crash would: nothing of it may be worth saving. */
  async kill(): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGKILL");
    await this.#child.status;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  async #ready(): Promise<void> {
    const { name, logPath, isReady, readyWithinMs = READY_TIMEOUT_MS } = this.#command;
    try {
      await polled(`${name} to be ready`, readyWithinMs, async () => {
        if (this.#ended) throw new Error("it ended");
        return await isReady();
      });
    } catch (cause) {
      throw new Error(`Cannot start ${name}\n${await tailOf(logPath)}`, { cause });
    }
  }
}

/** Polls until `condition` holds; for state without a change event. */
export async function polled(
  what: string,
  deadlineMs: number,
  condition: () => Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await condition())) {
    if (performance.now() > endMs) {
      throw new DOMException(`Waited ${deadlineMs} ms for ${what}`, "TimeoutError");
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
}

/** The last lines of a log. */
export async function tailOf(logPath: string): Promise<string> {
  const text = await Deno.readTextFile(logPath).catch(() => "");
  return text.trimEnd().split("\n").slice(-TAIL_LINES).join("\n");
}

/** Whether something accepts TCP connections there. */
export async function acceptsTcp(port: number, hostname = "127.0.0.1"): Promise<boolean> {
  try {
    using _connection = await Deno.connect({ hostname, port });
    return true;
  } catch {
    return false;
  }
}

/** Whether a GET is answered with 200. */
export async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
