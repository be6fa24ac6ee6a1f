/**
 * The service as a process of its own, as operators run it: `main.ts serve` with the permissions of `deno task start` and
 * an environment, ready once it says that it listens, ended by SIGTERM. Tells what the kernel knows of it: memory,
 * processor time, descriptors. It dies with whoever started it (`setpriv --pdeathsig`), so that a killed run leaves nothing behind.
 */
import { Inspector } from "./inspector.ts";
import { cpuMsOf, fdCountOf, pssBytesOf, treeOf, udpDropsOf } from "./proc.ts";
import { startFlags } from "./start_flags.ts";

export interface ServiceProcessOptions {
  /** On top of an address on loopback and any port. */
  environment: Record<string, string>;
  /** For Deno itself, before the script: profilers and the like. */
  denoArgs?: readonly string[];
  /** Default: `main.ts serve`. From the root of the repository, with all permissions unless `paths` are named. */
  script?: readonly string[];
  /** Files and folders that it may read and write besides. */
  paths?: readonly string[];
  /**
   * A port of 127.0.0.1 that is free. With it nobody reads what the service logs until `readLog`: it is ready once it
   * is healthy, and its standard error is a pipe that fills.
   */
  unreadLogPort?: number;
  /** RLIMIT_NOFILE, soft and hard. Default: this process's. */
  descriptorsMax?: number;
}

const ROOT = new URL("../../", import.meta.url);
const READY_TIMEOUT_MS = 20_000;
/** A service whose log is not read is asked this often whether it is healthy. */
const LOOK_MS = 50;
/** A service that does not end within its own drain time and a margin is killed. */
const STOP_TIMEOUT_MS = 10_000;
/** Log lines kept to show why it ended. */
const LINES_KEPT = 40;
/** What Deno needs of our own environment; the rest could configure the service. */
const PASSED_ON = ["PATH", "HOME", "DENO_DIR", "XDG_CACHE_HOME", "NO_COLOR"];

export class ServiceProcess implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #listening = Promise.withResolvers<number>();
  #reading: Promise<void> | undefined;
  readonly #lines: string[] = [];
  #port = 0;
  /** Its own first, then its media workers'. */
  readonly #inspectorUrls: string[] = [];
  #inspectors: Promise<Inspector[]> | undefined;
  #ended = false;
  #stopped?: Promise<number>;

  private constructor(options: ServiceProcessOptions) {
    const { environment, denoArgs = [], script, paths, unreadLogPort, descriptorsMax } = options;
    const isInspected = denoArgs.some((flag) => flag.startsWith("--inspect"));
    const permissions = script && !paths ? ["-A"] : startFlags(paths);
    const passedOn = PASSED_ON.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    });
    this.#child = new Deno.Command("setpriv", {
      args: [
        "--pdeathsig",
        "KILL",
        ...(descriptorsMax === undefined ? [] : ["prlimit", `--nofile=${descriptorsMax}`]),
        Deno.execPath(),
        "run",
        ...permissions,
        ...denoArgs,
        ...(script ?? [isInspected ? "tests/load/inspected_main.ts" : "main.ts", "serve"]),
      ],
      cwd: ROOT,
      clearEnv: true,
      env: {
        ...Object.fromEntries(passedOn),
        HOST: "127.0.0.1",
        PORT: String(unreadLogPort ?? 0),
        LOG_LEVEL: "info",
        ...environment,
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    void this.#child.status.then(() => this.#ended = true);
    if (unreadLogPort === undefined) this.readLog();
    else {
      this.#isHealthy(unreadLogPort).then(this.#listening.resolve, this.#listening.reject);
    }
  }

  /** Resolves once the service listens; rejects with the end of its log when it does not. */
  static async start(options: ServiceProcessOptions): Promise<ServiceProcess> {
    const service = new ServiceProcess(options);
    const timer = setTimeout(() => service.#listening.reject(new Error("no answer")), READY_TIMEOUT_MS);
    try {
      service.#port = await service.#listening.promise;
      return service;
    } catch (cause) {
      await service.#kill();
      throw new Error(`Cannot start the service\n${service.log.join("\n")}`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  get pid(): number {
    return this.#child.pid;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Reads the log from now on, if it is not read already. */
  readLog(): void {
    this.#reading ??= this.#read();
  }

  /** Sends a signal. */
  signal(signal: Deno.Signal): void {
    if (!this.#ended) this.#child.kill(signal);
  }

  /** The newest lines of its log. */
  get log(): readonly string[] {
    return this.#lines;
  }

  /** False once the process has ended, for any reason. */
  get isRunning(): boolean {
    return !this.#ended;
  }

  /** Resolves with the exit code once the process has ended, for any reason, and its log is read. */
  get ended(): Promise<number> {
    return this.#end();
  }

  /** Its memory and that of its media workers, as PSS, bytes. */
  residentBytes(): number {
    return this.#sum(pssBytesOf);
  }

  /** Processor time of all their threads since the start, ms; the kernel counts in steps of 10. */
  cpuMs(): number {
    return this.#sum(cpuMsOf);
  }

  /** Their open descriptors: sockets, pipes, files. */
  fdCount(): number {
    return this.#sum(fdCountOf);
  }

  /** Datagrams their sockets had no room for, by socket. */
  udpDrops(): Map<string, number> {
    return new Map(treeOf(this.pid).flatMap((pid) => [...udpDropsOf(pid)]));
  }

  #sum(of: (pid: number) => number): number {
    return treeOf(this.pid).reduce((sum, pid) => sum + of(pid), 0);
  }

  /** Changes RLIMIT_NOFILE of it and its media workers; below what is open, nothing more can be opened. */
  async limitDescriptors(most: number): Promise<void> {
    for (const pid of treeOf(this.pid)) {
      const { success } = await new Deno.Command("prlimit", { args: [`--pid=${pid}`, `--nofile=${most}:`] })
        .output();
      if (!success) throw new Error("Cannot change the limit of descriptors");
    }
  }

  /**
   * A look into its threads. Needs `--inspect=127.0.0.1:0` among Deno's arguments. One for all of its life: Deno reports
   * its workers to the first alone. The connection is one of its descriptors from then on.
   */
  async inspector(): Promise<Inspector> {
    const [own] = await this.inspectors();
    if (!own) throw new Error("Cannot inspect: the service runs without an inspector");
    return own;
  }

  /** The same of it and of each of its media workers. */
  inspectors(): Promise<Inspector[]> {
    return this.#inspectors ??= Promise.all(this.#inspectorUrls.map((url) => Inspector.open(url)));
  }

  /** The values of a JavaScript expression in all threads of all of them, the main one's first. */
  async evaluateInAll(expression: string): Promise<unknown[]> {
    const values: unknown[] = [];
    for (const inspector of await this.inspectors()) {
      values.push(...await inspector.evaluateInAll(expression));
    }
    return values;
  }

  /** In all of them; what is left is what is held. */
  async collectGarbage(): Promise<void> {
    for (const inspector of await this.inspectors()) await inspector.collectGarbage();
  }

  /** SIGTERM; resolves with the exit code. Kills what does not end in time: then the code is 137. */
  stop(): Promise<number> {
    return this.#stopped ??= this.#stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(): Promise<number> {
    const inspectors = await this.#inspectors?.catch(() => undefined);
    for (const inspector of inspectors ?? []) await inspector[Symbol.asyncDispose]();
    const timer = setTimeout(() => this.signal("SIGKILL"), STOP_TIMEOUT_MS);
    try {
      this.signal("SIGTERM");
      return await this.#end();
    } finally {
      clearTimeout(timer);
    }
  }

  async #kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#end();
  }

  async #end(): Promise<number> {
    const { code } = await this.#child.status;
    this.readLog();
    await this.#reading;
    return code;
  }

  /** Resolves with the port once the service answers there. Rejects when the process has ended. */
  async #isHealthy(port: number): Promise<number> {
    for (;;) {
      if (this.#ended) throw new Error("it ended");
      const response = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
      await response?.body?.cancel();
      if (response?.ok) return port;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  /** Follows the log until the process ends. */
  async #read(): Promise<void> {
    for await (const line of linesOf(this.#child.stderr)) {
      this.#lines.push(line);
      if (this.#lines.length > LINES_KEPT) this.#lines.shift();
      this.#inspectorUrls.push(...line.match(/^Debugger listening on (ws:\S+)/)?.slice(1) ?? []);
      const port = portOf(line);
      if (port !== undefined) this.#listening.resolve(port);
    }
    this.#listening.reject(new Error("it ended"));
  }
}

/** The port in the log line with the service's address. */
function portOf(line: string): number | undefined {
  if (!line.includes('"listening"')) return undefined;
  const { port } = JSON.parse(line) as { port?: number };
  return port;
}

async function* linesOf(bytes: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
