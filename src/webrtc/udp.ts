/**
 * UDP sockets in place of werift's, which use node:dgram: in Deno that allocates a buffer and an event per datagram, most
 * of the service's garbage at 50 a second for each speaker. RTP is passed on in place (`onMedia`); STUN, DTLS and TURN are
 * copied, because werift keeps views of them.
 *
 * Importing this patches werift for the whole process, because it creates its sockets internally. Verified with werift
 * 0.25.2.
 */
import { Buffer } from "node:buffer";
import { interfaceAddress, UdpTransport } from "werift";
import { isMedia } from "./srtp.ts";
import { DenoUdpSocket } from "./udp_deno.ts";
import { isLibcUdp, LibcUdpSocket } from "./udp_libc.ts";
import type { Address, ReceivedDatagram, Taken, UdpSocket, UdpSocketOptions } from "./udp_socket.ts";

type SocketType = "udp4" | "udp6";

/** Part of werift's. */
interface SocketOptions {
  portRange?: readonly [number, number];
  interfaceAddresses?: Partial<Record<SocketType, string>>;
}

/** Implements what werift calls of its UdpTransport. */
export class DatagramTransport {
  readonly type = "udp";
  /** Gets all but RTP and RTCP, and those too while `onMedia` is not set. */
  onData: (data: Buffer, from: Address) => void = () => {};
  /** Gets RTP and RTCP, valid until it returns, and its time in the kernel, ms. Returns whether it is authentic. */
  onMedia: ((datagram: Uint8Array, waitedMs: number) => boolean) | undefined;
  /** Media was not authentic. */
  onForged: ((from: Address) => void) | undefined;
  /** Returns the parts of a datagram for `onData`, valid until then. Default all. */
  admit: ((datagram: Uint8Array, from: Address) => readonly Uint8Array[]) | undefined;
  closed = false;
  readonly #socketType: SocketType;
  readonly #socket: UdpSocket;
  /** Handlers of datagrams from TURN servers, by address. */
  #servers: Map<string, { address: Address; take: (data: Buffer, from: Address) => void }> | undefined;

  /** Binds. Throws when the address is not local, or no port of the range is free. */
  constructor(socketType: SocketType, { portRange, interfaceAddresses }: SocketOptions = {}) {
    this.#socketType = socketType;
    const host = interfaceAddress(socketType, interfaceAddresses) ??
      (socketType === "udp4" ? "0.0.0.0" : "::");
    const onReceived = (received: ReceivedDatagram) => this.receive(received);
    this.#socket = bind({ family: this.addressFamily, host, onReceived }, portRange);
  }

  get address(): { address: string; family: string; port: number } {
    return { address: this.host, family: this.addressFamily === 6 ? "IPv6" : "IPv4", port: this.port };
  }

  get addressFamily(): 4 | 6 {
    return this.#socketType === "udp6" ? 6 : 4;
  }

  get host(): string {
    return this.#socket.address[0];
  }

  get port(): number {
    return this.#socket.address[1];
  }

  /** To an IP address: werift resolves the names of servers. */
  readonly send = (data: Uint8Array, to: Address): Promise<void> => {
    if (!this.closed) this.#socket.send(data, ...to);
    return Promise.resolve();
  };

  /**
   * Routes datagrams from a TURN server to `take`, except responses of a STUN server at the same address. Throws when the
   * server has a route already: an allocation is identified by the addresses of both ends.
   */
  takeFrom(address: Address, take: (data: Buffer, from: Address) => void): Disposable {
    const servers = this.#servers ??= new Map();
    const key = address.join(" ");
    if (servers.has(key)) throw new Error("Cannot use the TURN server: this socket uses it already");
    servers.set(key, { address, take });
    return { [Symbol.dispose]: () => void servers.delete(key) };
  }

  /** As UdpSocket's, and always the TURN servers in use. */
  admitOnly(addresses: readonly Address[] | undefined): boolean {
    const servers = [...this.#servers?.values() ?? []].map(({ address }) => address);
    return this.#socket.admitOnly(addresses && [...servers, ...addresses]);
  }

  get dropped(): number {
    return this.#socket.dropped;
  }

  readonly close = (): Promise<void> => {
    this.closed = true;
    return this.#socket.close();
  };

  /** Called by the socket, which reports what this throws. */
  receive(received: ReceivedDatagram): Taken {
    const { bytes, waitedMs } = received;
    if (this.onMedia && isMedia(bytes)) {
      if (this.onMedia(bytes, waitedMs)) return "media";
      this.onForged?.(received.from());
      return "refused";
    }
    const from = received.from();
    const server = this.#servers?.get(from.join(" "));
    if (server && !isBinding(bytes)) {
      this.#pass(server.take, bytes, from);
      return "passed";
    }
    const admitted = this.admit ? this.admit(bytes, from) : [bytes];
    for (const part of admitted) this.#pass(this.onData, part, from);
    return admitted.length > 0 ? "passed" : "refused";
  }

  #pass(take: (data: Buffer, from: Address) => void, bytes: Uint8Array, from: Address): void {
    try {
      take(Buffer.from(bytes), from);
    } catch {
      // werift throws on some malformed ones.
    }
  }
}

/** STUN's Binding, in any class (RFC 8489, section 5). */
function isBinding(data: Uint8Array): boolean {
  return data.length >= 20 && (data[0] & 0xfe) === 0 && (data[1] & 0xef) === 1;
}

let isDenoChosen = false;

/** For sockets created from now on. Global, because werift creates them internally. */
export function chooseUdp(kind: "libc" | "deno"): void {
  isDenoChosen = kind === "deno";
}

/** Where the search for a free port starts, as a part of the range: most before it are taken. */
let nextPort = Math.random();

function bind(options: Omit<UdpSocketOptions, "port">, portRange: SocketOptions["portRange"]): UdpSocket {
  const Socket = isLibcUdp && !isDenoChosen ? LibcUdpSocket : DenoUdpSocket;
  if (!portRange) return new Socket({ ...options, port: 0 });
  const [first, last] = portRange;
  const ports = last - first + 1;
  const start = Math.floor(nextPort * ports);
  for (let tried = 0; tried < ports; tried++) {
    const offset = (start + tried) % ports;
    try {
      const socket = new Socket({ ...options, port: first + offset });
      nextPort = (offset + 1) % ports / ports;
      return socket;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  throw new NoFreePort("Cannot bind a UDP socket: no port of the range is free");
}

/** Every port of the range is in use. */
export class NoFreePort extends Error {
  override name = "NoFreePort";
}

const werift: { init: unknown } = UdpTransport;
werift.init = (...options: ConstructorParameters<typeof DatagramTransport>) =>
  Promise.try(() => new DatagramTransport(...options));
