/**
 * A server on loopback that is reached as if it were far away: what is sent to this port over UDP or TCP reaches its
 * own late, and its answers come as late. Knows nothing of what it carries.
 */
import { Buffer } from "node:buffer";
import { createSocket, type Socket } from "node:dgram";

const ADDRESS = "127.0.0.1";

export class FarServer implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  readonly #delayMs: number;
  /** Datagrams of each client leave from a port of their own. */
  readonly #clients = new Map<number, Socket>();
  #isClosed = false;

  private constructor(readonly port: number, private readonly serverPort: number, roundTripMs: number) {
    this.#delayMs = roundTripMs / 2;
  }

  static async open(serverPort: number, roundTripMs: number): Promise<FarServer> {
    const listener = Deno.listen({ hostname: ADDRESS, port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    const far = new FarServer(port, serverPort, roundTripMs);
    const accepting = far.#accept(listener);
    far.#stack.defer(async () => {
      listener.close();
      await accepting;
    });
    await far.#receive();
    return far;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    await this.#stack.disposeAsync();
  }

  #later(what: () => void, delayMs = this.#delayMs): void {
    if (this.#isClosed) return; // its sockets are closing, and one more datagram came meanwhile
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      what();
    }, delayMs);
    this.#timers.add(timer);
  }

  async #receive(): Promise<void> {
    const socket = await this.#bind(this.port);
    socket.on("message", async (data, client) => {
      if (this.#isClosed) return;
      const own = Buffer.from(data);
      const upstream = this.#clients.get(client.port) ?? await this.#bind(0);
      if (!this.#clients.has(client.port)) {
        this.#clients.set(client.port, upstream);
        upstream.on("message", (answer) => {
          const late = Buffer.from(answer);
          this.#later(() => socket.send(late, client.port, ADDRESS));
        });
      }
      this.#later(() => upstream.send(own, this.serverPort, ADDRESS));
    });
  }

  async #bind(port: number): Promise<Socket> {
    const socket = createSocket("udp4");
    await new Promise<void>((bound) => socket.bind(port, ADDRESS, bound));
    this.#stack.defer(() => new Promise<void>((closed) => socket.close(closed)));
    return socket;
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for await (const client of listener) {
      const server = await Deno.connect({ hostname: ADDRESS, port: this.serverPort });
      const ended = Promise.allSettled([this.#pump(client, server, 3), this.#pump(server, client, 1)]);
      this.#stack.defer(async () => {
        for (const end of [client, server]) {
          try {
            end.close();
          } catch {
            // Closed already.
          }
        }
        await ended;
      });
    }
  }

  /** The first bytes of a client come after the three-way handshake of TCP, so they are late by three ways. */
  async #pump(from: Deno.TcpConn, to: Deno.TcpConn, waysOfFirst: number): Promise<void> {
    let sending: Promise<unknown> = Promise.resolve();
    const readyMs = performance.now() + waysOfFirst * this.#delayMs;
    for (;;) {
      const chunk = new Uint8Array(16 * 1024);
      const count = await from.read(chunk);
      if (count === null) return;
      const delayMs = Math.max(this.#delayMs, readyMs - performance.now());
      this.#later(() => {
        sending = sending.then(() => to.write(chunk.subarray(0, count))).catch(() => {});
      }, delayMs);
    }
  }
}
