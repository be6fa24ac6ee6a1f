/**
 * An HTTP proxy on loopback (RFC 9110, section 9.3.6; RFC 9112, section 3.2.2): CONNECT for anything, requests in
 * absolute form for plain HTTP. Knows names nobody else does, so that what arrives at their servers came through it.
 */
import { ClaimedPorts } from "./ports.ts";

export interface FakeProxyOptions {
  /** Where names lead: host -> port on loopback. */
  hosts: Record<string, number>;
  /** `user:password` it wants to see, as in an address. */
  credentials?: string;
  /** It speaks TLS itself. */
  certificate?: { cert: string; key: string };
}

const HEAD_BYTES_MAX = 16_384;

export class FakeProxy implements AsyncDisposable {
  /** First lines of all requests, such as `CONNECT hpb.example:443 HTTP/1.1`. */
  readonly asked: string[] = [];
  /** What CONNECT is answered, instead of being done. */
  refusal: string | undefined;
  /** It takes connections, and answers nothing. */
  isSilent = false;
  /** Connections now, in and out. */
  open = 0;
  readonly #options: FakeProxyOptions;
  readonly #ports = ClaimedPorts.claim();
  readonly #listener: Deno.Listener;
  readonly #connections = new Set<Deno.Conn>();
  readonly #serving = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;

  constructor(options: FakeProxyOptions) {
    this.#options = options;
    const where = { hostname: "127.0.0.1", port: this.#ports.next() };
    const { certificate } = options;
    this.#listener = certificate ? Deno.listenTls({ ...where, ...certificate }) : Deno.listen(where);
    this.#accepting = this.#accept();
  }

  get port(): number {
    const { addr } = this.#listener;
    return addr.transport === "tcp" ? addr.port : 0;
  }

  get url(): string {
    const { certificate, credentials } = this.#options;
    return `${certificate ? "https" : "http"}://${
      credentials ? `${credentials}@` : ""
    }127.0.0.1:${this.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const connection of this.#connections) connection.close();
    this.#connections.clear();
    await Promise.all([this.#accepting, ...this.#serving]);
    this.#ports[Symbol.dispose]();
  }

  async #accept(): Promise<void> {
    for (;;) {
      let client: Deno.Conn;
      try {
        client = await this.#listener.accept();
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        continue; // a TLS handshake that failed
      }
      const serving = this.#serve(client).catch(() => {}).finally(() => this.#serving.delete(serving));
      this.#serving.add(serving);
    }
  }

  async #serve(client: Deno.Conn): Promise<void> {
    this.#own(client);
    try {
      const { head, rest } = await readHead(client);
      const [line] = head.split("\r\n");
      this.asked.push(line);
      if (this.isSilent) return void await client.read(new Uint8Array(1)).catch(() => {});
      const say = (text: string) => client.write(new TextEncoder().encode(text));
      const { credentials } = this.#options;
      if (
        credentials &&
        !head.includes(
          `\r\nproxy-authorization: basic ${btoa(decodeURIComponent(credentials)).toLowerCase()}`,
        )
      ) {
        return void await say("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
      }
      if (this.refusal) return void await say(`HTTP/1.1 ${this.refusal}\r\nContent-Length: 0\r\n\r\n`);
      const [method, target] = line.split(" ");
      const isTunnel = method === "CONNECT";
      const url = new URL(isTunnel ? `tcp://${target}` : target);
      const port = this.#options.hosts[url.hostname];
      if (port === undefined) return void await say("HTTP/1.1 502 No Such Host\r\nContent-Length: 0\r\n\r\n");
      const server = await Deno.connect({ hostname: "127.0.0.1", port });
      this.#own(server);
      if (isTunnel) await say("HTTP/1.1 200 Connection established\r\nVia: fake\r\n\r\n");
      else await server.write(inOriginForm(head, url));
      if (rest.length > 0) await server.write(rest);
      await Promise.all([
        client.readable.pipeTo(server.writable).catch(() => {}),
        server.readable.pipeTo(client.writable).catch(() => {}),
      ]);
      this.#connections.delete(server);
      this.open--;
    } finally {
      this.#disown(client);
    }
  }

  #own(connection: Deno.Conn): void {
    this.#connections.add(connection);
    this.open++;
  }

  #disown(connection: Deno.Conn): void {
    this.open--;
    if (!this.#connections.delete(connection)) return;
    try {
      connection.close();
    } catch {
      // its streams have closed it
    }
  }
}

/** The head in lower case but for the first line, and what came behind it. */
async function readHead(client: Deno.Conn): Promise<{ head: string; rest: Uint8Array }> {
  const bytes = new Uint8Array(HEAD_BYTES_MAX);
  let length = 0;
  for (;;) {
    const read = await client.read(bytes.subarray(length));
    if (read === null) throw new Error("Cannot read a request: it broke off");
    length += read;
    const text = new TextDecoder("latin1").decode(bytes.subarray(0, length));
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const line = text.slice(0, text.indexOf("\r\n"));
    return { head: line + text.slice(line.length, end).toLowerCase(), rest: bytes.slice(end + 4, length) };
  }
}

/** What the server behind is asked. */
function inOriginForm(head: string, { pathname, search }: URL): Uint8Array {
  const [line, ...fields] = head.split("\r\n");
  const kept = fields.filter((field) => !field.startsWith("proxy-"));
  return new TextEncoder().encode(
    [`${line.split(" ")[0]} ${pathname}${search} HTTP/1.1`, ...kept, "", ""].join("\r\n"),
  );
}
