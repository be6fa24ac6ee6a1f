/**
 * A TCP relay whose connections a test can cut: what a lost network looks like to the two at its ends, with neither of
 * them at fault. Knows nothing of what it carries.
 */
export class TcpRelay implements AsyncDisposable {
  readonly #listener: Deno.TcpListener;
  readonly #targetPort: number;
  readonly #pairs = new Set<readonly Deno.TcpConn[]>();
  readonly #running = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #refusing = false;
  /** Pending while nothing is passed on. */
  #stalled?: PromiseWithResolvers<void>;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Connections carried now. */
  get size(): number {
    return this.#pairs.size;
  }

  /** Cuts every connection at both ends, without a goodbye. Returns how many there were. */
  cut(): number {
    const count = this.#pairs.size;
    for (const pair of this.#pairs) close(pair);
    return count;
  }

  /** While true, new connections are closed at once; existing ones are closed when it becomes true. */
  set refusing(refusing: boolean) {
    this.#refusing = refusing;
    if (refusing) this.cut();
  }

  /** While true, connections stay open and nothing is forwarded, not even that one end is closed. */
  set stalled(stalled: boolean) {
    if (stalled) this.#stalled ??= Promise.withResolvers();
    else {
      this.#stalled?.resolve();
      this.#stalled = undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stalled = false;
    this.#listener.close();
    this.cut();
    await this.#accepting;
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      const running = this.#carry(client).finally(() => this.#running.delete(running));
      this.#running.add(running);
    }
  }

  async #carry(client: Deno.TcpConn): Promise<void> {
    if (this.#refusing) return client.close();
    let server: Deno.TcpConn;
    try {
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#targetPort });
    } catch {
      return client.close();
    }
    const pair = [client, server];
    this.#pairs.add(pair);
    await Promise.allSettled([this.#pump(client, server), this.#pump(server, client)]);
    close(pair);
    this.#pairs.delete(pair);
  }

  /** Copies until either end is closed, then closes the other. */
  async #pump(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const chunk = new Uint8Array(16 * 1024);
    try {
      for (let count = await from.read(chunk); count !== null; count = await from.read(chunk)) {
        await this.#stalled?.promise;
        for (let sent = 0; sent < count;) sent += await to.write(chunk.subarray(sent, count));
      }
    } finally {
      await this.#stalled?.promise;
      close([from, to]);
    }
  }
}

function close(connections: readonly Deno.TcpConn[]): void {
  for (const connection of connections) {
    try {
      connection.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error; // closed already
    }
  }
}
