/**
 * The listening socket, an address or a Unix socket: opened here, closed with its owner. A socket file that nobody
 * listens on any more is taken over; anything else in its place is left alone.
 */
import { type Log, TiroError } from "../domain/mod.ts";
import type { HttpApp } from "./app.ts";

/** The address could not be listened on; the message says what to change. */
export class ListenError extends TiroError {}

export interface ServeOptions {
  app: HttpApp;
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Absolute path; listened on instead of the address. */
  unixSocket?: string;
  /** Owns the server: what is deferred to it runs when it ends (a Scope of `flow/`). */
  scope: { defer(cleanup: () => Promise<void>): void };
  log: Log;
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

/** Answers under way get this long when the server closes, well inside the 5 s from SIGTERM to exit. */
const CLOSE_GRACE_MS = 1_000;

/** The owner and the group: the proxy beside us (HaRP's frpc) may run as another user. */
const SOCKET_MODE = 0o660;

/** Listens until the scope ends. Rejects with ListenError. */
export async function serveHttp(options: ServeOptions): Promise<HttpServer> {
  const { app, host, port, unixSocket, scope, log } = options;
  const closed = new AbortController();
  const underWay = new Set<Promise<void>>();
  let isClosing = false;
  const common = {
    signal: closed.signal,
    onListen: () => {},
    onError: (error: unknown) => {
      log.error("Request failed", error);
      return Response.json({ error: "internal error" }, { status: 500 });
    },
  };
  const handler = (request: Request, { completed }: { completed: Promise<void> }) => {
    if (isClosing) return Response.json({ error: "shutting down" }, { status: 503 });
    const sent = completed.catch(() => {}).finally(() => underWay.delete(sent)); // rejects when the caller left
    underWay.add(sent);
    return app.fetch(request);
  };
  let server: Deno.HttpServer<Deno.NetAddr | Deno.UnixAddr>;
  try {
    if (unixSocket === undefined) server = Deno.serve({ ...common, hostname: host, port }, handler);
    else {
      await removeStale(unixSocket);
      server = Deno.serve({ ...common, path: unixSocket }, handler);
      await Deno.chmod(unixSocket, SOCKET_MODE);
    }
  } catch (error) {
    closed.abort(); // where it listens, but the socket could not be opened to the group
    throw listenError(error, unixSocket ?? `${host}:${port}`);
  }
  scope.defer(async () => {
    isClosing = true;
    const grace = Promise.withResolvers<"late">();
    const timer = setTimeout(() => grace.resolve("late"), CLOSE_GRACE_MS);
    const end = await Promise.race([Promise.all(underWay), grace.promise]);
    clearTimeout(timer);
    // `shutdown` puts the last bytes on the wire, but waits for as long as a caller cares to send its request, and
    // cannot be hurried once called; so whoever is late is cut off instead.
    if (end === "late") closed.abort();
    else await server.shutdown();
    await server.finished;
    if (unixSocket !== undefined) await Deno.remove(unixSocket).catch(() => {}); // somebody tidied up before us
  });
  const { addr } = server;
  return {
    address: "path" in addr
      ? { host, port: 0, unixSocket: addr.path }
      : { host: addr.hostname, port: addr.port },
  };
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
