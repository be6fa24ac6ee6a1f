/**
 * A WebSocket server over plain TCP, for fakes that must misbehave in ways a real server library does not offer: stop
 * reading its socket, answer the handshake late or not at all, hang up without a word. Framing is the service's own
 * (`src/flow/websocket_frames.ts`), and the tests of both sides meet Deno's native implementation too.
 */
import { CLOSE, closePayload, encodeFrame, FrameDecoder, OPCODE } from "../../src/flow/websocket_frames.ts";

export interface WebSocketServerOptions {
  /** What to answer the handshake with: undefined accepts, a status refuses, "hang_up" says nothing. May take its time. */
  handshake: (request: Request, signal: AbortSignal) => Promise<number | "hang_up" | undefined>;
  /** A client is there. */
  open: (connection: ServerConnection) => void;
}

export interface ServerConnectionEvents {
  message(data: string | Uint8Array<ArrayBuffer>): void;
  /** After this nothing comes any more. `code` is the client's close code, 1006 without one. */
  closed(code: number): void;
}

const READ_BYTES = 64 * 1024;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const HEAD_BYTES_MAX = 16 * 1024;

/** One accepted client. */
export class ServerConnection {
  events?: ServerConnectionEvents;
  #reading = Promise.withResolvers<void>();
  #writing = Promise.resolve();
  #ended = false;

  constructor(private readonly conn: Deno.TcpConn, readonly request: Request) {
    this.resumeReading();
  }

  /** Leaves the bytes in the kernel; of what was read already, at most one read's worth waits here. */
  stopReading(): void {
    this.#reading = Promise.withResolvers();
  }

  resumeReading(): void {
    this.#reading.resolve();
  }

  get open(): boolean {
    return !this.#ended;
  }

  send(data: string | Uint8Array): void {
    if (typeof data === "string") this.#write(OPCODE.text, new TextEncoder().encode(data));
    else this.#write(OPCODE.binary, data);
  }

  ping(): void {
    this.#write(OPCODE.ping, new Uint8Array());
  }

  /** Says goodbye, then ends the connection once that is out. */
  close(code: number = CLOSE.normal): void {
    this.#write(OPCODE.close, closePayload(code, ""));
    void this.#writing.then(() => this.drop());
  }

  /** Ends the connection without a word. */
  drop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.resumeReading();
    this.conn.close();
  }

  #write(opcode: number, payload: Uint8Array): void {
    this.#writing = this.#writing.then(async () => {
      if (!this.#ended) await writeAll(this.conn, encodeFrame(opcode, payload, false));
    }).catch(() => this.drop());
  }

  /** Reads until the connection ends. */
  async run(rest: Uint8Array): Promise<void> {
    const decoder = new FrameDecoder({ masked: true, maxMessageBytes: MESSAGE_BYTES_MAX });
    const buffer = new Uint8Array(READ_BYTES);
    let code: number = CLOSE.abnormal;
    try {
      for (let chunk: Uint8Array | undefined = rest; chunk; chunk = await this.#readSome(buffer)) {
        await this.#reading.promise;
        for (const frame of decoder.receive(chunk)) {
          if (frame.type === "message") this.events?.message(frame.data);
          else if (frame.type === "ping") this.#write(OPCODE.pong, frame.payload);
          else if (frame.type === "close") {
            code = frame.code;
            this.close(code === CLOSE.noStatus ? CLOSE.normal : code);
          }
        }
      }
    } catch {
      // A broken frame or a connection cut: either way it ends here.
    }
    await this.#writing;
    this.drop();
    this.events?.closed(code);
  }

  async #readSome(buffer: Uint8Array): Promise<Uint8Array | undefined> {
    await this.#reading.promise;
    if (this.#ended) return undefined;
    const count = await this.conn.read(buffer);
    return count === null ? undefined : buffer.subarray(0, count);
  }
}

export class WebSocketServer implements AsyncDisposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #abort = new AbortController();
  readonly #connections = new Set<ServerConnection>();
  readonly #pending = new Set<Deno.TcpConn>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #disposed?: Promise<void>;

  constructor(private readonly options: WebSocketServerOptions) {
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
    for (const conn of this.#pending) conn.close();
    this.#pending.clear();
    for (const connection of this.#connections) connection.drop();
    await this.#accepting;
    await Promise.all(this.#tasks);
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      const task = this.#serve(conn).finally(() => this.#tasks.delete(task));
      this.#tasks.add(task);
    }
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    this.#pending.add(conn);
    let connection: ServerConnection | undefined;
    let rest = new Uint8Array();
    try {
      const head = await readHead(conn);
      const answer = await this.options.handshake(head.request, this.#abort.signal);
      if (answer === "hang_up" || !this.#pending.has(conn)) return;
      if (answer !== undefined) {
        return await writeAll(
          conn,
          ascii(`HTTP/1.1 ${answer} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`),
        );
      }
      await writeAll(conn, ascii(await accepted(head.request)));
      connection = new ServerConnection(conn, head.request);
      rest = head.rest;
    } catch {
      return; // the client went away during the handshake, or we are closing
    } finally {
      if (this.#pending.delete(conn) && !connection) conn.close();
    }
    this.#connections.add(connection);
    if (this.#abort.signal.aborted) connection.drop();
    else this.options.open(connection);
    await connection.run(rest);
    this.#connections.delete(connection);
  }
}

async function readHead(conn: Deno.TcpConn): Promise<{ request: Request; rest: Uint8Array<ArrayBuffer> }> {
  let bytes = new Uint8Array();
  const buffer = new Uint8Array(4_096);
  for (;;) {
    const count = await conn.read(buffer);
    if (count === null || bytes.length > HEAD_BYTES_MAX) {
      throw new Error("Cannot read a request: it has no end");
    }
    bytes = Uint8Array.of(...bytes, ...buffer.subarray(0, count));
    const text = new TextDecoder("latin1").decode(bytes);
    const end = text.indexOf("\r\n\r\n");
    if (end === -1) continue;
    const [start, ...lines] = text.slice(0, end).split("\r\n");
    const headers = lines.map((line): [string, string] => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const request = new Request(new URL(start.split(" ")[1], "http://127.0.0.1"), { headers });
    return { request, rest: bytes.slice(end + 4) };
  }
}

async function accepted(request: Request): Promise<string> {
  const key = request.headers.get("sec-websocket-key") ?? "";
  const digest = await crypto.subtle.digest("SHA-1", ascii(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`));
  const accept = btoa(String.fromCharCode(...new Uint8Array(digest)));
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

function ascii(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

async function writeAll(conn: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}
