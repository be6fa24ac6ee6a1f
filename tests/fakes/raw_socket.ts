/** A WebSocket client that sends what a test wants, valid or not, and returns the frames received. */
import { RawHttp } from "./raw_http.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";

/** The handshake of a client; `changed` replaces headers, or leaves out those that are undefined. */
export function handshake(
  path: string,
  changed: Record<string, string | undefined> = {},
  method = "GET",
): string {
  const headers = {
    Host: "127.0.0.1",
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
    ...changed,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== undefined);
  return [`${method} ${path} HTTP/1.1`, ...lines.map(([name, value]) => `${name}: ${value}`), "", ""].join(
    "\r\n",
  );
}

export interface FrameOptions {
  /** Default: the whole message. */
  isLast?: boolean;
  isMasked?: boolean;
  /** What the head says, where that is not the payload's. */
  length?: number;
}

export const TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, CONTINUATION = 0;

/** RFC 6455, section 5.2. */
export function frame(
  opcode: number,
  payload: string | Uint8Array = "",
  options: FrameOptions = {},
): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  const { isLast = true, isMasked = true, length = bytes.length } = options;
  const mask = isMasked ? [0x12, 0x34, 0x56, 0x78] : [];
  const first = (isLast ? 0x80 : 0) | opcode;
  const flag = isMasked ? 0x80 : 0;
  const size = length < 126
    ? [flag | length]
    : length < 65_536
    ? [flag | 126, length >> 8, length & 0xff]
    : [flag | 127, 0, 0, 0, 0, length >>> 24, length >> 16 & 0xff, length >> 8 & 0xff, length & 0xff];
  const sent = isMasked ? bytes.map((byte, at) => byte ^ mask[at % 4]) : bytes;
  const whole = new Uint8Array(1 + size.length + mask.length + sent.length);
  whole.set([first, ...size, ...mask]);
  whole.set(sent, whole.length - sent.length);
  return whole;
}

export interface Frame {
  opcode: number;
  payload: Uint8Array;
}

export class RawSocket implements Disposable {
  #rest = new Uint8Array();

  private constructor(private readonly raw: RawHttp) {}

  /** Throws where the handshake is refused. */
  static async open(
    port: number,
    path: string,
    changed: Record<string, string | undefined> = {},
  ): Promise<RawSocket> {
    const raw = await RawHttp.open(port);
    const socket = new RawSocket(raw);
    try {
      await raw.send(handshake(path, changed));
      await socket.#accepted();
      return socket;
    } catch (error) {
      raw[Symbol.dispose]();
      throw error;
    }
  }

  async #accepted(): Promise<void> {
    for (;;) {
      const text = new TextDecoder().decode(this.#rest);
      const end = text.indexOf("\r\n\r\n");
      if (end >= 0) {
        if (!text.startsWith("HTTP/1.1 101 ")) throw new Error(`Refused: ${text.split("\r\n")[0]}`);
        this.#rest = this.#rest.slice(end + 4);
        return;
      }
      if (!await this.#readMore()) throw new Error(`Hung up: ${text}`);
    }
  }

  send(data: Uint8Array): Promise<void> {
    return this.raw.send(data);
  }

  /** The next frame; undefined once the server has hung up. */
  async next(): Promise<Frame | undefined> {
    for (;;) {
      const found = frameOf(this.#rest);
      if (found) {
        this.#rest = this.#rest.slice(found.bytes);
        return found;
      }
      if (!await this.#readMore()) return undefined;
    }
  }

  /** The code of the close frame that comes, whatever comes before; undefined without one. */
  async closeCode(): Promise<number | undefined> {
    for (let next = await this.next(); next; next = await this.next()) {
      if (next.opcode === CLOSE) {
        return next.payload.length < 2 ? 1005 : next.payload[0] << 8 | next.payload[1];
      }
    }
    return undefined;
  }

  async #readMore(): Promise<boolean> {
    const bytes = await this.raw.read();
    if (!bytes) return false;
    const whole = new Uint8Array(this.#rest.length + bytes.length);
    whole.set(this.#rest);
    whole.set(bytes, this.#rest.length);
    this.#rest = whole;
    return true;
  }

  [Symbol.dispose](): void {
    this.raw[Symbol.dispose]();
  }
}

/** The first of a server's frames, with the bytes it takes; undefined where it is not complete. */
export function frameOf(bytes: Uint8Array): Frame & { bytes: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 2) return undefined;
  const short = bytes[1] & 0x7f;
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < head) return undefined;
  const length = short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short;
  if (bytes.length < head + length) return undefined;
  return { opcode: bytes[0] & 0xf, payload: bytes.slice(head, head + length), bytes: head + length };
}
