/** The opening handshake of a WebSocket (RFC 6455, section 4.2), and the responses to requests that are none. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { UnavailableError } from "../domain/mod.ts";
import { HttpError, type HttpFault } from "./errors.ts";
import { pathPattern } from "./route_group.ts";
import type { SocketRoute } from "./socket_route.ts";

const VERSION = "13";
/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;
/** RFC 9110, section 5.6.2. */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** Whether the request is the handshake of one of the routes. */
export class SocketRoutes {
  readonly #routes: readonly { socket: SocketRoute; path: RegExp }[];

  constructor(sockets: readonly SocketRoute[], private readonly acceptingWork: () => boolean) {
    this.#routes = sockets.map((socket) => ({ socket, path: pathPattern(socket.route) }));
  }

  /** Undefined: `refuse` or another route has the response. */
  of({ method, url, headers }: Request): SocketRoute | undefined {
    if (method !== "GET" || !this.acceptingWork() || faultOf(headers)) return undefined;
    const { pathname } = new URL(url);
    return this.#routes.find(({ path }) => path.test(pathname))?.socket;
  }

  /** Adds the responses to requests for which `of` has no route. */
  addTo(app: OpenAPIHono): void {
    for (const { socket } of this.#routes) {
      app.get(socket.route.getRoutingPath(), ({ req }) => {
        const fault = faultOf(req.raw.headers);
        if (fault) throw new HttpError(fault);
        // A valid one arrives here while the service shuts down, or from a client behind something that upgrades nothing.
        throw new UnavailableError("Cannot open the WebSocket: shutting down", "draining");
      });
    }
  }
}

/** The subprotocols that a client offers, in its order; undefined: the header is invalid. */
function offeredProtocols(headers: Headers): Set<string> | undefined {
  const header = headers.get("sec-websocket-protocol");
  if (header === null) return new Set();
  const names = header.split(",").map((name) => name.trim());
  const isValid = names.every((name) => TOKEN.test(name)) && new Set(names).size === names.length;
  return isValid ? new Set(names) : undefined;
}

function faultOf(headers: Headers): HttpFault | undefined {
  if (!hasToken(headers, "connection", "upgrade") || !hasToken(headers, "upgrade", "websocket")) {
    return {
      status: 426,
      message: "expected the handshake of a WebSocket",
      headers: { upgrade: "websocket" },
    };
  }
  if (headers.get("sec-websocket-version") !== VERSION) {
    return {
      status: 426,
      message: `sec-websocket-version: expected ${VERSION}`,
      headers: { upgrade: "websocket", "sec-websocket-version": VERSION },
    };
  }
  if (!KEY.test(headers.get("sec-websocket-key") ?? "")) {
    return { status: 400, message: "sec-websocket-key: expected 16 bytes in base64" };
  }
  if (!offeredProtocols(headers)) {
    return { status: 400, message: "sec-websocket-protocol: expected different names, separated by commas" };
  }
  return undefined;
}

function hasToken(headers: Headers, name: string, token: string): boolean {
  return (headers.get(name) ?? "").split(",").some((each) => each.trim().toLowerCase() === token);
}
