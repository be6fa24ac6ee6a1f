/**
 * The UDP sockets under werift are ours. werift's are node:dgram's, which in Deno allocate a buffer and an event for
 * every datagram: at fifty a second for every speaker that was most of the garbage of the service. RTP is handed on where
 * it lies (`onMedia`); STUN, DTLS and TURN, which are few and which werift keeps views of, are copied out.
 *
 * Importing this changes werift for the whole process: it makes its sockets where nobody can reach them. Read in and
 * true of werift 0.25.2.
 */
import { Buffer } from "node:buffer";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { interfaceAddress, UdpTransport } from "werift";
import { isMedia } from "./srtp.ts";
import { DenoUdpSocket } from "./udp_deno.ts";
import { isLibcUdp, LibcUdpSocket } from "./udp_libc.ts";
import type { Address, ReceivedDatagram, Taken, UdpSocket, UdpSocketOptions } from "./udp_socket.ts";

type SocketType = "udp4" | "udp6";

/** Of werift's. */
interface SocketOptions {
  portRange?: readonly [number, number];
  interfaceAddresses?: Partial<Record<SocketType, string>>;
}

/** A connection has a STUN and a TURN server. */
const NAMES_MAX = 8;

/** In the place of werift's UdpTransport: what of it is called is here. */
export class DatagramTransport {
  readonly type = "udp";
  /** What is neither RTP nor RTCP, or all of it while nobody takes those. */
  onData: (data: Buffer, from: Address) => void = () => {};
  /**
   * RTP and RTCP, good until it returns, and for how long the kernel has had it, ms. Returns whether it is authentic.
   */
  onMedia: ((datagram: Uint8Array, waitedMs: number) => boolean) | undefined;
  /** Media came from there that was not authentic. */
  onForged: ((from: Address) => void) | undefined;
  /** What of the rest goes on to `onData`, good until it returns; undefined: all. */
  admit: ((datagram: Uint8Array, from: Address) => readonly Uint8Array[]) | undefined;
  closed = false;
  readonly #socketType: SocketType;
  readonly #socket: UdpSocket;
  /** Addresses of servers by their names. */
  readonly #names = new Map<string, string>();
  /** Who takes what comes from a TURN server, by its address. */
  #servers: Map<string, { address: Address; take: (data: Buffer, from: Address) => void }> | undefined;
  #from: Address | undefined;

  private constructor(socketType: SocketType, { portRange, interfaceAddresses }: SocketOptions) {
    this.#socketType = socketType;
    const host = interfaceAddress(socketType, interfaceAddresses) ??
      (socketType === "udp4" ? "0.0.0.0" : "::");
    const onReceived = (received: ReceivedDatagram) => this.receive(received);
    this.#socket = bind({ family: this.addressFamily, host, onReceived }, portRange);
  }

  /** Binds. Throws when the address is not ours, or no port of the range is free. */
  static init(socketType: SocketType, options: SocketOptions = {}): DatagramTransport {
    return new DatagramTransport(socketType, options);
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

  /** To where the last datagram came from unless told otherwise. Rejects only for a name that has no address. */
  readonly send = async (data: Uint8Array, to: Address | undefined = this.#from): Promise<void> => {
    if (!to || this.closed) return;
    const [host, port] = to;
    this.#socket.send(data, isIP(host) === 0 ? await this.#addressOf(host) : host, port);
  };

  /**
   * Hands to `take` what comes from a server that is TURN: all but the answers of a STUN server at the same address.
   * Throws when somebody has that server already: an allocation is known by the addresses of both ends.
   */
  takeFrom(address: Address, take: (data: Buffer, from: Address) => void): Disposable {
    const servers = this.#servers ??= new Map();
    const key = address.join(" ");
    if (servers.has(key)) throw new Error("Cannot use a TURN server: this socket uses it already");
    servers.set(key, { address, take });
    return { [Symbol.dispose]: () => void servers.delete(key) };
  }

  /** As UdpSocket's; the TURN servers that are taken from are let in always. */
  admitOnly(addresses: readonly Address[] | undefined): boolean {
    const servers = [...this.#servers?.values() ?? []].map(({ address }) => address);
    return this.#socket.admitOnly(addresses && [...servers, ...addresses]);
  }

  /** As UdpSocket's. */
  get dropped(): number {
    return this.#socket.dropped;
  }

  readonly close = (): Promise<void> => {
    this.closed = true;
    return this.#socket.close();
  };

  /** Of a STUN or TURN server, in the socket's own family: a name may have addresses of both. */
  async #addressOf(name: string): Promise<string> {
    let address = this.#names.get(name);
    if (address === undefined) {
      ({ address } = await lookup(name, { family: this.addressFamily }));
      if (this.#names.size === NAMES_MAX) this.#names.clear();
      this.#names.set(name, address);
    }
    return address;
  }

  /**
   * Media may come many in a turn; what werift makes of another datagram it may need for the next one. What it throws is
   * reported by the socket, which calls this, as may who has datagrams from elsewhere.
   */
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
    for (const part of admitted) {
      this.#from = from;
      this.#pass(this.onData, part, from);
    }
    return admitted.length > 0 ? "passed" : "refused";
  }

  #pass(take: (data: Buffer, from: Address) => void, bytes: Uint8Array, from: Address): void {
    try {
      take(Buffer.from(bytes), from);
    } catch {
      // werift throws on some that are malformed.
    }
  }
}

/** STUN's Binding, in any class (RFC 8489, section 5). */
function isBinding(data: Uint8Array): boolean {
  return data.length >= 20 && (data[0] & 0xfe) === 0 && (data[1] & 0xef) === 1;
}

let isDenoChosen = false;

/** Which sockets are made from now on: werift makes them, where nobody can tell it. */
export function chooseUdp(kind: "libc" | "deno"): void {
  isDenoChosen = kind === "deno";
}

/** Where to look for a free port first: most of those before it are taken. */
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
werift.init = (...options: Parameters<typeof DatagramTransport.init>) =>
  new Promise((resolve) => resolve(DatagramTransport.init(...options)));
