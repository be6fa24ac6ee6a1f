/** The interface of UDP sockets here. Implementations: libc's, and Deno's where libc is not available. */

export type Address = readonly [host: string, port: number];

/** An IPv6 address can be written in several ways. */
export function isSameAddress([hostA, portA]: Address, [hostB, portB]: Address): boolean {
  return portA === portB &&
    (hostA === hostB || isIpv6(hostA) && isIpv6(hostB) && normalised(hostA) === normalised(hostB));
}

const isIpv6 = (host: string) => host.includes(":");
/** As URLs normalise it. */
const normalised = (host: string) => URL.parse(`http://[${host}]`)?.host;

/** Valid until the callback returns: the object is reused for the next datagram. */
export interface ReceivedDatagram {
  readonly bytes: Uint8Array;
  /** Time in the kernel. */
  readonly waitedMs: number;
  from(): Address;
}

export interface UdpSocket {
  readonly address: Address;
  /** Drops what cannot be sent at once. `host` is an address of the socket's family. */
  send(bytes: Uint8Array, host: string, port: number): void;
  /** Makes the kernel drop datagrams from other addresses; undefined ends that. False where not supported. */
  admitOnly(addresses: readonly Address[] | undefined): boolean;
  /** Datagrams dropped by the kernel: filtered by `admitOnly`, or the buffer was full. */
  readonly dropped: number;
  /** Resolves when the port is free. Idempotent. */
  close(): Promise<void>;
}

export interface UdpSocketOptions {
  family: 4 | 6;
  /** A local address, or the unspecified one. */
  host: string;
  /** 0: any. */
  port: number;
  /** Must not throw. */
  onReceived: (received: ReceivedDatagram) => Taken;
}

/** How a datagram was handled. */
export type Taken =
  /** From now on many can be received in one iteration of the event loop. */
  | "media"
  /** To werift. Before the first media each has an iteration of the event loop to itself: werift's reply may need it. */
  | "passed"
  | "refused";

/** Ethernet's 1500 and a margin. A longer datagram is truncated, and then not authentic. */
export const DATAGRAM_BYTES_MAX = 2_048;
