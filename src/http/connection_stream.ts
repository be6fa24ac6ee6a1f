/**
 * An accepted connection as the stream `node:http` reads requests from. Ends with its peer or by `destroy`; the
 * descriptor is closed when `gone` resolves, and nothing waits for it any more.
 */
import { Duplex } from "node:stream";

/** A request's head and a good part of a body. */
const READ_BYTES = 16_384;

export type Accepted = Deno.TcpConn | Deno.UnixConn;

export class ConnectionStream extends Duplex {
  readonly #connection: Accepted;
  readonly #ended = Promise.withResolvers<void>();
  #reading: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();

  constructor(connection: Accepted) {
    super({ allowHalfOpen: true });
    this.#connection = connection;
    if ("setNoDelay" in connection) connection.setNoDelay(true);
    this.on("error", () => {}); // a peer that resets its connection
    this.once("close", () => this.#ended.resolve());
  }

  /** Nothing of the connection is left. */
  get gone(): Promise<void> {
    return this.#ended.promise.then(() => Promise.allSettled([this.#reading, this.#writing])).then(() => {});
  }

  override _read(): void {
    this.#reading = this.#pull();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#writing = this.#writeAll(chunk).then(() => done(), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#connection.closeWrite().then(() => done(), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connection.close();
    done(error);
  }

  async #pull(): Promise<void> {
    const buffer = new Uint8Array(READ_BYTES);
    try {
      const count = await this.#connection.read(buffer);
      if (!this.destroyed) this.push(count === null ? null : buffer.subarray(0, count));
    } catch {
      this.destroy();
    }
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) bytes = bytes.subarray(await this.#connection.write(bytes));
  }
}
