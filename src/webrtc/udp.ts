/**
 * The UDP sockets under werift, on Deno's own datagrams. werift's are node:dgram's, which in Deno allocate a buffer and
 * an event for every datagram: at fifty a second for every speaker that was most of the garbage of the service. Here a
 * socket has one buffer for its life. RTP is handed on where it lies (`onMedia`); STUN, DTLS and TURN, which are few and
 * which werift keeps views of, are copied out.
 *
 * Importing this changes werift for the whole process: it makes its sockets where nobody can reach them. Read in and
 * true of werift 0.25.2.
 */
import { Buffer } from "node:buffer";
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { interfaceAddress, UdpTransport } from "werift";
import { isMedia } from "./srtp.ts";

type SocketType = "udp4" | "udp6";
type Address = readonly [host: string, port: number];

/** Of werift's. */
interface SocketOptions {
  portRange?: readonly [number, number];
  interfaceAddresses?: Partial<Record<SocketType, string>>;
}

/** Ethernet's 1500 and a margin. A longer datagram is cut, and then not authentic. */
const DATAGRAM_BYTES = 2_048;

/** A connection has a STUN and a TURN server. */
const NAMES_MAX = 8;

/** In the place of werift's UdpTransport: what of it is called is here. */
export class DatagramTransport {
  readonly type = "udp";
  /** What is neither RTP nor RTCP, or all of it while nobody takes those. */
  onData: (data: Buffer, from: Address) => void = () => {};
  /** RTP and RTCP, good until it returns. */
  onMedia: ((datagram: Uint8Array) => void) | undefined;
  closed = false;
  readonly #socketType: SocketType;
  readonly #conn: Deno.DatagramConn;
  readonly #addr: Deno.NetAddr;
  readonly #receiving: Promise<void>;
  /** Addresses of servers by their names. */
  readonly #names = new Map<string, string>();
  #from: Address | undefined;

  private constructor(socketType: SocketType, conn: Deno.DatagramConn) {
    this.#socketType = socketType;
    this.#conn = conn;
    this.#addr = conn.addr as Deno.NetAddr;
    this.#receiving = this.#receive();
  }

  /** Binds. Throws when the address is not ours, or no port of the range is free. */
  static init(
    socketType: SocketType,
    { portRange, interfaceAddresses }: SocketOptions = {},
  ): DatagramTransport {
    const hostname = interfaceAddress(socketType, interfaceAddresses) ??
      (socketType === "udp4" ? "0.0.0.0" : "::");
    return new DatagramTransport(socketType, bind(hostname, portRange));
  }

  get address(): { address: string; family: string; port: number } {
    return { address: this.host, family: this.addressFamily === 6 ? "IPv6" : "IPv4", port: this.port };
  }

  get addressFamily(): 4 | 6 {
    return this.#socketType === "udp6" ? 6 : 4;
  }

  get host(): string {
    return this.#addr.hostname;
  }

  get port(): number {
    return this.#addr.port;
  }

  /** To where the last datagram came from unless told otherwise. Rejects only for a name that has no address. */
  readonly send = async (data: Uint8Array, to: Address | undefined = this.#from): Promise<void> => {
    if (!to || this.closed) return;
    const [host, port] = to;
    const hostname = isIP(host) === 0 ? await this.#addressOf(host) : host;
    // Datagrams get lost, which is what it looks like to a peer that is not reachable now.
    await this.#conn.send(data, { transport: "udp", hostname, port }).catch(() => {});
  };

  readonly close = async (): Promise<void> => {
    if (!this.closed) this.#conn.close();
    this.closed = true;
    await this.#receiving;
    await new Promise((resolve) => setTimeout(resolve)); // Deno lets go of the port a turn later
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

  async #receive(): Promise<void> {
    const buffer = new Uint8Array(DATAGRAM_BYTES);
    try {
      for (;;) {
        const [datagram, from] = await this.#conn.receive(buffer);
        if (this.onMedia && isMedia(datagram)) this.#passMedia(datagram, this.onMedia);
        else this.#pass(datagram, from as Deno.NetAddr);
      }
    } catch {
      // Closed; or broken, and then silence tells.
    }
  }

  /** One packet's trouble is not the next one's: it is told as a stray error. */
  #passMedia(datagram: Uint8Array, onMedia: (datagram: Uint8Array) => void): void {
    try {
      onMedia(datagram);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #pass(datagram: Uint8Array, { hostname, port }: Deno.NetAddr): void {
    this.#from = [hostname.split("%")[0], port];
    try {
      this.onData(Buffer.from(datagram), this.#from);
    } catch {
      // werift throws on some that are malformed.
    }
  }
}

function bind(hostname: string, portRange: SocketOptions["portRange"]): Deno.DatagramConn {
  const [first, last] = portRange ?? [0, 0];
  for (let port = first;; port++) {
    try {
      return Deno.listenDatagram({ transport: "udp", hostname, port });
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse) || port >= last) throw error;
    }
  }
}

const werift: { init: unknown } = UdpTransport;
werift.init = (...options: Parameters<typeof DatagramTransport.init>) =>
  new Promise((resolve) => resolve(DatagramTransport.init(...options)));
