/**
 * npm's oidc-provider, an OpenID provider that others wrote and certified, as a process of its own: this file is both the
 * process and what tests start it by. The package is one of the tests alone, with forty that it needs, so it is not in
 * deno.json: its versions are in oidc_provider.lock, and Deno fetches it when it first runs.
 */
import { ClaimedPorts } from "../fakes/ports.ts";
import { acceptsTcp, ServerProcess } from "./server_process.ts";

const PACKAGE = "npm:oidc-provider@9.13.3";

const CLIENT = { id: "tiro-app", secret: "of-the-client-0123456789abcdef" };
const REALM_PATH = "/realms/school";
const ROOT = new URL("../..", import.meta.url).pathname;
/** The repository's own configuration does not apply to it. */
const FLAGS = [
  "run",
  "--quiet",
  "--no-prompt",
  "--no-check",
  "--no-config",
  "--node-modules-dir=none",
  `--lock=${ROOT}tests/real/oidc_provider.lock`,
  "--frozen",
  "--allow-net=127.0.0.1",
  "--allow-env",
  "--allow-read",
  "--allow-sys",
];
const argsFor = (...args: string[]) => [...FLAGS, `${ROOT}tests/real/oidc_provider.ts`, ...args];

/** Whether it is cached, or can be fetched. */
export async function isOidcProviderHere(): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), { args: argsFor("--version") }).output();
  return success;
}

/** One realm at one address, whose process can be stopped and started with other keys. */
export class OidcProvider implements AsyncDisposable {
  readonly #ports = ClaimedPorts.claim();
  readonly #port = this.#ports.next();
  readonly #logPath = Deno.makeTempFileSync();
  #process: ServerProcess | undefined;

  get url(): string {
    return `http://127.0.0.1:${this.#port}${REALM_PATH}`;
  }

  /** `keys`: private JWKs, each with `alg` and `kid`. */
  async start(keys: readonly object[]): Promise<void> {
    this.#process = await ServerProcess.start({
      name: "oidc-provider",
      executable: Deno.execPath(),
      args: argsFor(String(this.#port), JSON.stringify({ keys })),
      logPath: this.#logPath,
      isReady: () => acceptsTcp(this.#port),
    });
  }

  async stop(): Promise<void> {
    await this.#process?.kill();
    this.#process = undefined;
  }

  /** By the client credentials grant (RFC 6749, 4.4), for a resource (RFC 8707), signed with `alg`. */
  async token(alg: string): Promise<string> {
    const response = await fetch(`${this.url}/token`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${CLIENT.id}:${CLIENT.secret}`)}` },
      body: new URLSearchParams({ grant_type: "client_credentials", resource: `urn:alg:${alg}` }),
    });
    const { access_token: token } = await response.json();
    if (typeof token !== "string") throw new Error(`Cannot get a token: ${response.status}`);
    return token;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#ports[Symbol.dispose]();
    await Deno.remove(this.#logPath);
  }
}

if (import.meta.main) {
  const [port, keys] = Deno.args;
  // By a name that is not a literal: type checks of the tests load nothing.
  const name: string = PACKAGE;
  const { Provider } = await import(name);
  if (port === "--version") Deno.exit(0);
  const provider = new Provider(`http://127.0.0.1:${port}${REALM_PATH}`, {
    jwks: JSON.parse(keys),
    clients: [{
      client_id: CLIENT.id,
      client_secret: CLIENT.secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    }],
    scopes: ["captions"],
    extraTokenClaims: () => ({ user_id: "alice", opco_id: "north" }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx: unknown, resource: string) => ({
          scope: "captions",
          audience: "tiro",
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: resource.slice("urn:alg:".length) } },
        }),
      },
    },
  });
  // Below a path, as a realm of Keycloak is.
  const { createServer } = await import("node:http");
  const answer = provider.callback();
  createServer((request, response) => {
    const originalUrl = request.url ?? "";
    request.url = originalUrl.replace(REALM_PATH, "");
    answer(Object.assign(request, { originalUrl }), response);
  }).listen(Number(port), "127.0.0.1");
}
