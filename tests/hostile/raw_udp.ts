/**
 * Datagrams with whatever sender written in them, as somebody sends who is on a network without filters: a raw socket of
 * libc's. Linux, IPv4, and root or CAP_NET_RAW.
 */
export type Address = readonly [host: string, port: number];

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
} as const;

const AF_INET = 2;
const SOCK_RAW_CLOEXEC = 3 | 0o2_000_000;
const IPPROTO_RAW = 255;
const IPPROTO_UDP = 17;
const IP_HEADER_BYTES = 20;
const HEADERS_BYTES = IP_HEADER_BYTES + 8;
const TTL = 64;

export class RawUdp implements Disposable {
  readonly #libc = Deno.dlopen("libc.so.6", SYMBOLS);
  readonly #fd: number;

  /** Throws without the permission. */
  constructor() {
    this.#fd = this.#libc.symbols.socket(AF_INET, SOCK_RAW_CLOEXEC, IPPROTO_RAW);
    if (this.#fd >= 0) return;
    this.#libc.close();
    throw new Deno.errors.PermissionDenied("Cannot open a raw socket: it takes root or CAP_NET_RAW");
  }

  static get isAllowed(): boolean {
    try {
      new RawUdp()[Symbol.dispose]();
      return true;
    } catch {
      return false;
    }
  }

  send(payload: Uint8Array, from: Address, to: Address): void {
    const packet = new Uint8Array(HEADERS_BYTES + payload.length);
    const view = new DataView(packet.buffer);
    packet.set([0x45, 0, 0, 0, 0, 0, 0, 0, TTL, IPPROTO_UDP, 0, 0, ...bytesOf(from[0]), ...bytesOf(to[0])]);
    view.setUint16(IP_HEADER_BYTES, from[1]);
    view.setUint16(IP_HEADER_BYTES + 2, to[1]);
    view.setUint16(IP_HEADER_BYTES + 4, packet.length - IP_HEADER_BYTES); // no checksum, which IPv4 allows
    packet.set(payload, HEADERS_BYTES);
    const sockaddr = new Uint8Array(16);
    sockaddr.set([AF_INET, 0, 0, 0, ...bytesOf(to[0])]);
    this.#libc.symbols.sendto(this.#fd, packet, BigInt(packet.length), 0, sockaddr, sockaddr.length);
  }

  [Symbol.dispose](): void {
    this.#libc.symbols.close(this.#fd);
    this.#libc.close();
  }
}

const bytesOf = (host: string) => host.split(".").map(Number);
