/** A UDP socket as this room uses it. There are two kinds: of libc, where there is one, and of Deno. */

export type Address = readonly [host: string, port: number];

/** An IPv6 address can be written in several ways. */
export function isSameAddress([hostA, portA]: Address, [hostB, portB]: Address): boolean {
  return portA === portB &&
    (hostA === hostB || isIpv6(hostA) && isIpv6(hostB) && written(hostA) === written(hostB));
}

const isIpv6 = (host: string) => host.includes(":");
/** In the one way that URLs have. */
const written = (host: string) => URL.parse(`http://[${host}]`)?.host;

/** Good until the call it comes with returns: the next datagram is told in the same place. */
export interface ReceivedDatagram {
  readonly bytes: Uint8Array;
  /** Time it has waited in the kernel, ms. */
  readonly waitedMs: number;
  /** Where it came from. */
  from(): Address;
}

export interface UdpSocket {
  readonly address: Address;
  /** Sends now or never: datagrams get lost, and one that cannot be sent is. `host` is an address of the socket's family. */
  send(bytes: Uint8Array, host: string, port: number): void;
  /**
   * From now on the kernel drops what comes from other addresses, or nothing again when undefined. False where it cannot.
   */
  admitOnly(addresses: readonly Address[] | undefined): boolean;
  /** Datagrams that the kernel has dropped, because of `admitOnly` or because there was no place for them. */
  readonly dropped: number;
  /** Nothing is received any more; resolves when the port is free. A second time does nothing. */
  close(): Promise<void>;
}

export interface UdpSocketOptions {
  family: 4 | 6;
  /** An address of this machine, or that of all of them. */
  host: string;
  /** 0: any. */
  port: number;
  /** Must not throw. */
  onReceived: (received: ReceivedDatagram) => Taken;
}

/** What became of a datagram. */
export type Taken =
  /** From now on many can be taken in one turn of the event loop. */
  | "media"
  /** Until the first media each of these has a turn of the event loop for itself. */
  | "passed"
  /** Nothing was made of it. */
  | "refused";

/** Ethernet's 1500 and a margin. A longer datagram is cut, and then not authentic. */
export const DATAGRAM_BYTES_MAX = 2_048;
