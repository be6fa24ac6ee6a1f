/** The listening socket: opened here, closed with its owner. */
import { type Log, TiroError } from "../domain/mod.ts";
import type { HttpApp } from "./app.ts";

/** The address could not be listened on; the message says what to change. */
export class ListenError extends TiroError {}

export interface ServeOptions {
  app: HttpApp;
  host: string;
  /** 0 takes a free one. */
  port: number;
  /** Owns the server: what is deferred to it runs when it ends (a Scope of `flow/`). */
  scope: { defer(cleanup: () => Promise<void>): void };
  log: Log;
}

export interface HttpServer {
  /** The real one, also where port 0 was asked for. */
  readonly address: Deno.NetAddr;
}

/** Answers under way get this long when the server closes, well inside the 5 s from SIGTERM to exit. */
const CLOSE_GRACE_MS = 1_000;

/** Listens until the scope ends. Throws ListenError. */
export function serveHttp({ app, host, port, scope, log }: ServeOptions): HttpServer {
  const closed = new AbortController();
  const underWay = new Set<Promise<void>>();
  let isClosing = false;
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: host,
      port,
      signal: closed.signal,
      onListen: () => {},
      onError: (error) => {
        log.error("Request failed", error);
        return Response.json({ error: "internal error" }, { status: 500 });
      },
    }, (request, { completed }) => {
      if (isClosing) return Response.json({ error: "shutting down" }, { status: 503 });
      const sent = completed.catch(() => {}).finally(() => underWay.delete(sent)); // rejects when the caller left
      underWay.add(sent);
      return app.fetch(request);
    });
  } catch (error) {
    throw listenError(error, host, port);
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
  });
  return { address: server.addr };
}

function listenError(error: unknown, host: string, port: number): ListenError {
  const [code, why] = error instanceof Deno.errors.AddrInUse
    ? ["address_in_use", "something else listens there; set PORT to a free one"]
    : error instanceof Deno.errors.PermissionDenied
    ? ["not_permitted", "not permitted; ports below 1024 are privileged, set PORT to a higher one"]
    : error instanceof Deno.errors.AddrNotAvailable
    ? ["address_not_available", "this machine has no such address; set HOST to one it has, or to 0.0.0.0"]
    : ["listen", "set HOST and PORT to an address of this machine"];
  return new ListenError(`Cannot listen on ${host}:${port}: ${why}`, {
    code,
    retryable: false,
    cause: error,
  });
}
