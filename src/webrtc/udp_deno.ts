/** UDP on Deno's datagrams, where libc is not available: each costs a wake-up and a kilobyte of promises. */
import { guarded } from "../flow/mod.ts";
import {
  type Address,
  DATAGRAM_BYTES_MAX,
  type ReceivedDatagram,
  type UdpSocket,
  type UdpSocketOptions,
} from "./udp_socket.ts";

/** Datagrams that wait to be sent: a DTLS flight has about ten. */
const UNSENT_MAX = 64;

export class DenoUdpSocket implements UdpSocket {
  readonly address: Address;
  readonly dropped = 0;
  readonly #conn: Deno.DatagramConn;
  readonly #receiving: Promise<void>;
  /** One at a time: Deno does not keep the order of concurrent sends. */
  #sending: Promise<unknown> = Promise.resolve();
  #unsent = 0;
  #closed?: Promise<void>;

  /** Binds. Throws when the address is not local, or the port is not free. */
  constructor({ host, port, onReceived }: UdpSocketOptions) {
    this.#conn = Deno.listenDatagram({ transport: "udp", hostname: host, port });
    const { hostname, port: bound } = this.#conn.addr as Deno.NetAddr;
    this.address = [hostname, bound];
    this.#receiving = this.#receive(onReceived);
  }

  send(bytes: Uint8Array, hostname: string, port: number): void {
    if (this.#closed || this.#unsent === UNSENT_MAX) return;
    this.#unsent++;
    const copy = bytes.slice();
    this.#sending = this.#sending
      .then(() => this.#conn.send(copy, { transport: "udp", hostname, port }))
      .catch(() => {})
      .finally(() => this.#unsent--);
  }

  /** Deno has no socket filters. */
  admitOnly(): boolean {
    return false;
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    this.#conn.close();
    await Promise.all([this.#receiving, this.#sending]);
    await new Promise((resolve) => setTimeout(resolve)); // Deno frees the port asynchronously
  }

  async #receive(onReceived: (received: ReceivedDatagram) => unknown): Promise<void> {
    const buffer = new Uint8Array(DATAGRAM_BYTES_MAX);
    const received = guarded("udp", onReceived);
    try {
      for (;;) {
        const [bytes, source] = await this.#conn.receive(buffer);
        const { hostname, port } = source as Deno.NetAddr;
        received({ bytes, waitedMs: 0, from: () => [hostname.split("%")[0], port] });
      }
    } catch {
      // Closed, or broken: then the silence is noticed.
    }
  }
}
