/** An accepted connection as the stream that `node:http` reads requests from. Ends with its peer or by `destroy`. */
import { Duplex } from "node:stream";

/** A request's head and most of a body. */
export const READ_BYTES = 16_384;

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

  /** Resolves when the descriptor is closed and no read or write is pending. */
  get released(): Promise<void> {
    return this.#ended.promise.then(() => Promise.allSettled([this.#reading, this.#writing])).then(() => {});
  }

  override _read(): void {
    this.#reading = this.#pull();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.#writing = this.#writeAll(chunk).then(() => done(), done);
  }

  /** As one write: the head of a frame with its payload. */
  override _writev(chunks: { chunk: Uint8Array }[], done: (error?: Error | null) => void): void {
    this._write(joined(chunks.map(({ chunk }) => chunk)), "", done);
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
      if (this.destroyed) return;
      if (count === null) this.push(null);
      // A copy, for what a client sends byte by byte is held until a message is complete: not 16 KB for each.
      else this.push(count < READ_BYTES / 2 ? buffer.slice(0, count) : buffer.subarray(0, count));
    } catch {
      this.destroy();
    }
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) bytes = bytes.subarray(await this.#connection.write(bytes));
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
