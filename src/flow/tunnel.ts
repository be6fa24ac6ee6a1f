/**
 * A connection through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), then TLS to the server itself where that is
 * wanted, so that the proxy sees where a connection leads and nothing of what it carries. One attempt. Errors name
 * neither addresses nor credentials.
 */
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectSecure } from "node:tls";
import { hostOf, portOf } from "./proxy.ts";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";

/** The proxy did not open the way. The message is a cause, for the end of another's. */
export class ProxyError extends Error {}

/** Of the proxy's answer to CONNECT. */
const HEAD_BYTES_MAX = 16_384;

/** A socket that ends at `target`. Rejects with ProxyError or the signal's reason; then nothing of it is left. */
export async function openTunnel(
  proxy: URL,
  target: URL,
  { tls, signal }: { tls?: TlsOptions; signal: AbortSignal },
): Promise<Socket> {
  signal.throwIfAborted();
  const isSecureProxy = proxy.protocol === "https:";
  const socket = isSecureProxy ? secured(undefined, proxy, tls) : connectPlain(portOf(proxy), hostOf(proxy));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  try {
    await opened(socket, isSecureProxy ? "secureConnect" : "connect", signal, () => {
      const where = `${target.hostname}:${portOf(target)}`;
      const credentials = proxyAuthorization(proxy);
      const lines = [`CONNECT ${where} HTTP/1.1`, `Host: ${where}`];
      if (credentials !== undefined) lines.push(`Proxy-Authorization: ${credentials}`);
      socket.write([...lines, "", ""].join("\r\n"));
    });
  } catch (error) {
    socket.destroy();
    await closed;
    throw error;
  }
  if (target.protocol !== "https:" && target.protocol !== "wss:") return socket;
  const inside = secured(socket, target, tls);
  inside.once("close", () => socket.destroy());
  return inside;
}

/** Undefined where the proxy's address names nobody. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(credentials)))}`;
}

/** TLS to `peer`, over `socket` or over a connection of its own. */
function secured(socket: Socket | undefined, peer: URL, tls: TlsOptions | undefined): Socket {
  const host = hostOf(peer);
  return connectSecure({
    ...(socket ? { socket } : { port: portOf(peer) }),
    host,
    servername: isIP(host) ? "" : host,
    ...tlsRequestOptions(tls),
  });
}

/** Resolves when the proxy has answered 2xx. */
function opened(
  socket: Socket,
  ready: "connect" | "secureConnect",
  signal: AbortSignal,
  ask: () => void,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let head = "";
  const onData = (chunk: Uint8Array) => {
    head += new TextDecoder("latin1").decode(chunk);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0 && head.length < HEAD_BYTES_MAX) return;
    const [, status] = head.match(/^HTTP\/1\.\d (\d{3})/) ?? [];
    // Neither TLS nor HTTP begins with the server's word: whatever came behind the head is not from there.
    if (end >= 0 && end + 4 === head.length && status?.startsWith("2")) resolve();
    else {reject(
        new ProxyError(status ? `the proxy answered ${status}` : "the proxy's answer makes no sense"),
      );}
  };
  const onLost = () => reject(new ProxyError("the proxy is out of reach"));
  const onAbort = () => reject(signal.reason);
  socket.once(ready, ask).on("data", onData).once("error", onLost).once("close", onLost);
  signal.addEventListener("abort", onAbort, { once: true });
  return promise.finally(() => {
    signal.removeEventListener("abort", onAbort);
    socket.off("data", onData).off("close", onLost).off("error", onLost);
    socket.on("error", () => {}); // what follows shows in how the connection closes
  });
}
