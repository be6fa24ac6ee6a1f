/**
 * UDP on libc's sockets through FFI. Deno's datagrams cost a wake-up and a promise each, a sixth of the processor time of
 * a packet. Here each socket of the thread is polled, many datagrams in one call, and the kernel's timestamps give their
 * arrival times.
 *
 * All memory passed to libc is allocated once for the thread, no call blocks, and a descriptor is used and closed by one
 * object only: it belongs to the process, and its number is reused once it is closed. Layouts are those of Linux on 64-bit
 * processors (recvmmsg(2), cmsg(3), ipv6(7)); elsewhere `isLibcUdp` is false.
 */
import { openLibc, reportInternalError } from "../flow/mod.ts";
import { StampClock } from "./stamp_clock.ts";
import { FILTER_INSTRUCTION_BYTES, filterOf } from "./udp_filter.ts";
import {
  type Address,
  DATAGRAM_BYTES_MAX,
  type ReceivedDatagram,
  type Taken,
  type UdpSocket,
  type UdpSocketOptions,
} from "./udp_socket.ts";

/** Of each socket: the packet interval of a voice. A packet waits for half of it on average. */
const POLL_MS = 20;
/** Groups of sockets, polled one after the other within POLL_MS. */
const GROUPS = 4;
/** Datagrams received in one call. */
const BATCH = 16;
/**
 * Receive buffer, which counts 0.5 KB and more of overhead per datagram: a flood fills it before the filter is set. Linux
 * doubles it; twice the default, and the most it permits.
 */
const BUFFER_BYTES = 212_992;
/** Datagrams of one socket in a row, so that a flood does not delay the others. */
const DATAGRAMS_MAX = 64;

const CLOCK_REALTIME = 0;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM_NONBLOCK_CLOEXEC = 2 | 0o4_000 | 0o2_000_000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
const SO_TIMESTAMPNS = 35;
/** Counters of a socket in words of 32 bits; one counts dropped datagrams. */
const SO_MEMINFO = 55;
const MEMINFO_WORDS = 9;
const DROPS_WORD = 8;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** For a route lookup, which needs one. */
const ANY_PORT = 9;

/** struct sockaddr_in6; sockaddr_in has 16. The port is at 2, the address at 4, or 8 in IPv6. */
const SOCKADDR_BYTES = 28;
/** struct mmsghdr in words of 32 bits, and its fields that the kernel writes. */
const HEADER_WORDS = 16;
const NAME_BYTES_WORD = 2;
const CONTROL_BYTES_WORD = 10;
const FLAGS_WORD = 12;
const LENGTH_WORD = 14;
/** struct cmsghdr with a struct timespec, and space for another. */
const CONTROL_BYTES = 64;
const CONTROL_WORDS = CONTROL_BYTES / 4;
const SECONDS_WORD = 4;
const NANOSECONDS_WORD = 6;

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  recvmmsg: { parameters: ["i32", "buffer", "u32", "i32", "pointer"], result: "i32" },
  inet_pton: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  inet_ntop: { parameters: ["i32", "buffer", "buffer", "u32"], result: "pointer" },
  close: { parameters: ["i32"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  memmove: { parameters: ["buffer", "buffer", "usize"], result: "usize" },
} as const;

const libc = openLibc(SYMBOLS);

/** Whether libc is available, and FFI permitted. */
export const isLibcUdp = libc !== undefined;

export class LibcUdpSocket implements UdpSocket {
  readonly address: Address;
  readonly #fd: number;
  readonly #family: 4 | 6;
  readonly #onReceived: UdpSocketOptions["onReceived"];
  /** Datagrams received in one call: one before the first media (see Taken). */
  #batch = 1;
  #nextPoll: ReturnType<typeof setTimeout> | undefined;
  /** When the socket was last empty, monotonic ms. */
  #emptyMs = stamps.tick();
  #closed = false;

  /** Binds. Throws when the address is not local, or the port is not free. */
  constructor({ family, host, port, onReceived }: UdpSocketOptions) {
    const { socket, bind, setsockopt, getsockname, close } = symbols();
    this.#family = family;
    this.#onReceived = onReceived;
    this.#fd = socket(afOf(family), SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
    if (this.#fd < 0) {
      throw new Error(
        "Cannot open a UDP socket: no descriptor is left, or the address family is not available",
      );
    }
    const yes = Uint32Array.of(1);
    if (family === 6) setsockopt(this.#fd, IPPROTO_IPV6, IPV6_V6ONLY, yes, yes.byteLength);
    setsockopt(this.#fd, SOL_SOCKET, SO_TIMESTAMPNS, yes, yes.byteLength);
    setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUF, Uint32Array.of(BUFFER_BYTES), 4);
    const binds = (to: number) =>
      writeSockaddr(family, host, to) && bind(this.#fd, sockaddr, sockaddrBytes(family)) === 0;
    if (!binds(port)) {
      // FFI provides no errno: binding to any port shows whether the address is the cause.
      const isTaken = binds(0);
      close(this.#fd);
      if (isTaken) throw new Deno.errors.AddrInUse("Cannot bind a UDP socket: the port is taken");
      throw new Deno.errors.AddrNotAvailable("Cannot bind a UDP socket: the address is not local");
    }
    getsockname(this.#fd, sockaddr, Uint32Array.of(SOCKADDR_BYTES));
    this.address = readSockaddr(family, sockaddr);
    poller.add(this);
  }

  send(bytes: Uint8Array, host: string, port: number): void {
    if (this.#closed || !writeSockaddr(this.#family, host, port)) return;
    symbols().sendto(
      this.#fd,
      bytes as Uint8Array<ArrayBuffer>,
      BigInt(bytes.length),
      MSG_DONTWAIT | MSG_NOSIGNAL,
      sockaddr,
      sockaddrBytes(this.#family),
    );
  }

  admitOnly(addresses: readonly Address[] | undefined): boolean {
    if (this.#closed) return false;
    const { setsockopt } = symbols();
    if (!addresses) return setsockopt(this.#fd, SOL_SOCKET, SO_DETACH_FILTER, new Uint32Array(1), 4) === 0;
    const program = filterOf(this.#family, addresses);
    // struct sock_fprog
    const described = BigUint64Array.of(
      BigInt(program.length / FILTER_INSTRUCTION_BYTES),
      addressOf(program),
    );
    return setsockopt(this.#fd, SOL_SOCKET, SO_ATTACH_FILTER, described, described.byteLength) === 0;
  }

  get dropped(): number {
    const info = new Uint32Array(MEMINFO_WORDS);
    if (this.#closed) return 0;
    symbols().getsockopt(this.#fd, SOL_SOCKET, SO_MEMINFO, info, Uint32Array.of(info.byteLength));
    return info[DROPS_WORD];
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      clearTimeout(this.#nextPoll);
      poller.delete(this);
      symbols().close(this.#fd);
    }
    return Promise.resolve();
  }

  /** Receives what has arrived, up to a bound. `tickMs`: from `stamps`. */
  poll(tickMs: number): void {
    const { recvmmsg } = symbols();
    const received = arena ??= new Arena();
    for (let left = DATAGRAMS_MAX; left > 0 && !this.#closed;) {
      const batch = this.#batch;
      const count = recvmmsg(this.#fd, received.headerBytes, batch, MSG_DONTWAIT, null);
      let hasPassed = false;
      for (let slot = 0; slot < count; slot++) {
        // A handler may close the socket.
        if (!received.take(slot, this.#family, this.#emptyMs) || this.#closed) continue;
        const taken = this.#handle(received);
        if (taken === "media") this.#batch = BATCH;
        else if (taken === "passed") hasPassed = true;
      }
      if (count < batch) {
        this.#emptyMs = tickMs;
        return;
      }
      left -= batch;
      if (hasPassed && this.#batch === 1) break;
    }
    // The rest in the next iteration, so that a flood does not delay the other sockets.
    clearTimeout(this.#nextPoll);
    if (!this.#closed) this.#nextPoll = setTimeout(() => this.poll(stamps.tick()));
  }

  /** An error of one datagram does not affect the next. */
  #handle(received: ReceivedDatagram): Taken {
    try {
      return this.#onReceived(received);
    } catch (error) {
      reportInternalError("udp", error);
      return "refused";
    }
  }
}

/** Polls the sockets of this thread, one group at a time, so that no iteration of the event loop is long. */
class Poller {
  readonly #groups = Array.from({ length: GROUPS }, () => new Set<LibcUdpSocket>());
  #next = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  add(socket: LibcUdpSocket): void {
    this.#groups.reduce((least, group) => group.size < least.size ? group : least).add(socket);
    this.#timer ??= setInterval(() => this.#poll(), POLL_MS / GROUPS);
  }

  delete(socket: LibcUdpSocket): void {
    for (const group of this.#groups) group.delete(socket);
    if (this.#groups.some(({ size }) => size > 0)) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #poll(): void {
    this.#next = (this.#next + 1) % GROUPS;
    const tickMs = stamps.tick();
    for (const socket of this.#groups[this.#next]) socket.poll(tickMs);
  }
}

/** Memory for a batch of datagrams, and a view of the one that is being handled. */
class Arena implements ReceivedDatagram {
  readonly headerBytes: Uint8Array<ArrayBuffer>;
  bytes: Uint8Array;
  waitedMs = 0;
  readonly #datagrams = new Uint8Array(new ArrayBuffer(BATCH * DATAGRAM_BYTES_MAX));
  readonly #names = new Uint8Array(new ArrayBuffer(BATCH * SOCKADDR_BYTES));
  readonly #controls = new Uint32Array(new ArrayBuffer(BATCH * CONTROL_BYTES));
  readonly #pieces = new BigUint64Array(new ArrayBuffer(BATCH * 16));
  readonly #headers: Uint32Array;
  /** Of the newest datagram in each slot. */
  readonly #views = Array.from({ length: BATCH }, () => this.#datagrams);
  #slot = 0;
  #family: 4 | 6 = 4;

  constructor() {
    const headers = new BigUint64Array(new ArrayBuffer(BATCH * HEADER_WORDS * 4));
    for (let slot = 0; slot < BATCH; slot++) {
      // struct iovec
      this.#pieces[2 * slot] = addressOf(this.#datagrams) + BigInt(slot * DATAGRAM_BYTES_MAX);
      this.#pieces[2 * slot + 1] = BigInt(DATAGRAM_BYTES_MAX);
      // struct msghdr
      headers.set([
        addressOf(this.#names) + BigInt(slot * SOCKADDR_BYTES),
        BigInt(SOCKADDR_BYTES),
        addressOf(this.#pieces) + BigInt(slot * 16),
        1n,
        addressOf(this.#controls) + BigInt(slot * CONTROL_BYTES),
        BigInt(CONTROL_BYTES),
      ], slot * HEADER_WORDS / 2);
    }
    this.#headers = new Uint32Array(headers.buffer);
    this.headerBytes = new Uint8Array(headers.buffer);
    this.bytes = this.#datagrams;
  }

  /** Selects a received datagram, and resets its slot for the next; false when it is truncated. */
  take(slot: number, family: 4 | 6, emptyMs: number): boolean {
    const headers = this.#headers;
    const header = slot * HEADER_WORDS;
    const isStamped = headers[header + CONTROL_BYTES_WORD] > 0;
    const isWhole = (headers[header + FLAGS_WORD] & MSG_TRUNC) === 0;
    headers[header + NAME_BYTES_WORD] = SOCKADDR_BYTES;
    headers[header + CONTROL_BYTES_WORD] = CONTROL_BYTES;
    this.#slot = slot;
    this.#family = family;
    const start = slot * DATAGRAM_BYTES_MAX;
    const length = headers[header + LENGTH_WORD];
    // Packets of silence have equal lengths, so the view is reused.
    if (this.#views[slot].length !== length) {
      this.#views[slot] = this.#datagrams.subarray(start, start + length);
    }
    this.bytes = this.#views[slot];
    const control = slot * CONTROL_WORDS;
    const stampMs = toMs(this.#controls[control + SECONDS_WORD], this.#controls[control + NANOSECONDS_WORD]);
    this.waitedMs = isStamped ? stamps.waitedMs(stampMs, emptyMs) : 0;
    return isWhole;
  }

  from(): Address {
    return readSockaddr(this.#family, this.#names.subarray(this.#slot * SOCKADDR_BYTES));
  }
}

/** Created with the first socket: pointers need permission for FFI. */
let arena: Arena | undefined;
const poller = new Poller();
const stamps = new StampClock(readWallMs);

/** Arguments of calls. */
const sockaddr = new Uint8Array(new ArrayBuffer(SOCKADDR_BYTES));
const text = new Uint8Array(new ArrayBuffer(64));
const timespec = new Uint32Array(new ArrayBuffer(16));

/** The clock of the timestamps; Date.now() has whole milliseconds. */
function readWallMs(): number {
  symbols().clock_gettime(CLOCK_REALTIME, timespec);
  return toMs(timespec[0], timespec[2]);
}

/** From the lower halves of a struct timespec: seconds until 2106. */
function toMs(seconds: number, nanoseconds: number): number {
  return seconds * 1_000 + nanoseconds / 1e6;
}

/** The local address that datagrams to `host` are sent from; undefined without a route. Sends nothing. */
export function sourceAddress(family: 4 | 6, host: string): string | undefined {
  if (!libc) return undefined;
  const { socket, connect, getsockname, close } = libc.symbols;
  const fd = socket(afOf(family), SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  try {
    if (!writeSockaddr(family, host, ANY_PORT) || connect(fd, sockaddr, sockaddrBytes(family)) !== 0) {
      return undefined;
    }
    getsockname(fd, sockaddr, Uint32Array.of(SOCKADDR_BYTES));
    return readSockaddr(family, sockaddr)[0];
  } finally {
    close(fd);
  }
}

function sockaddrBytes(family: 4 | 6): number {
  return family === 4 ? 16 : SOCKADDR_BYTES;
}

/** The part that inet_pton writes and inet_ntop reads. */
function hostIn(family: 4 | 6, name: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return family === 4 ? name.subarray(4, 8) : name.subarray(8, 24);
}

/** Writes `sockaddr`; false when the host is not an address of the family. */
function writeSockaddr(family: 4 | 6, host: string, port: number): boolean {
  const { read, written } = new TextEncoder().encodeInto(host, text.subarray(0, -1));
  if (read < host.length) return false;
  text[written] = 0;
  sockaddr.fill(0);
  sockaddr[0] = afOf(family);
  sockaddr[2] = port >> 8;
  sockaddr[3] = port & 0xff;
  return symbols().inet_pton(afOf(family), text, hostIn(family, sockaddr)) === 1;
}

function readSockaddr(family: 4 | 6, name: Uint8Array<ArrayBuffer>): Address {
  symbols().inet_ntop(afOf(family), hostIn(family, name), text, text.length);
  const host = new TextDecoder().decode(text.subarray(0, text.indexOf(0)));
  return [host, name[2] << 8 | name[3]];
}

function afOf(family: 4 | 6): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/** memmove returns its destination. Deno.UnsafePointer would need permission for all libraries. */
function addressOf(
  memory: Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>,
): bigint {
  return symbols().memmove(memory, memory, 0n);
}

function symbols(): Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] {
  if (!libc) throw new Error("Cannot use libc: it was not found");
  return libc.symbols;
}
