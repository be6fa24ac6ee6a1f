/** Debian's PostgreSQL in a folder of its own, on loopback. It refuses to run as root, so then it runs as its package's user. */
import { delay } from "../../src/flow/mod.ts";
import { ClaimedPorts } from "./ports.ts";

const VERSIONS = "/usr/lib/postgresql";
const PACKAGE_USER = "postgres";
const USER = "tiro";
const PASSWORD = "pass-word-4711";

/** The newest installed. */
function programs(): string | undefined {
  try {
    const [newest] = [...Deno.readDirSync(VERSIONS)].map(({ name }) => Number(name)).toSorted((a, b) =>
      b - a
    );
    const folder = `${VERSIONS}/${newest}/bin`;
    return Deno.statSync(`${folder}/initdb`).isFile ? folder : undefined;
  } catch {
    return undefined;
  }
}

export const isPostgresInstalled = programs() !== undefined;

/** As the package's user. */
function command(program: string, args: readonly string[], options: Deno.CommandOptions): Deno.Command {
  const isRoot = Deno.uid() === 0;
  return new Deno.Command(isRoot ? "runuser" : program, {
    args: isRoot ? ["-u", PACKAGE_USER, "--", program, ...args] : [...args],
    cwd: "/",
    env: { LC_ALL: "C" },
    ...options,
  });
}

async function run(program: string, args: readonly string[]): Promise<void> {
  const path = `${programs()}/${program}`;
  const { code, stderr } = await command(path, args, { stdin: "null", stdout: "null", stderr: "piped" })
    .output();
  if (code !== 0) throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}

/** Ends the server at once when its standard input ends, which it does with the process of the tests, however that ends. */
const WATCHED = '"$@" & read _; kill -QUIT $!; wait';
const START_MS = 60_000;

export class PostgresServer implements AsyncDisposable {
  #databases = 0;
  #process: Deno.ChildProcess | undefined;

  private constructor(
    readonly folder: string,
    private readonly ports: ClaimedPorts,
    readonly port: number,
  ) {}

  /** `tls`: with this certificate, besides connections without TLS. */
  static async start(tls?: { cert: string; key: string }): Promise<PostgresServer> {
    const ports = ClaimedPorts.claim();
    const folder = await Deno.makeTempDir({ prefix: "tiro-postgres-" });
    const server = new PostgresServer(folder, ports, ports.next());
    await Deno.writeTextFile(`${folder}/password`, PASSWORD);
    if (tls) await Deno.writeTextFile(`${folder}/server.crt`, tls.cert);
    if (tls) await Deno.writeTextFile(`${folder}/server.key`, tls.key, { mode: 0o600 });
    if (Deno.uid() === 0) {
      await new Deno.Command("chown", { args: ["-R", `${PACKAGE_USER}:`, folder] }).output();
    }
    const options = ["--auth=scram-sha-256", `--pwfile=${folder}/password`, "--no-sync", "--encoding=UTF8"];
    await run("initdb", ["-D", `${folder}/data`, "-U", USER, ...options, "--locale=C.UTF-8"]);
    const settings = [
      `ssl_cert_file = '${folder}/server.crt'`,
      `ssl_key_file = '${folder}/server.key'`,
      "ssl = on",
    ];
    if (tls) {
      await Deno.writeTextFile(`${folder}/data/postgresql.conf`, settings.join("\n"), { append: true });
    }
    await server.resume();
    return server;
  }

  /** A new, empty database. */
  async url(options = ""): Promise<string> {
    const name = `tiro_${++this.#databases}`;
    await this.query(`CREATE DATABASE ${name}`);
    return `${this.address(name)}${options}`;
  }

  address(database: string, password = PASSWORD): string {
    return `postgres://${USER}:${password}@127.0.0.1:${this.port}/${database}`;
  }

  /** By psql, as an operator would. */
  async query(sql: string, url = this.address("postgres")): Promise<string> {
    const { code, stdout, stderr } = await new Deno.Command(`${programs()}/psql`, {
      args: ["--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-tAc", sql, url],
      stdin: "null",
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  }

  /** At once, as if it had crashed. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (!process) return;
    this.#process = undefined;
    await process.stdin.close();
    await process.status;
  }

  async resume(): Promise<void> {
    const settings = ["listen_addresses=127.0.0.1", "max_connections=40"].flatMap((each) => ["-c", each]);
    const place = ["-D", `${this.folder}/data`, "-p", `${this.port}`, "-k", this.folder];
    this.#process = command("sh", ["-c", WATCHED, "sh", `${programs()}/postgres`, ...place, ...settings], {
      stdin: "piped",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const signal = AbortSignal.timeout(START_MS);
    while (!await this.#accepts()) await delay(50, signal);
  }

  async #accepts(): Promise<boolean> {
    const { success } = await new Deno.Command(`${programs()}/pg_isready`, {
      args: ["-q", "-h", "127.0.0.1", "-p", `${this.port}`],
    }).output();
    return success;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.ports[Symbol.dispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}
