/**
 * A connection through an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), then TLS to the server itself for secure
 * protocols. One attempt. Errors contain neither addresses nor credentials.
 */
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectSecure } from "node:tls";
import { untilAborted } from "./clock.ts";
import { hostOf, portOf } from "./proxy.ts";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";

/** Of the proxy's response to CONNECT. */
const HEAD_BYTES_MAX = 16_384;

export interface TunnelOptions {
  tls?: TlsOptions;
  signal: AbortSignal;
  /** The error for a cause, such as "the proxy is out of reach". */
  failure: (cause: string) => Error;
}

/** A socket connected to `target`. Rejects with a `failure` or the signal's reason; then everything is closed. */
export async function openTunnel(
  proxy: URL,
  target: URL,
  { tls, signal, failure }: TunnelOptions,
): Promise<Socket> {
  signal.throwIfAborted();
  const isSecureProxy = proxy.protocol === "https:";
  const socket = isSecureProxy ? secured(undefined, proxy, tls) : connectPlain(portOf(proxy), hostOf(proxy));
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  try {
    const tunnelled = connected(socket, signal, failure);
    socket.once(isSecureProxy ? "secureConnect" : "connect", () => {
      const where = `${target.hostname}:${portOf(target)}`;
      const credentials = proxyAuthorization(proxy);
      const lines = [`CONNECT ${where} HTTP/1.1`, `Host: ${where}`];
      if (credentials !== undefined) lines.push(`Proxy-Authorization: ${credentials}`);
      socket.write([...lines, "", ""].join("\r\n"));
    });
    await tunnelled;
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

/** Undefined where the proxy's address has no credentials. */
export function proxyAuthorization({ username, password }: URL): string | undefined {
  if (username === "" && password === "") return undefined;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(credentials)))}`;
}

/** TLS to `peer`, over `socket` or over a connection of its own. */
export function secured(socket: Socket | undefined, peer: URL, tls: TlsOptions | undefined): Socket {
  const host = hostOf(peer);
  return connectSecure({
    ...(socket ? { socket } : { port: portOf(peer) }),
    host,
    servername: isIP(host) ? "" : host,
    ...tlsRequestOptions(tls),
  });
}

/** Resolves when the proxy has answered 2xx. */
function connected(
  socket: Socket,
  signal: AbortSignal,
  failure: TunnelOptions["failure"],
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let head = "";
  const onData = (chunk: Uint8Array) => {
    head += new TextDecoder("latin1").decode(chunk);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0 && head.length < HEAD_BYTES_MAX) return;
    const [, status] = head.match(/^HTTP\/1\.\d (\d{3})/) ?? [];
    // Clients begin in TLS and in HTTP: bytes after the head are not the server's.
    if (end >= 0 && end + 4 === head.length && status?.startsWith("2")) return resolve();
    reject(failure(status ? `the proxy answered ${status}` : "the proxy's response is malformed"));
  };
  const onLost = () => reject(failure("the proxy is out of reach"));
  socket.on("data", onData).once("error", onLost).once("close", onLost);
  return untilAborted(promise, signal).finally(() => {
    socket.off("data", onData).off("close", onLost).off("error", onLost);
    socket.on("error", () => {}); // later errors show in how the connection closes
  });
}
