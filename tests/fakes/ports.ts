/**
 * Ports for servers that are told theirs, or must find it again: on loopback, free, and kept so until they are given
 * back. A port the kernel chose (bind to 0, close, pass the number on) is anybody's again at once: another test's, or an
 * outgoing connection's. So these come from below and above the kernel's ephemeral range, in blocks of which each has
 * one owner on this machine: whoever listens on its first port. That needs no file, holds between threads, processes
 * and network namespaces, and ends with the process however it ends.
 *
 * A server that can choose, and that nobody looks for once it is gone, is better off with port 0.
 */

/** More than a stack of the tests needs for its servers and their peer connections. */
const BLOCK_PORTS = 100;
/** Below are services that a machine may well run. */
const LOWEST_PORT = 10_000;
const HIGHEST_PORT = 65_535;
/** Of a Linux nobody has configured otherwise. */
const EPHEMERAL_PORTS = { first: 32_768, last: 60_999 };
const ADDRESS = "127.0.0.1";

export interface PortRange {
  first: number;
  /** Included. */
  last: number;
}

export class ClaimedPorts implements Disposable {
  readonly #claim: Deno.TcpListener;
  readonly #last: number;
  #next: number;
  #isDisposed = false;

  private constructor(claim: Deno.TcpListener) {
    this.#claim = claim;
    this.#next = claim.addr.port + 1;
    this.#last = claim.addr.port + BLOCK_PORTS - 1;
  }

  /** Some hundred ports nobody else is given until these are disposed. */
  static claim(): ClaimedPorts {
    const blocks = blocksOutside(ephemeralPorts());
    // Not always the first: who still calls on a server that is gone shall not meet the next test's.
    const start = Math.floor(Math.random() * blocks.length);
    for (let index = 0; index < blocks.length; index++) {
      const claim = listenOn(blocks[(start + index) % blocks.length]);
      if (claim) return new ClaimedPorts(claim);
    }
    throw new Error(`Cannot claim ports: all ${blocks.length} blocks are taken`);
  }

  /** The next of them without a listener: programs that do not ask here may listen. Not checked for UDP. */
  next(): number {
    while (this.#next <= this.#last) {
      const port = this.#next++;
      const listener = listenOn(port);
      listener?.close();
      if (listener) return port;
    }
    throw new Error("Cannot give out a port: all of the block are taken");
  }

  /** Those not given out yet, all of them, for media: whoever uses them looks which are free. */
  rest(): PortRange {
    const rest = { first: this.#next, last: this.#last };
    this.#next = this.#last + 1;
    return rest;
  }

  [Symbol.dispose](): void {
    if (!this.#isDisposed) this.#claim.close();
    this.#isDisposed = true;
  }
}

/** The first ports of whole blocks, where the kernel gives none out; where it gives out all of them, its own. */
export function blocksOutside(ephemeral: PortRange): number[] {
  const within = ({ first, last }: PortRange) => {
    const blocks: number[] = [];
    for (let port = first; port + BLOCK_PORTS - 1 <= last; port += BLOCK_PORTS) blocks.push(port);
    return blocks;
  };
  const outside = [
    ...within({ first: LOWEST_PORT, last: ephemeral.first - 1 }),
    ...within({ first: Math.max(LOWEST_PORT, ephemeral.last + 1), last: HIGHEST_PORT }),
  ];
  return outside.length > 0 ? outside : within({ first: LOWEST_PORT, last: HIGHEST_PORT });
}

/** The kernel's range for outgoing connections and binds to 0, where it can be read. */
export function ephemeralPorts(): PortRange {
  try {
    const text = Deno.readTextFileSync("/proc/sys/net/ipv4/ip_local_port_range");
    const [first, last] = text.trim().split(/\s+/).map(Number);
    return { first, last };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) {
      return EPHEMERAL_PORTS;
    }
    throw error;
  }
}

function listenOn(port: number): Deno.TcpListener | undefined {
  try {
    return Deno.listen({ hostname: ADDRESS, port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return undefined;
    throw error;
  }
}
