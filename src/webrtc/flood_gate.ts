/**
 * Closes a socket to strangers while they flood it. What they send is refused at little cost, but it takes the places of
 * a voice in the socket's buffer: 277 small datagrams fill one, at 10 Mbit/s in 9 ms. While it is closed the kernel
 * hands on only what comes from addresses of the peer's, and of servers that were asked something.
 *
 *     open --200 refused in a second--> closed --a second in which fewer were dropped--> open
 *
 * A peer that comes from an address nobody knows waits meanwhile. Where the kernel has no filters it stays open.
 */
import { Budget, type Clock } from "../domain/mod.ts";
import type { Address } from "./udp_socket.ts";

export interface FloodGateOptions {
  clock: Clock;
  /** Lets in these addresses alone, or all again; false when that cannot be. */
  admitOnly: (addresses: readonly Address[] | undefined) => boolean;
  /** Datagrams that the kernel has dropped so far. */
  dropped: () => number;
  /** Addresses of the peer's and of servers. */
  known: () => readonly Address[];
  /** So many did not get in. */
  onDropped: (count: number) => void;
}

/** Refused datagrams of strangers in a second; an honest one sends a check every 20 ms at the most. */
const STRANGE_PER_SECOND = 200;
const LOOK_MS = 1_000;

export class FloodGate implements Disposable {
  readonly #options: FloodGateOptions;
  readonly #strange = new Budget(STRANGE_PER_SECOND);
  /** While it is closed. */
  #timer: Disposable | undefined;
  /** What the kernel had dropped when it was last asked. */
  #dropped = 0;
  #disposed = false;

  constructor(options: FloodGateOptions) {
    this.#options = options;
  }

  /** A datagram of a stranger was refused. */
  refused(): void {
    const { clock, dropped } = this.#options;
    if (this.#timer || this.#disposed || this.#strange.spend(clock.now())) return;
    this.#dropped = dropped();
    if (this.#close()) this.#look();
  }

  /** Leaves the socket as it is. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  /** Whoever is known by now. Before anybody is, all are strangers. */
  #close(): boolean {
    const { known, admitOnly } = this.#options;
    const addresses = known();
    return addresses.length > 0 && admitOnly(addresses);
  }

  #look(): void {
    const { clock, admitOnly, dropped, onDropped } = this.#options;
    this.#timer = clock.timer(LOOK_MS, () => {
      this.#timer = undefined;
      const before = this.#dropped;
      this.#dropped = dropped();
      const count = this.#dropped - before;
      if (count > 0) onDropped(count);
      if (count > STRANGE_PER_SECOND && this.#close()) this.#look();
      else admitOnly(undefined);
    });
  }
}
