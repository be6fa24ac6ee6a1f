/** The service's HTTP server with one route that becomes a WebSocket, and writes down what happens on it. */
import { createRoute } from "@hono/zod-openapi";
import { RIGHTS } from "../../src/domain/mod.ts";
import { Scope } from "../../src/flow/mod.ts";
import { createHttpApp, type RouteGroup, serveHttp, type ServeOptions } from "../../src/http/mod.ts";
import { open, type ServerSocket, type SocketRequest, type SocketRoute } from "../../src/http/mod.ts";
import { FakeLog, FakeMeter } from "./telemetry.ts";

/** With this bearer token a client may do anything. */
export const TOKEN = "right-token-of-some-length";
export const SOCKET_PATH = "/api/v1/echo/{room}";

const route = createRoute({
  method: "get",
  path: SOCKET_PATH,
  ...open,
  responses: { 101: { description: "The WebSocket is open" } },
});

/** A text message, the size of a binary one in words, or the code at the end. */
export type Happening = string | number;

/** One socket as the door has it. */
export class Accepted {
  readonly happenings: Happening[] = [];
  readonly closed = Promise.withResolvers<number>();
  /** Resolved at the next message. */
  #next = Promise.withResolvers<void>();

  constructor(readonly socket: ServerSocket, readonly request: SocketRequest) {}

  message(data: string | Uint8Array): void {
    this.happenings.push(typeof data === "string" ? data : sizeOf(data));
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  get received(): Promise<void> {
    return this.#next.promise;
  }
}

export interface SocketServerOptions
  extends Partial<Pick<SocketRoute, "messageBytes" | "most" | "protocol">> {
  bounds?: ServeOptions["bounds"];
  unixSocket?: string;
  /** Default: what comes is sent back, and binary messages' sizes. */
  onMessage?: (accepted: Accepted, data: string | Uint8Array) => void;
  onOpen?: (accepted: Accepted) => void;
  /** Served besides. */
  groups?: readonly RouteGroup[];
}

export class SocketServer implements AsyncDisposable {
  readonly scope = new Scope("test");
  readonly meter = new FakeMeter();
  readonly log = new FakeLog();
  readonly accepted: Accepted[] = [];
  isDraining = false;
  port = 0;
  #opened = Promise.withResolvers<Accepted>();

  static async start(options: SocketServerOptions = {}): Promise<SocketServer> {
    const server = new SocketServer();
    const { messageBytes = 65_536, most = 100, protocol, bounds, unixSocket, groups = [] } = options;
    const { onMessage = echo, onOpen = () => {} } = options;
    const socket: SocketRoute = {
      ...{ route, messageBytes, most, protocol },
      open(socket, request) {
        const accepted = new Accepted(socket, request);
        server.accepted.push(accepted);
        server.#opened.resolve(accepted);
        server.#opened = Promise.withResolvers();
        onOpen(accepted);
        return {
          message(data) {
            accepted.message(data);
            onMessage(accepted, data);
          },
          closed(code) {
            accepted.happenings.push(code);
            accepted.closed.resolve(code);
          },
        };
      },
    };
    const app = createHttpApp({
      api: { description: "", meanings: {}, security: [], page: "" },
      groups: [{ tags: [], routes: [route], sockets: [socket], addTo() {} }, ...groups],
      version: "1",
      authenticate: (headers) =>
        headers.get("authorization") === `Bearer ${TOKEN}`
          ? { kind: "token", rights: new Set(RIGHTS) }
          : undefined,
      takesToken: true,
      meter: {
        count: server.meter.count.bind(server.meter),
        render: () => Promise.resolve(""),
        contentType: "",
      },
      log: server.log,
      status: () => ({ sessions: 0, speakers: 0, otherBytes: 0, reasons: [], recognisers: [] }),
      acceptingWork: () => !server.isDraining,
    });
    const { scope, log, meter } = server;
    const { address } = await serveHttp({
      app,
      host: "127.0.0.1",
      port: 0,
      unixSocket,
      bounds,
      scope,
      log,
      meter,
    });
    server.port = address.port;
    return server;
  }

  /** The next socket. */
  get opened(): Promise<Accepted> {
    return this.#opened.promise;
  }

  get open(): number {
    return this.meter.gaugesBy.get("tiro_websockets")?.()["api.v1.echo.:room"] ?? 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.scope[Symbol.asyncDispose]();
  }
}

function echo({ socket }: Accepted, data: string | Uint8Array): void {
  socket.send(typeof data === "string" ? data : sizeOf(data));
}

function sizeOf({ length }: Uint8Array): string {
  return `${length} bytes`;
}
