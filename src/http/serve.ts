/**
 * The listening socket, TCP or Unix: opened here, closed with its scope. A stale socket file is replaced; another file in
 * its place is not. Why not `Deno.serve`: docs/decisions/0023-http-server.md.
 */
import { type Log, type Meter, TiroError } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import { Accepting } from "./accepting.ts";
import type { HttpApp } from "./app.ts";
import type { ConnectionBounds } from "./connections.ts";
import { HttpConnections } from "./http_connections.ts";

/** The message says which variable to change. */
export class ListenError extends TiroError {}

export interface ServeOptions {
  app: HttpApp;
  host: string;
  /** 0: any free one. */
  port: number;
  /** Absolute path, instead of the address. */
  unixSocket?: string;
  /** Default: those of LIMITS. */
  bounds?: Partial<ConnectionBounds>;
  /** Owns the server. */
  scope: Pick<Scope, "defer">;
  log: Log;
  meter: Pick<Meter, "count" | "gauge" | "gaugeBy">;
}

/** With a Unix socket no address is listened on. */
export interface ListenAddress {
  host: string;
  /** The bound port; 0 with a Unix socket. */
  port: number;
  unixSocket?: string;
}

export interface HttpServer {
  readonly address: ListenAddress;
}

/** Owner and group: the proxy on the same machine may run as another user. */
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
    // Before the listener closes: afterwards the file may be another process'.
    if (unixSocket !== undefined) await Deno.remove(unixSocket).catch(() => {}); // already removed
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
    listener.close();
    throw error;
  }
}

/** Removes the socket file that a process left. Rejects with AddrInUse where a process still listens. */
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

/** What to change; the second variable of each applies to an ExApp. */
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
    : error instanceof Deno.errors.AddrNotAvailable
    ? ["address_not_available", `this machine has no such address; set ${HOST} to one it has, or to 0.0.0.0`]
    : ["listen", `set ${isSocket ? "HP_EXAPP_SOCK" : `${HOST} and ${PORT}`} to an address of this machine`];
  return new ListenError(`Cannot listen on ${where}: ${why}`, { code, retryable: false, cause: error });
}
