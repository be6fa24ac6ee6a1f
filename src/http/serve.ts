/**
 * The listening socket, an address or a Unix socket: opened here, closed with its owner. A socket file that nobody
 * listens on any more is taken over; anything else in its place is left alone. `node:http` reads the requests and not
 * `Deno.serve`, which has no bound on the time of a head, on idle connections or their number, and ends for good with
 * the first connection it cannot accept: docs/decisions/0023-http-server.md.
 */
import { type Log, type Meter, TiroError } from "../domain/mod.ts";
import { Accepting } from "./accepting.ts";
import type { HttpApp } from "./app.ts";
import type { ConnectionBounds } from "./connections.ts";
import { HttpConnections } from "./http_connections.ts";

/** The address could not be listened on; the message says what to change. */
export class ListenError extends TiroError {}

export interface ServeOptions {
  app: HttpApp;
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Absolute path; listened on instead of the address. */
  unixSocket?: string;
  /** Where they are not to be those of LIMITS. */
  bounds?: Partial<ConnectionBounds>;
  /** Owns the server: what is deferred to it runs when it ends (a Scope of `flow/`). */
  scope: { defer(cleanup: () => Promise<void>): void };
  log: Log;
  meter: Pick<Meter, "count" | "gauge">;
}

/** Where the service listens; with a Unix socket there only. */
export interface ListenAddress {
  host: string;
  /** The real one, also where 0 was asked for; 0 where a Unix socket is listened on. */
  port: number;
  unixSocket?: string;
}

export interface HttpServer {
  readonly address: ListenAddress;
}

/** The owner and the group: the proxy beside us (HaRP's frpc) may run as another user. */
const SOCKET_MODE = 0o660;

/** Listens until the scope ends. Rejects with ListenError. */
export async function serveHttp(options: ServeOptions): Promise<HttpServer> {
  const { host, port, unixSocket, scope, log, meter } = options;
  let listener: Listener;
  try {
    listener = unixSocket === undefined ? listenAt(host, port) : await listenOnSocket(unixSocket);
  } catch (error) {
    throw listenError(error, unixSocket ?? `${host}:${port}`);
  }
  const { addr } = listener;
  const address = "path" in addr
    ? { host, port: 0, unixSocket: addr.path }
    : { host: addr.hostname, port: addr.port };
  const server = new HttpConnections(options);
  const accepting = new Accepting({
    listener,
    reopen: async () =>
      unixSocket === undefined ? listenAt(host, address.port) : await listenOnSocket(unixSocket),
    onConnection: (connection) => server.take(connection),
    onExhausted: () => server.shed(),
    log,
    meter,
  });
  scope.defer(async () => {
    // While it is still ours: once nobody listens there, the next process may take its place.
    if (unixSocket !== undefined) await Deno.remove(unixSocket).catch(() => {}); // somebody tidied up before us
    await accepting.close();
    await server.close();
  });
  return { address };
}

type Listener = Deno.TcpListener | Deno.UnixListener;

function listenAt(hostname: string, port: number): Deno.TcpListener {
  return Deno.listen({ hostname, port });
}

async function listenOnSocket(path: string): Promise<Deno.UnixListener> {
  await removeStale(path);
  const listener = Deno.listen({ transport: "unix", path });
  try {
    await Deno.chmod(path, SOCKET_MODE);
    return listener;
  } catch (error) {
    listener.close(); // it listens, but could not be opened to the group
    throw error;
  }
}

/** Removes the socket of a process that ended without doing so itself. Rejects with AddrInUse where one still listens. */
async function removeStale(path: string): Promise<void> {
  const found = await Deno.lstat(path).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket) throw new Deno.errors.AddrInUse("not a socket");
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return await Deno.remove(path);
    throw error;
  }
  throw new Deno.errors.AddrInUse("somebody listens");
}

/** What to change; as an ExApp the second of each stands instead of the first. */
const HOST = "HOST, or APP_HOST as an ExApp,";
const PORT = "PORT, or APP_PORT as an ExApp,";

function listenError(error: unknown, where: string): ListenError {
  const isSocket = where.startsWith("/");
  const [code, why] = error instanceof Deno.errors.AddrInUse
    ? ["address_in_use", `something else is there; set ${isSocket ? "HP_EXAPP_SOCK" : PORT} to a free one`]
    : error instanceof Deno.errors.PermissionDenied
    ? [
      "not_permitted",
      isSocket
        ? "not permitted; set HP_EXAPP_SOCK to a path in a folder this user may write to"
        : `not permitted; ports below 1024 are privileged, set ${PORT} to a higher one`,
    ]
    : error instanceof Deno.errors.NotCapable
    ? [
      "not_permitted",
      "Tiro's permissions leave it out; set HP_EXAPP_SOCK to a path that docs/THREATS.md lists",
    ]
    : error instanceof Deno.errors.AddrNotAvailable
    ? ["address_not_available", `this machine has no such address; set ${HOST} to one it has, or to 0.0.0.0`]
    : ["listen", `set ${isSocket ? "HP_EXAPP_SOCK" : `${HOST} and ${PORT}`} to an address of this machine`];
  return new ListenError(`Cannot listen on ${where}: ${why}`, { code, retryable: false, cause: error });
}
