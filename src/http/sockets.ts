/**
 * The WebSockets of all routes: npm `ws` on our own streams. Bounds their number, what is held of a message and of what is
 * sent, and finds clients that are gone. What the messages mean is the door's.
 *
 *     open -> closing (a close frame is sent, LIMITS.socketCloseMs) -> closed
 *       \-> the client's close frame, a frame that is none, the end of TCP -> closed
 */
import type { IncomingMessage } from "node:http";
import { type WebSocket, WebSocketServer } from "ws";
import { LIMITS, type Log, type Meter } from "../domain/mod.ts";
import type { ConnectionStream } from "./connection_stream.ts";
import type { ServerSocket, SocketEvents, SocketRequest, SocketRoute } from "./socket_route.ts";

export interface SocketsOptions {
  /** Of all routes together. */
  most: number;
  pingMs: number;
  log: Log;
  meter: Pick<Meter, "count" | "gaugeBy">;
}

/** Of `node:http`: its request, the stream from now on, and what was read of it behind the request. */
export interface Upgrade {
  incoming: IncomingMessage;
  stream: ConnectionStream;
  head: Parameters<WebSocketServer["handleUpgrade"]>[2];
}

/** `ws` keeps each fragment of a message with all of the read it came in, 16 KB. */
export const FRAGMENTS_MAX = 16;
/** Reads of one frame that are held: those of a slow client are of one byte, and take 256 bytes each. */
const READ_BYTES_MIN = 256;
const READS_SPARE = 64;

/** RFC 6455, section 7.4.1. */
const GOING_AWAY = 1001;
const INTERNAL_ERROR = 1011;
/** RFC 6455, section 5.5: the payload of a control frame without the code. */
const REASON_BYTES_MAX = 123;

export class Sockets {
  readonly #options: SocketsOptions;
  readonly #servers = new Map<SocketRoute, WebSocketServer>();
  readonly #open = new Map<OpenSocket, SocketRoute>();
  readonly #gauge: Disposable;
  readonly #pings: ReturnType<typeof setInterval>;
  #isClosing = false;
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: SocketsOptions) {
    this.#options = options;
    this.#gauge = options.meter.gaugeBy("tiro_websockets", "WebSockets", "path", () => this.#counts());
    this.#pings = setInterval(() => {
      for (const socket of this.#open.keys()) socket.ping();
    }, options.pingMs);
  }

  /** Whether another one is accepted. One that is closing has no more use, and is ended for it. */
  hasRoom(route: SocketRoute): boolean {
    if (this.#isClosing) return false;
    const used = [...this.#open].filter(([socket]) => !socket.isClosing);
    return used.length < this.#options.most && used.filter(([, each]) => each === route).length < route.most;
  }

  /** Completes a handshake that SocketRoutes has checked. Never throws. */
  accept(
    route: SocketRoute,
    request: SocketRequest,
    { incoming, stream, head }: Upgrade,
  ): void {
    const { log, meter } = this.#options;
    try {
      this.#serverOf(route).handleUpgrade(incoming, stream, head, (socket) => {
        meter.count("tiro_http_requests_total", "101");
        const fail = (error: unknown) => {
          log.error("websocket failed", error);
          meter.count("tiro_internal_errors_total", "http");
        };
        if (this.#open.size >= this.#options.most) this.#endOneThatCloses();
        const open = new OpenSocket(socket, stream, fail);
        this.#open.set(open, route);
        socket.once("close", () => {
          this.#open.delete(open);
          if (this.#isClosing && this.#open.size === 0) this.#closed.resolve();
        });
        open.start(() => route.open(open, request));
      });
    } catch (error) {
      log.error("websocket failed", error);
      meter.count("tiro_internal_errors_total", "http");
      stream.destroy();
    }
  }

  /** Closes all with 1001, waits for their clients until `late`, then ends the rest. */
  async close(late: Promise<void>): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#pings);
    if (this.#open.size === 0) this.#closed.resolve();
    for (const socket of this.#open.keys()) socket.close(GOING_AWAY, "shutting down");
    await Promise.race([this.#closed.promise, late]);
    for (const socket of this.#open.keys()) socket.terminate();
    await this.#closed.promise;
    for (const server of this.#servers.values()) server.close();
    this.#gauge[Symbol.dispose]();
  }

  #serverOf(route: SocketRoute): WebSocketServer {
    const known = this.#servers.get(route);
    if (known) return known;
    const options = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: route.messageBytes,
      maxFragments: FRAGMENTS_MAX,
      maxBufferedChunks: READS_SPARE + Math.ceil(route.messageBytes / READ_BYTES_MIN),
      closeTimeout: LIMITS.socketCloseMs,
      handleProtocols: (offered: Set<string>) => {
        const protocol = route.protocol?.(offered);
        return protocol !== undefined && offered.has(protocol) ? protocol : false;
      },
    };
    const server = new WebSocketServer(options);
    this.#servers.set(route, server);
    return server;
  }

  /** Refused clients that never answer the close frame would take the places of others. */
  #endOneThatCloses(): void {
    const socket = [...this.#open.keys()].find(({ isClosing }) => isClosing);
    if (!socket) return;
    this.#open.delete(socket);
    socket.terminate();
  }

  #countOf(route: SocketRoute): number {
    let count = 0;
    for (const each of this.#open.values()) if (each === route) count++;
    return count;
  }

  /** By path, in the form of a label. */
  #counts(): Record<string, number> {
    return Object.fromEntries(
      [...this.#servers.keys()].map((route) => [
        route.route.getRoutingPath().slice(1).replaceAll("/", "."),
        this.#countOf(route),
      ]),
    );
  }
}

class OpenSocket implements ServerSocket {
  readonly #socket: WebSocket;
  readonly #onFailure: (error: unknown) => void;
  #events: SocketEvents | undefined;
  /** Whether the client has sent something since the last ping. */
  #isAlive = true;
  /** A close frame is sent. */
  isClosing = false;
  #lateEnd: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket, stream: ConnectionStream, onFailure: (error: unknown) => void) {
    this.#socket = socket;
    this.#onFailure = onFailure;
    socket.binaryType = "arraybuffer";
    socket.on("error", () => {}); // an invalid frame, or a connection that broke: `close` follows
    socket.on("ping", () => this.#isAlive = true);
    socket.on("pong", () => this.#isAlive = true);
    // ws waits without limit for a client that hung up to take unsent bytes.
    stream.once("end", () => {
      this.#lateEnd = setTimeout(() => socket.terminate(), LIMITS.socketCloseMs);
    });
  }

  start(open: () => SocketEvents): void {
    this.#attempt(() => this.#events = open());
    this.#socket.on("message", (data, isBinary) => {
      this.#isAlive = true;
      if (this.isClosing) return;
      const message = isBinary && data instanceof ArrayBuffer ? new Uint8Array(data) : `${data}`;
      this.#attempt(() => this.#events?.message(message));
    });
    this.#socket.once("close", (code: number) => {
      clearTimeout(this.#lateEnd);
      this.#attempt(() => this.#events?.closed(code));
    });
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(text: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(text);
    if (this.bufferedBytes > LIMITS.socketSendBytes) this.terminate();
  }

  pause(): void {
    if (!this.isClosing) this.#socket.pause();
  }

  resume(): void {
    this.#isAlive = true;
    this.#socket.resume();
  }

  close(code: number, reason: string): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.#attempt(() => this.#socket.close(code, shortened(reason)));
    this.#socket.resume(); // for the client's close frame
  }

  terminate(): void {
    this.isClosing = true;
    this.#socket.terminate();
  }

  /** Ends the connection of a client that is gone. Of one that is paused nothing is known. */
  ping(): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (!this.#isAlive && !this.#socket.isPaused) return this.terminate();
    this.#isAlive = false;
    this.#socket.ping();
  }

  #attempt(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#onFailure(error);
      if (this.isClosing) this.#socket.terminate();
      else this.close(INTERNAL_ERROR, "internal error");
    }
  }
}

/** Cuts no character in two. */
function shortened(reason: string): string {
  const bytes = new Uint8Array(REASON_BYTES_MAX);
  const { read } = new TextEncoder().encodeInto(reason, bytes);
  return reason.slice(0, read);
}
