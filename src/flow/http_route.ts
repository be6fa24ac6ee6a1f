/** How an HTTP request reaches its server: directly, whole to a proxy, or through a tunnel that a proxy opens. */
import { type ClientRequest, request as plainRequest } from "node:http";
import { request as secureRequest, type RequestOptions } from "node:https";
import { hostOf, portOf, proxyFor } from "./proxy.ts";
import type { TlsOptions } from "./tls.ts";
import { openTunnel, proxyAuthorization, secured } from "./tunnel.ts";

/** One request, not yet sent. */
export interface HttpRoute {
  /** Of the server or the proxy. */
  target: RequestOptions;
  /** For the message where it cannot be connected to. */
  unreachable: string;
  /** The proxy answers, with 407 where it wants credentials, which is no server's status. */
  isWholeToProxy: boolean;
}

export interface HttpRouteOptions {
  tls: TlsOptions | undefined;
  /** Ends the tunnel's opening. */
  signal: AbortSignal;
}

/** Settles like `use`; a tunnel is closed by then. Rejects with an Error without addresses, or the signal's reason. */
export async function withRoute<T>(
  url: URL,
  { tls, signal }: HttpRouteOptions,
  use: (route: HttpRoute) => Promise<T>,
): Promise<T> {
  const proxy = proxyFor(url, tls?.proxies);
  const target = direct(url, tls);
  if (!proxy) {
    return await use({ target, unreachable: "refused, lost, or not trusted", isWholeToProxy: false });
  }
  // RFC 9112, section 3.2.2.
  if (url.protocol === "http:") {
    const authorization = proxyAuthorization(proxy);
    const headers = {
      Host: url.host,
      ...(authorization !== undefined && { "Proxy-Authorization": authorization }),
    };
    return await use({
      target: { ...direct(proxy, tls), path: `http://${url.host}${target.path}`, headers },
      unreachable: "the proxy is out of reach",
      isWholeToProxy: true,
    });
  }
  const failure = (cause: string) => new Error(`Cannot connect: ${cause}`);
  const socket = await openTunnel(proxy, url, { tls, signal, failure });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  try {
    // By node:http: the socket is TLS already, and an agent would make one of its own.
    const { hostname, path } = target;
    return await use({
      target: { hostname, path, createConnection: () => socket, headers: { Host: url.host } },
      unreachable: "refused, lost, or not trusted",
      isWholeToProxy: false,
    });
  } finally {
    socket.destroy();
    await closed;
  }
}

/** By node:https where TLS is still to be made. */
export function startRequest(options: RequestOptions): ClientRequest {
  return (options.protocol === "https:" ? secureRequest : plainRequest)(options);
}

function direct(url: URL, tls: TlsOptions | undefined): RequestOptions {
  return {
    protocol: url.protocol,
    hostname: hostOf(url),
    port: portOf(url),
    path: url.pathname + url.search,
    // An agent of node:https reads the system's certificates where NODE_EXTRA_CA_CERTS is set, which these permissions
    // refuse.
    ...(url.protocol === "https:"
      ? { createConnection: () => secured(undefined, url, tls) }
      : { agent: false }),
  };
}
