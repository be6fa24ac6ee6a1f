/** Raw HTTP: connections that send what a test wants, when it wants, and return what was received. */

const ENCODER = new TextEncoder();

export class RawHttp implements Disposable {
  private constructor(private readonly connection: Deno.TcpConn) {}

  static async open(port: number): Promise<RawHttp> {
    return new RawHttp(await Deno.connect({ hostname: "127.0.0.1", port }));
  }

  /** Opens `count` connections that each send the first half of a request. */
  static async openHalves(port: number, count: number): Promise<RawHttp[]> {
    const halves: RawHttp[] = [];
    for (let n = 0; n < count; n++) {
      const half = await RawHttp.open(port);
      halves.push(half);
      await half.send("GET /healthz HTTP/1.1\r\nHost: a\r\n").catch(() => {}); // closed already
    }
    return halves;
  }

  async send(data: string | Uint8Array): Promise<void> {
    let bytes = typeof data === "string" ? ENCODER.encode(data) : data;
    while (bytes.length > 0) bytes = bytes.subarray(await this.connection.write(bytes));
  }

  /** Sends nothing more, and reads on. */
  closeWrite(): Promise<void> {
    return this.connection.closeWrite();
  }

  /** The next bytes; undefined once the other side has hung up. */
  async read(bytesMax = 16_384): Promise<Uint8Array | undefined> {
    const buffer = new Uint8Array(bytesMax);
    const count = await this.connection.read(buffer).catch(() => null); // hung up without a goodbye
    return count === null ? undefined : buffer.subarray(0, count);
  }

  /** What comes until the other side hangs up, at most `charsMax` of it. */
  async readAll(charsMax = 1_000_000): Promise<string> {
    const decoder = new TextDecoder();
    const buffer = new Uint8Array(16_384);
    let text = "";
    try {
      while (text.length < charsMax) {
        const count = await this.connection.read(buffer);
        if (count === null) break;
        text += decoder.decode(buffer.subarray(0, count), { stream: true });
      }
    } catch {
      // Hung up without a goodbye.
    }
    return text;
  }

  [Symbol.dispose](): void {
    try {
      this.connection.close();
    } catch {
      // Closed already.
    }
  }
}
