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
  #from: Address | undefined;

  private constructor(socketType: SocketType, { portRange, interfaceAddresses }: SocketOptions) {
    this.#socketType = socketType;
    const host = interfaceAddress(socketType, interfaceAddresses) ??
      (socketType === "udp4" ? "0.0.0.0" : "::");
    const onReceived = (received: ReceivedDatagram) => this.#receive(received);
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

  /** As UdpSocket's. */
  admitOnly(addresses: readonly Address[] | undefined): boolean {
    return this.#socket.admitOnly(addresses);
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
   * Media may come many in a turn; what werift makes of a datagram it may need for the next one. One's trouble is not the
   * next one's: it is told as a stray error.
   */
  #receive(received: ReceivedDatagram): Taken {
    const { bytes, waitedMs } = received;
    if (this.onMedia && isMedia(bytes)) {
      try {
        if (this.onMedia(bytes, waitedMs)) return "media";
        this.onForged?.(received.from());
        return "refused";
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
        return "media";
      }
    }
    const from = received.from();
    const admitted = this.admit ? this.admit(bytes, from) : [bytes];
    for (const part of admitted) this.#pass(part, from);
    return admitted.length > 0 ? "passed" : "refused";
  }

  #pass(bytes: Uint8Array, from: Address): void {
    this.#from = from;
    try {
      this.onData(Buffer.from(bytes), from);
    } catch {
      // werift throws on some that are malformed.
    }
  }
}

function bind(options: Omit<UdpSocketOptions, "port">, portRange: SocketOptions["portRange"]): UdpSocket {
  const [first, last] = portRange ?? [0, 0];
  const Socket = isLibcUdp ? LibcUdpSocket : DenoUdpSocket;
  for (let port = first;; port++) {
    try {
      return new Socket({ ...options, port });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || port >= last) throw error;
    }
  }
}

const werift: { init: unknown } = UdpTransport;
werift.init = (...options: Parameters<typeof DatagramTransport.init>) =>
  new Promise((resolve) => resolve(DatagramTransport.init(...options)));
