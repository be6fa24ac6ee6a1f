/** From accepted connections to the app and back: `node:http` parses requests, `Connections` enforces the bounds. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { LIMITS, type Log, type Meter, TiroError } from "../domain/mod.ts";
import type { HttpApp } from "./app.ts";
import { type Accepted, ConnectionStream } from "./connection_stream.ts";
import {
  type Connection,
  CONNECTION_BOUNDS,
  type ConnectionBounds,
  Connections,
  sourceOf,
} from "./connections.ts";
import { RETRY_AFTER_S } from "./errors.ts";
import { copyHead, sendResponse, toRequest } from "./node_request.ts";
import { Sockets, type Upgrade } from "./sockets.ts";
import { isEventStream, isStream, sendStream } from "./streams.ts";

export interface HttpConnectionsOptions {
  app: HttpApp;
  bounds?: Partial<ConnectionBounds>;
  log: Log;
  meter: Pick<Meter, "count" | "gauge" | "gaugeBy">;
}

/** For pending responses when the server closes; well within the 5 s from SIGTERM to exit. */
const CLOSE_GRACE_MS = 1_000;

export class HttpConnections {
  readonly #options: HttpConnectionsOptions;
  readonly #connections: Connections;
  /** One for each stream whose descriptor is still open. */
  readonly #open = new Set<Promise<void>>();
  readonly #answering = new Set<Promise<void>>();
  readonly #gauges: Disposable[];
  /** Aborted when the server closes: ends streams. */
  readonly #closing = new AbortController();
  readonly #bounds: ConnectionBounds;
  readonly #sockets: Sockets;
  readonly #http: Server;

  constructor(options: HttpConnectionsOptions) {
    const { log, meter } = options;
    const bounds = this.#bounds = { ...CONNECTION_BOUNDS, ...options.bounds };
    this.#options = options;
    this.#connections = new Connections(
      bounds,
      (reason) => meter.count("tiro_http_connections_closed_total", reason),
    );
    this.#sockets = new Sockets({ most: bounds.sockets, pingMs: bounds.pingMs, log, meter });
    const serverOptions = {
      maxHeaderSize: LIMITS.httpHeadBytes,
      // A missing Host is refused by toRequest(), like other invalid requests.
      requireHostHeader: false,
      // Any other `Upgrade` is ignored: the request gets a response of HTTP/1.1. Not in Deno's types of `node:http`.
      shouldUpgradeCallback: (incoming: IncomingMessage) => this.#upgradeOf(incoming) !== undefined,
    };
    this.#http = createServer(serverOptions, (incoming, outgoing) => this.#receive(incoming, outgoing));
    this.#gauges = [
      meter.gauge("tiro_http_connections", "Connections to the REST API", () => this.#connections.size),
      meter.gauge("tiro_http_streams", "Connections that receive events", () => this.#connections.streams),
    ];
    // For expectations other than 100-continue node:http would send a response itself, outside the bounds.
    this.#http.on("checkExpectation", (incoming, outgoing) => this.#receive(incoming, outgoing));
    this.#http.on("clientError", (error, socket) => this.#refuse(error, socket));
    this.#http.on("upgrade", (incoming, _socket, head) => this.#upgrade(incoming, head));
  }

  take(accepted: Accepted): void {
    const stream = new ConnectionStream(accepted);
    const released = stream.released.finally(() => this.#open.delete(released));
    this.#open.add(released);
    if (this.#connections.add(stream, sourceOf(accepted.remoteAddr))) this.#http.emit("connection", stream);
    else stream.destroy();
  }

  /** Closes a connection that waits for its client, which frees a descriptor. */
  shed(): void {
    this.#connections.shed();
  }

  /** Waits for pending responses, and for clients to close their WebSockets, within CLOSE_GRACE_MS; then closes all. */
  async close(): Promise<void> {
    this.#closing.abort();
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, CLOSE_GRACE_MS);
    await Promise.all([
      Promise.race([Promise.all(this.#answering), late.promise]),
      this.#sockets.close(late.promise),
    ]);
    clearTimeout(timer);
    this.#connections.closeAll();
    await Promise.all([...this.#open, ...this.#answering]);
    for (const gauge of this.#gauges) gauge[Symbol.dispose]();
  }

  /** Of a handshake that is accepted; undefined for other requests. */
  #upgradeOf(incoming: IncomingMessage) {
    const connection = this.#connections.of(incoming.socket);
    // Other methods may have a body, which only one Request may read.
    if (incoming.method !== "GET" || connection?.state !== "head" || this.#closing.signal.aborted) {
      return undefined;
    }
    const request = toRequest(incoming);
    const route = request && this.#options.app.socketFor?.(request);
    return route && this.#sockets.hasRoom(route) ? { connection, request, route } : undefined;
  }

  #upgrade(incoming: IncomingMessage, head: Upgrade["head"]): void {
    const accepted = this.#upgradeOf(incoming);
    if (!accepted) return void incoming.socket.destroy();
    const { connection: { stream, source }, request: { url, headers }, route } = accepted;
    this.#connections.upgraded(accepted.connection);
    this.#sockets.accept(route, { url: new URL(url), headers, source }, { incoming, stream, head });
  }

  #receive(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const connection = this.#connections.of(incoming.socket);
    if (connection?.state !== "head") return; // the first request is the only one
    const answering = this.#answer(connection, incoming, outgoing).finally(() =>
      this.#answering.delete(answering)
    );
    this.#answering.add(answering);
  }

  /** Never rejects. Resolves when the response is sent or the client has disconnected. */
  async #answer(connection: Connection, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { stream } = connection;
    const sent = new Promise<void>((resolve) => {
      outgoing.once("close", resolve);
      stream.once("close", resolve);
    });
    this.#connections.working(connection);
    outgoing.shouldKeepAlive = false;
    try {
      const response = await this.#responseTo(incoming, connection);
      await this.#send(response, outgoing, connection);
    } catch (error) {
      const { log, meter } = this.#options;
      if (error instanceof TiroError) { // what the source of a stream depends on has failed
        log.warn("response cut short", { code: error.code });
      } else {
        log.error("request failed", error);
        meter.count("tiro_internal_errors_total", "http");
      }
      stream.destroy();
    }
    await sent;
    // Discard what the client still sends: a close with unread data would reset the response.
    incoming.removeAllListeners("data").resume();
    this.#connections.lingering(connection);
  }

  async #send(response: Response, outgoing: ServerResponse, connection: Connection): Promise<void> {
    if (!isStream(response) || !response.body) {
      this.#connections.sending(connection);
      return await sendResponse(response, outgoing);
    }
    if (!this.#connections.streaming(connection)) {
      await response.body.cancel();
      return await this.#send(tooMany("Cannot send events: too many receive them"), outgoing, connection);
    }
    copyHead(response, outgoing);
    await sendStream(response, outgoing, connection.stream, {
      stallMs: this.#bounds.sendMs,
      onStalled: () => this.#options.meter.count("tiro_http_connections_closed_total", "not_read"),
      ...(isEventStream(response) && { idleMs: this.#bounds.idleMs }),
      signal: this.#closing.signal,
    });
    this.#connections.streamed(connection);
  }

  async #responseTo(incoming: IncomingMessage, connection: Connection): Promise<Response> {
    if (this.#closing.signal.aborted) return Response.json({ error: "shutting down" }, { status: 503 });
    const request = toRequest(incoming);
    const { source } = connection;
    const hold = (ms: number) => this.#connections.hold(connection, ms);
    const { app, meter } = this.#options;
    if (request && app.socketFor?.(request)) {
      meter.count("tiro_http_requests_total", "503");
      return tooMany("Cannot open the WebSocket: there are too many");
    }
    if (request) return await app.fetch(request, { source, hold });
    meter.count("tiro_http_requests_total", "400");
    return Response.json({ error: "not a request to this service" }, { status: 400 });
  }

  /** Invalid HTTP, or too large a head. */
  #refuse(error: Error & { code?: string }, socket: Duplex): void {
    const connection = this.#connections.of(socket);
    if (!connection) return;
    if (connection.state === "streaming") return void connection.stream.destroy();
    const isParsed = error.code?.startsWith("HPE_");
    if (!isParsed || !socket.writable) return void connection.stream.destroy();
    const status = error.code === "HPE_HEADER_OVERFLOW"
      ? "431 Request Header Fields Too Large"
      : "400 Bad Request";
    this.#options.meter.count("tiro_http_requests_total", status.slice(0, 3));
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    this.#connections.lingering(connection);
  }
}

function tooMany(error: string): Response {
  return Response.json({ error }, { status: 503, headers: { "retry-after": RETRY_AFTER_S } });
}
