/**
 * A WebSocket server for fakes that must misbehave: stop reading its socket, answer the handshake late or not at all,
 * hang up without a word. HTTP is node's, the protocol is `ws`, as in the service; the tests of both sides meet Deno's
 * native implementation too. The listener and its TCP connections are Deno's: the port is known at once.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer as Protocol } from "ws";

export interface WebSocketServerOptions {
  /** What to answer the handshake with: undefined accepts, a status refuses, "hang_up" says nothing. May take its time. */
  handshake: (request: Request, signal: AbortSignal) => Promise<number | "hang_up" | undefined>;
  /** A client is there. */
  open: (connection: ServerConnection) => void;
  /** Answers a request that is no handshake with a status. Default: 426. */
  request?: (request: Request, signal: AbortSignal) => Promise<number>;
}

export interface ServerConnectionEvents {
  message(data: string | Uint8Array<ArrayBuffer>): void;
  /** After this nothing comes any more. `code` is the client's close code, 1006 without one. */
  closed(code: number): void;
}

const READ_BYTES = 64 * 1024;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/** One accepted client. */
export class ServerConnection {
  events?: ServerConnectionEvents;

  constructor(private readonly socket: WebSocket) {
    socket.binaryType = "arraybuffer";
    socket.on("message", (data) => {
      this.events?.message(data instanceof ArrayBuffer ? new Uint8Array(data) : data.toString());
    });
    socket.on("error", () => {}); // a broken frame or a connection cut: `closed` follows
    socket.once("close", (code) => this.events?.closed(code));
  }

  /** Leaves the bytes in the kernel; of what was read already, at most one read's worth waits here. */
  stopReading(): void {
    this.socket.pause();
  }

  resumeReading(): void {
    this.socket.resume();
  }

  get open(): boolean {
    return this.socket.readyState === this.socket.OPEN;
  }

  send(data: string | Uint8Array): void {
    this.socket.send(data);
  }

  ping(): void {
    this.socket.ping();
  }

  /** Sends a close frame; the connection ends with the client's. */
  close(code = 1000): void {
    this.socket.close(code);
  }

  /** Ends the connection without a word. */
  drop(): void {
    this.socket.terminate();
  }
}

export class WebSocketServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #abort = new AbortController();
  readonly #http: Server;
  readonly #protocol: Protocol;
  readonly #connections = new Map<Duplex, Promise<void>>();
  readonly #accepting: Promise<void>;
  #disposed?: Promise<void>;

  constructor({ handshake, open, request = () => Promise.resolve(426) }: WebSocketServerOptions) {
    this.#http = createServer((message, response) => {
      request(requestOf(message), this.#abort.signal).then(
        (status) => response.writeHead(status).end(),
        () => message.destroy(),
      );
    });
    this.#protocol = new Protocol({
      noServer: true,
      maxPayload: MESSAGE_BYTES_MAX,
      verifyClient: ({ req }, answer) => {
        handshake(requestOf(req), this.#abort.signal).then((verdict) => {
          if (verdict === "hang_up") req.socket.destroy();
          else answer(verdict === undefined, verdict);
        }, () => req.socket.destroy());
      },
    });
    this.#http.on("upgrade", (request, socket, head) => {
      this.#protocol.handleUpgrade(request, socket, head, (client) => open(new ServerConnection(client)));
    });
    this.#accepting = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    this.#abort.abort();
    this.#listener.close();
    for (const connection of this.#connections.keys()) connection.destroy();
    await this.#accepting;
    await Promise.all(this.#connections.values());
    await new Promise<void>((resolve) => this.#protocol.close(() => resolve()));
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      if (this.#abort.signal.aborted) {
        conn.close();
        continue;
      }
      const connection = duplexOf(conn);
      const closed = new Promise<void>((resolve) => connection.once("close", resolve));
      this.#connections.set(connection, closed.then(() => void this.#connections.delete(connection)));
      this.#http.emit("connection", connection);
    }
  }
}

/** A TCP connection as node's stream: one read and one write at a time, and closed for certain when destroyed. */
function duplexOf(conn: Deno.TcpConn): Duplex {
  const buffer = new Uint8Array(READ_BYTES);
  let reading: Promise<unknown> | undefined;
  let writing: Promise<unknown> | undefined;
  return new Duplex({
    readableHighWaterMark: 1, // no read ahead: what nobody asked for stays in the kernel
    read() {
      reading = conn.read(buffer).then(
        (count) => this.push(count === null ? null : buffer.slice(0, count)),
        (error) => this.destroy(error),
      );
    },
    write(chunk, _encoding, done) {
      writing = writeAll(conn, chunk).then(() => done(), done);
    },
    final(done) {
      conn.closeWrite().then(() => done(), done);
    },
    destroy(error, done) {
      conn.close();
      Promise.allSettled([reading, writing]).then(() => done(error));
    },
  });
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

function requestOf({ url, headers }: IncomingMessage): Request {
  return new Request(new URL(url ?? "/", "http://127.0.0.1"), {
    headers: Object.entries(headers).map(([name, value]): [string, string] => [name, `${value}`]),
  });
}
