/**
 * One HTTP request, bounded in time and in the size of its response, with TLS options of its own: `fetch` cannot skip
 * verification for one request. Follows no redirects, retries nothing.
 */
import { type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { request as secureRequest, type RequestOptions } from "node:https";
import { withTimeout } from "./clock.ts";
import { hostOf, portOf, proxyFor } from "./proxy.ts";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";
import { openTunnel, proxyAuthorization } from "./tunnel.ts";

export interface HttpRequestOptions {
  /** Default GET. */
  method?: "GET" | "POST" | "PUT" | "DELETE";
  signal: AbortSignal;
  /** `Content-Type` of the body included. */
  headers?: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
  /** From the call to the last byte, ms. */
  timeoutMs: number;
  /** A longer response body is an error. */
  bodyBytesMax: number;
  tls?: TlsOptions;
}

export interface HttpAnswer {
  status: number;
  /** By lower-case name. */
  headers: IncomingHttpHeaders;
  body: string;
}

/** Resolves with any status. Rejects with an Error that contains no address, or with the signal's reason. */
export async function httpRequest(address: string, options: HttpRequestOptions): Promise<HttpAnswer> {
  const { signal, timeoutMs, tls } = options;
  const late = () => new Error(`Cannot read the response: none within ${timeoutMs} ms`);
  return await withTimeout({ signal, timeoutMs, late }, async (ending) => {
    const url = new URL(address);
    const proxy = proxyFor(url, tls?.proxies);
    return await (proxy
      ? requestThrough(proxy, url, options, ending)
      : request(direct(url, tls), options, ending));
  });
}

function direct(url: URL, tls: TlsOptions | undefined): RequestOptions {
  return {
    protocol: url.protocol,
    hostname: hostOf(url),
    port: portOf(url),
    path: url.pathname + url.search,
    agent: false,
    ...(url.protocol === "https:" ? tlsRequestOptions(tls) : {}),
  };
}

/** A proxy takes plain requests whole (RFC 9112, section 3.2.2), and opens a tunnel for secure ones. */
async function requestThrough(
  proxy: URL,
  url: URL,
  options: HttpRequestOptions,
  ending: AbortSignal,
): Promise<HttpAnswer> {
  const { tls } = options;
  const { hostname, path, ...secure } = direct(url, tls);
  if (secure.protocol === "http:") {
    const authorization = proxyAuthorization(proxy);
    const headers = {
      ...options.headers,
      Host: url.host,
      ...(authorization !== undefined && { "Proxy-Authorization": authorization }),
    };
    const target = { ...direct(proxy, tls), path: `http://${url.host}${path}` };
    const answer = await request(target, { ...options, headers }, ending, "the proxy is out of reach");
    if (answer.status === 407) throw new Error("Cannot connect: the proxy answered 407"); // no server's status
    return answer;
  }
  const failure = (cause: string) => new Error(`Cannot connect: ${cause}`);
  const socket = await openTunnel(proxy, url, { tls, signal: ending, failure });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  try {
    // By node:http: the socket is TLS already, and an agent would make one of its own.
    const target = { hostname, path, createConnection: () => socket, headers: { Host: url.host } };
    return await request(target, options, ending);
  } finally {
    socket.destroy();
    await closed;
  }
}

function request(
  target: RequestOptions,
  options: HttpRequestOptions,
  ending: AbortSignal,
  unreachable = "refused, lost, or not trusted",
): Promise<HttpAnswer> {
  const body = typeof options.body === "string" ? new TextEncoder().encode(options.body) : options.body;
  const sent = (target.protocol === "https:" ? secureRequest : plainRequest)({
    ...target,
    method: options.method ?? "GET",
    headers: {
      ...target.headers,
      ...options.headers,
      // Otherwise the body is sent in chunks, which some servers in front of Nextcloud refuse.
      ...(body && { "Content-Length": String(body.length) }),
    },
  });
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  let answer: HttpAnswer | undefined;
  let failure: unknown;
  const fail = (reason: unknown) => {
    if (!answer) failure ??= reason;
    sent.destroy();
  };
  sent.on("response", (response) => {
    // One buffer: a chunk of one byte is an object of a hundred.
    const received = new ArrayBuffer(0, { maxByteLength: options.bodyBytesMax });
    response.on("data", (chunk: Uint8Array) => {
      const start = received.byteLength;
      if (start + chunk.length > received.maxByteLength) {
        return fail(new Error("Cannot read the response: it is too long"));
      }
      received.resize(start + chunk.length);
      new Uint8Array(received).set(chunk, start);
    });
    response.on("end", () => {
      const { statusCode = 0, headers } = response;
      answer = { status: statusCode, headers, body: new TextDecoder().decode(received.slice()) };
      sent.destroy();
    });
    response.on("error", () => fail(new Error("Cannot read the response: connection lost")));
  });
  // The error's own message can contain the address.
  sent.on("error", () => fail(new Error(`Cannot connect: ${unreachable}`)));
  sent.on("close", () => {
    if (answer && failure === undefined) resolve(answer);
    else reject(failure ?? new Error("Cannot read the response: connection lost"));
  });
  const onAbort = () => fail(ending.reason);
  ending.addEventListener("abort", onAbort, { once: true });
  sent.end(body);
  return promise.finally(() => ending.removeEventListener("abort", onAbort));
}
