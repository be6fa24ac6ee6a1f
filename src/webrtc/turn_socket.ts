/**
 * TURN over one of ICE's sockets: datagrams from the server's address are for the relay, others for ICE. A relay then
 * needs no socket of its own. Implements werift's Transport.
 */
import type { Buffer } from "node:buffer";
import type { DatagramTransport } from "./udp.ts";
import type { Address } from "./udp_socket.ts";

export class TurnSocket {
  readonly type = "udp";
  closed = false;
  onData: (data: Buffer, from: Address) => void = () => {};
  readonly #route: Disposable;

  /** `server` is an IP address and a port. Throws when the socket already has a relay on that server. */
  constructor(readonly socket: DatagramTransport, readonly server: Address) {
    this.#route = socket.takeFrom(server, (data, from) => this.onData(data, from));
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

  /** The socket stays open. */
  readonly close = (): Promise<void> => {
    this.closed = true;
    this.#route[Symbol.dispose]();
    return Promise.resolve();
  };
}
