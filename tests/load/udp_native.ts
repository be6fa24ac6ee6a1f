/**
 * Sends from a UDP socket that another part of the process opened: libc's sendto on its descriptor, which allocates
 * nothing. Linux, IPv4, little-endian.
 */

const SYMBOLS = {
  dup: { parameters: ["i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  // ssize_t, of which 32 bits are enough: a bigint would be garbage.
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "i32" },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

const AF_INET = 2;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
/** Lengths as libc wants them, made once: size_t is a bigint, which would be garbage of every datagram. */
const LENGTHS = Array.from({ length: 2_049 }, (_, bytes) => BigInt(bytes));
/** struct sockaddr_in: family, port, address (both in network order), padding. */
const SOCKADDR_BYTES = 16;

export interface UdpAddress {
  /** IPv4, in digits. */
  hostname: string;
  port: number;
}

export class NativeUdp implements Disposable {
  readonly #libc: Libc = Deno.dlopen("libc.so.6", SYMBOLS);

  /**
   * A socket of this process' that is bound to that address, to send from. The descriptor is our own: closing either
   * leaves the other, and the port is free once both are closed.
   */
  socketAt(local: UdpAddress, to: UdpAddress): NativeUdpSocket {
    const fd = this.#libc.symbols.dup(this.#find(local));
    if (fd < 0) throw new Error("Cannot share a socket: no descriptor is free");
    return new NativeUdpSocket(this.#libc, fd, sockaddrOf(to));
  }

  /** All its sockets must be closed. */
  [Symbol.dispose](): void {
    this.#libc.close();
  }

  /** The opener does not reveal its descriptor: all are checked. */
  #find(local: UdpAddress): number {
    const { getsockname, getsockopt } = this.#libc.symbols;
    const wanted = sockaddrOf(local);
    const found = new Uint8Array(SOCKADDR_BYTES);
    const length = new Uint32Array(1);
    const type = new Int32Array(1);
    for (const { name } of Deno.readDirSync("/proc/self/fd")) {
      const fd = Number(name);
      length[0] = SOCKADDR_BYTES;
      if (getsockname(fd, found, length) !== 0 || found.some((byte, at) => byte !== wanted[at])) continue;
      length[0] = type.byteLength;
      getsockopt(fd, SOL_SOCKET, SO_TYPE, type, length);
      if (type[0] === SOCK_DGRAM) return fd;
    }
    throw new Error("Cannot share a socket: none is bound to that address");
  }
}

export class NativeUdpSocket implements Disposable {
  readonly #sendto: Libc["symbols"]["sendto"];
  readonly #close: () => void;

  constructor({ symbols }: Libc, private readonly fd: number, private readonly to: Uint8Array<ArrayBuffer>) {
    this.#sendto = symbols.sendto;
    this.#close = () => symbols.close(fd);
  }

  /** Whether the kernel took the first `bytes` of it, 2048 at most. */
  send(datagram: Uint8Array<ArrayBuffer>, bytes: number): boolean {
    return this.#sendto(this.fd, datagram, LENGTHS[bytes], MSG_DONTWAIT, this.to, SOCKADDR_BYTES) === bytes;
  }

  /** Once. */
  [Symbol.dispose](): void {
    this.#close();
  }
}

function sockaddrOf({ hostname, port }: UdpAddress): Uint8Array<ArrayBuffer> {
  const sockaddr = new Uint8Array(SOCKADDR_BYTES);
  const view = new DataView(sockaddr.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  sockaddr.set(hostname.split(".").map(Number), 4);
  return sockaddr;
}
