/**
 * Closes a socket to strangers while they flood it. Refusing their datagrams is cheap, but these displace audio in the
 * socket's buffer: 277 small datagrams fill one, at 10 Mbit/s in 9 ms. While the gate is closed the kernel delivers only
 * datagrams from the peer's addresses and from servers with a pending request.
 *
 *     open --200 refused in a second--> closed --a second in which fewer were dropped--> open
 *
 * Until it opens, a peer at an unknown address is dropped too. Where the kernel has no filters it stays open.
 */
import { Budget, type Clock } from "../domain/mod.ts";
import type { Address, UdpSocket } from "./udp_socket.ts";

export interface FloodGateOptions {
  clock: Clock;
  socket: Pick<UdpSocket, "admitOnly" | "dropped">;
  /** Addresses of the peer and of servers with a pending request. */
  known: () => readonly Address[];
  /** Datagrams the kernel dropped while the gate was closed. */
  onDropped: (count: number) => void;
}

/** Refused datagrams of strangers in a second; an honest one sends a check every 20 ms at the most. */
const STRANGE_PER_SECOND = 200;
const CHECK_MS = 1_000;

export class FloodGate implements Disposable {
  readonly #options: FloodGateOptions;
  readonly #strange = new Budget(STRANGE_PER_SECOND);
  /** While it is closed. */
  #timer: Disposable | undefined;
  /** The socket's count of drops when the gate last closed. */
  #dropped = 0;
  #disposed = false;

  constructor(options: FloodGateOptions) {
    this.#options = options;
  }

  /** A datagram of a stranger was refused. */
  refused(): void {
    if (this.#timer || this.#disposed || this.#strange.spend(this.#options.clock.now())) return;
    this.#dropped = this.#options.socket.dropped;
    this.#close();
  }

  /** Leaves the socket's filter as it is. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  /** False where there is no filter, and while no address is known: then everybody is a stranger. */
  #close(): boolean {
    const { clock, socket, known } = this.#options;
    const addresses = known();
    if (addresses.length === 0 || !socket.admitOnly(addresses)) return false;
    this.#timer = clock.timer(CHECK_MS, () => this.#check());
    return true;
  }

  #check(): void {
    const { socket, onDropped } = this.#options;
    this.#timer = undefined;
    const count = socket.dropped - this.#dropped;
    this.#dropped += count;
    if (count > 0) onDropped(count);
    if (count <= STRANGE_PER_SECOND || !this.#close()) socket.admitOnly(undefined);
  }
}
