/** WebSocket servers that do with a connection what a test wants, and the frames they send. */
import type { WebSocketOptions } from "./websocket.ts";

export const OPTIONS: WebSocketOptions = {
  signal: new AbortController().signal,
  openTimeoutMs: 5_000,
  maxMessageSize: 100_000,
};

/** Deno's own WebSocket server: what it says of our frames is not our opinion. */
export function nativeServer(
  onSocket: (socket: WebSocket, request: { url: string; key: string | null }) => void,
) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { url, headers } = request;
    const key = headers.get("x-key");
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    onSocket(socket, { url, key });
    return response;
  });
  return {
    url: `ws://127.0.0.1:${server.addr.port}/path?query=1`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

type Behaviour = (conn: Deno.Conn, head: string) => Promise<void>;

/** A TCP (or TLS) server that does with each connection what the test wants. Joined on disposal. */
export function rawServer(behave: Behaviour, tls?: { cert: string; key: string }) {
  const address = { hostname: "127.0.0.1", port: 0 };
  const listener = tls ? Deno.listenTls({ ...address, ...tls }) : Deno.listen(address);
  const { port } = listener.addr as Deno.NetAddr;
  const conns = new Set<Deno.Conn>();
  const tasks: Promise<void>[] = [];
  const serving = (async () => {
    for await (const conn of listener) {
      conns.add(conn);
      tasks.push(
        (async () => {
          let head = "";
          const buffer = new Uint8Array(4096);
          while (!head.includes("\r\n\r\n")) {
            const count = await conn.read(buffer);
            if (count === null) return;
            head += new TextDecoder().decode(buffer.subarray(0, count));
          }
          await behave(conn, head);
        })().catch(() => {}).finally(() => {
          if (conns.delete(conn)) conn.close();
        }),
      );
    }
  })();
  return {
    url: `${tls ? "wss" : "ws"}://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of conns) conn.close();
      conns.clear();
      await Promise.all(tasks);
      await serving;
    },
  };
}

export async function acceptUpgrade(conn: Deno.Conn, head: string, extra: Uint8Array = new Uint8Array()) {
  const key = /sec-websocket-key: (.*)\r\n/i.exec(head)![1];
  const digest = await crypto.subtle.digest(
    "SHA-1",
    new TextEncoder().encode(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"),
  );
  const accept = btoa(String.fromCharCode(...new Uint8Array(digest)));
  const answer = new TextEncoder().encode(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const bytes = new Uint8Array(answer.length + extra.length);
  bytes.set(answer);
  bytes.set(extra, answer.length);
  await writeAll(conn, bytes);
}

export async function writeAll(conn: Deno.Conn, bytes: Uint8Array) {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

export async function untilEnd(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  while (await conn.read(buffer).catch(() => null) !== null);
}

export async function collect<T>(stream: ReadableStream<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** A server's frame of at most 125 bytes. `first` is FIN, RSV and opcode, RFC 6455 section 5.2. */
export function frame(first: number, payload: Uint8Array | string = ""): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  return Uint8Array.of(first, bytes.length, ...bytes);
}

/** The next frame of the client, of any length, RFC 6455 section 5.2. */
export async function dataFrame(conn: Deno.Conn) {
  const [first, second] = await readExactly(conn, 2);
  const short = second & 0x7f;
  const extended = new DataView((await readExactly(conn, short === 126 ? 2 : short === 127 ? 8 : 0)).buffer);
  const length = short === 126 ? extended.getUint16(0) : short === 127 ? extended.getUint32(4) : short;
  const mask = await readExactly(conn, 4);
  const payload = (await readExactly(conn, length)).map((byte, at) => byte ^ mask[at % 4]);
  const opcode = first & 0x0f;
  return { opcode, message: opcode === 1 ? new TextDecoder().decode(payload) : payload };
}

export async function readExactly(conn: Deno.Conn, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) throw new Error("Cannot read a frame: the connection ended");
    at += count;
  }
  return bytes;
}

export const text = (message: string) => frame(0x81, message);
export const close = (code: number, reason = "") =>
  frame(0x88, concat(Uint8Array.of(code >> 8, code & 0xff), new TextEncoder().encode(reason)));
export const concat = (...parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));
