/**
 * TURN over a socket that ICE has for itself: what comes from the server's address is the relay's, the rest is ICE's. A
 * relay then costs no socket, no port, and nothing that is polled. In the place of werift's Transport.
 */
import type { Buffer } from "node:buffer";
import type { DatagramTransport } from "./udp.ts";
import type { Address } from "./udp_socket.ts";

export class TurnSocket {
  readonly type = "udp";
  closed = false;
  onData: (data: Buffer, from: Address) => void = () => {};
  readonly #taking: Disposable;

  /** `server` is an IP address and a port. Throws when the socket is another relay's of that server. */
  constructor(readonly socket: DatagramTransport, readonly server: Address) {
    this.#taking = socket.takeFrom(server, (data, from) => this.onData(data, from));
  }

  get address(): DatagramTransport["address"] {
    return this.socket.address;
  }

  get addressFamily(): 4 | 6 {
    return this.socket.addressFamily;
  }

  readonly send = async (data: Uint8Array): Promise<void> => {
    if (!this.closed) await this.socket.send(data, this.server);
  };

  /** Leaves the socket to the others. */
  readonly close = (): Promise<void> => {
    this.closed = true;
    this.#taking[Symbol.dispose]();
    return Promise.resolve();
  };
}
