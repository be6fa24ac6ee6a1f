/**
 * A real Keycloak as a process of its own, with a database in a folder of its own. It is used where a distribution of it
 * (`org.keycloak:keycloak-quarkus-dist` of Maven Central, which needs Java 17 or later) is in KEYCLOAK_HOME, or in
 * `.cache/keycloak`; what `kc.sh build` makes is written there too. `scripts/test` does not install it.
 */
import { ClaimedPorts } from "../fakes/ports.ts";
import { acceptsTcp, answersOk, polled, ServerProcess, tailOf } from "./server_process.ts";

const HOME = Deno.env.get("KEYCLOAK_HOME") ?? new URL("../../.cache/keycloak", import.meta.url).pathname;
const ADMIN = { name: "admin", password: "pass-word-4711" };
export const USER = { name: "alice", password: "pass-word-0815" };
/** It makes its tables at the first start. */
const READY_MS = 180_000;

/** Why it cannot be used here. */
export const keycloakMissing = missing();

function missing(): string | undefined {
  try {
    Deno.statSync(`${HOME}/lib/quarkus-run.jar`);
  } catch {
    return "no Keycloak in .cache/keycloak or KEYCLOAK_HOME";
  }
  try {
    return new Deno.Command("java", { args: ["-version"] }).outputSync().success ? undefined : "no Java";
  } catch {
    return "no Java";
  }
}

export type Json = Record<string, unknown>;

export interface Tokens {
  access_token: string;
  id_token: string;
  refresh_token: string;
}

/** How a request was answered. */
interface Answer {
  status: number;
  json: unknown;
}

export class Keycloak implements AsyncDisposable {
  readonly #ports = ClaimedPorts.claim();
  readonly #port = this.#ports.next();
  readonly #management = this.#ports.next();
  readonly #folder = Deno.makeTempDirSync();
  #process: ServerProcess | undefined;

  async build(): Promise<void> {
    const args = ["build", "--db=dev-file", "--cache=local"];
    const { success, stdout, stderr } = await new Deno.Command(`${HOME}/bin/kc.sh`, { args }).output();
    if (success) return;
    throw new Error(
      `Cannot build Keycloak: ${new TextDecoder().decode(stdout)}${new TextDecoder().decode(stderr)}`,
    );
  }

  /** `hostname`: in its tokens; default: the one it is asked by. */
  async start(hostname?: string): Promise<void> {
    const opens = ["util", "util.concurrent", "security", "lang"].map((name) => `java.base/java.${name}`);
    this.#process = await ServerProcess.start({
      name: "Keycloak",
      executable: "java",
      // As bin/kc.sh starts it, which would leave it behind where it is killed.
      args: [
        ...["-Xms64m", "-Xmx512m", "-XX:MaxMetaspaceSize=256m", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8"],
        ...opens.map((name) => `--add-opens=${name}=ALL-UNNAMED`),
        `-Dkc.home.dir=${HOME}`,
        "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
        "-Dquarkus-log-max-startup-records=10000",
        ...["-cp", `${HOME}/lib/quarkus-run.jar`, "io.quarkus.bootstrap.runner.QuarkusEntryPoint"],
        ...["start", "--optimized", "--http-enabled=true", "--http-host=127.0.0.1"],
        `--http-port=${this.#port}`,
        `--http-management-port=${this.#management}`,
        ...hostname === undefined ? ["--hostname-strict=false"] : [`--hostname=${hostname}`],
        `--db-url=jdbc:h2:file:${this.#folder}/keycloak;NON_KEYWORDS=VALUE`,
        `--bootstrap-admin-username=${ADMIN.name}`,
        `--bootstrap-admin-password=${ADMIN.password}`,
      ],
      logPath: this.#log,
      isReady: () => answersOk(`${this.#origin}/realms/master`),
      readyWithinMs: READY_MS,
    });
  }

  /** Its database is written before it ends. */
  async stop(): Promise<void> {
    if (!this.#process) return;
    Deno.kill(this.#process.pid, "SIGTERM");
    await polled("Keycloak to end", 30_000, async () => !await acceptsTcp(this.#port));
    await polled("its database to be closed", 30_000, async () => /stopped in/.test(await tailOf(this.#log)));
    await this.#process.kill();
    this.#process = undefined;
    await Deno.truncate(this.#log);
  }

  /** As VOICE_JWT_ISSUER. */
  realm(name: string): string {
    return `${this.#origin}/realms/${name}`;
  }

  /** By the admin's REST API, below `/admin/realms`. Throws where it refuses. */
  async admin(method: string, path: string, body?: unknown): Promise<unknown> {
    const { access_token } = await this.#grant("master", "admin-cli", ADMIN);
    const { status, json } = await this.#ask(`${this.#origin}/admin/realms${path}`, {
      method,
      headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (status >= 300) throw new Error(`Cannot ${method} ${path}: ${status} ${JSON.stringify(json)}`);
    return json;
  }

  /** Of its user, by the password grant (RFC 6749, 4.3). */
  tokens(realm: string, client: string): Promise<Tokens> {
    return this.#grant(realm, client, USER);
  }

  async logOut(realm: string, client: string, { refresh_token }: Tokens): Promise<void> {
    const body = new URLSearchParams({ client_id: client, refresh_token });
    const url = `${this.realm(realm)}/protocol/openid-connect/logout`;
    const { status } = await this.#ask(url, { method: "POST", body });
    if (status !== 204) throw new Error(`Cannot log out: ${status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process?.kill();
    this.#ports[Symbol.dispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }

  get #origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get #log(): string {
    return `${this.#folder}/log`;
  }

  async #grant(realm: string, client: string, { name, password }: typeof USER): Promise<Tokens> {
    const { status, json } = await this.#ask(`${this.realm(realm)}/protocol/openid-connect/token`, {
      method: "POST",
      body: new URLSearchParams({
        ...{ grant_type: "password", client_id: client, scope: "openid" },
        ...{ username: name, password },
      }),
    });
    const { access_token = "", id_token = "", refresh_token = "" } = json as Partial<Tokens>;
    if (access_token === "") throw new Error(`Cannot get a token: ${status} ${JSON.stringify(json)}`);
    return { access_token, id_token, refresh_token };
  }

  async #ask(url: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(url, init);
    const text = await response.text();
    return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
  }
}
