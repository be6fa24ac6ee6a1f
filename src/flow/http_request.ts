/**
 * One bounded HTTP request: in time, in the size of its answer, and by the TLS rules of the connection that asked. The
 * platform's `fetch` is not used because it cannot skip verification for one request. Redirects are not followed, and
 * nothing is tried twice.
 */
import { request as plainRequest } from "node:http";
import { request as secureRequest, type RequestOptions } from "node:https";
import type { Socket } from "node:net";
import { hostOf, portOf, proxyFor } from "./proxy.ts";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";
import { openTunnel, proxyAuthorization, ProxyError } from "./tunnel.ts";

export interface HttpRequestOptions {
  /** Default GET. */
  method?: "GET" | "POST" | "PUT" | "DELETE";
  signal: AbortSignal;
  headers?: Record<string, string>;
  /** Sent as it stands; its `Content-Type` is the caller's to name. */
  body?: string;
  /** From the call to the last byte, ms. */
  timeoutMs: number;
  /** A longer body is an error. */
  bodyBytesMax: number;
  tls?: TlsOptions;
}

export interface HttpAnswer {
  status: number;
  headers: Headers;
  body: string;
}

/** Most answers have less. */
const BODY_BYTES_FIRST = 4_096;

/** Rejects with an Error that names no address, or with the signal's reason. Any status is an answer. */
export async function httpRequest(address: string, options: HttpRequestOptions): Promise<HttpAnswer> {
  options.signal.throwIfAborted();
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`Cannot read the answer: none within ${options.timeoutMs} ms`)),
    options.timeoutMs,
  );
  const ending = AbortSignal.any([options.signal, late.signal]);
  try {
    const url = new URL(address);
    const proxy = proxyFor(url, options.tls?.proxies);
    return await (proxy
      ? askThrough(proxy, url, options, ending)
      : ask(direct(url, options), options, ending));
  } finally {
    clearTimeout(timer);
  }
}

function direct(url: URL, { tls }: HttpRequestOptions): RequestOptions {
  const isSecure = url.protocol === "https:";
  return {
    protocol: url.protocol,
    hostname: hostOf(url),
    port: portOf(url),
    path: url.pathname + url.search,
    agent: false,
    ...(isSecure ? tlsRequestOptions(tls) : {}),
  };
}

/** A proxy takes plain requests whole (RFC 9112, section 3.2.2), and opens a way for secure ones. */
async function askThrough(
  proxy: URL,
  url: URL,
  options: HttpRequestOptions,
  ending: AbortSignal,
): Promise<HttpAnswer> {
  const { tls } = options;
  if (url.protocol === "http:") {
    const authorization = proxyAuthorization(proxy);
    const answer = await ask(
      { ...direct(proxy, options), path: `http://${url.host}${url.pathname}${url.search}` },
      {
        ...options,
        headers: {
          ...options.headers,
          Host: url.host,
          ...(authorization !== undefined && { "Proxy-Authorization": authorization }),
        },
      },
      ending,
      "the proxy is out of reach",
    );
    if (answer.status === 407) throw new Error("Cannot connect: the proxy answered 407"); // no server says that
    return answer;
  }
  let socket: Socket;
  try {
    socket = await openTunnel(proxy, url, { tls, signal: ending });
  } catch (error) {
    throw error instanceof ProxyError ? new Error(`Cannot connect: ${error.message}`) : error;
  }
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  try {
    const { hostname, path } = direct(url, options);
    // Of node:http: TLS is the socket's business already, and an agent would make a socket of its own.
    return await ask(
      { hostname, path, createConnection: () => socket, headers: { Host: url.host } },
      options,
      ending,
    );
  } finally {
    socket.destroy();
    await closed;
  }
}

function ask(
  target: RequestOptions,
  options: HttpRequestOptions,
  ending: AbortSignal,
  unreachable = "refused, lost, or not trusted",
): Promise<HttpAnswer> {
  const body = options.body === undefined ? undefined : new TextEncoder().encode(options.body);
  const answered = Promise.withResolvers<HttpAnswer>();
  const request = (target.protocol === "https:" ? secureRequest : plainRequest)({
    ...target,
    method: options.method ?? "GET",
    headers: {
      ...target.headers,
      ...options.headers,
      // Said beforehand, so that the body is not sent in chunks: some servers in front of Nextcloud refuse those.
      ...(body && { "Content-Length": String(body.length) }),
    },
  });
  let outcome: { answer: HttpAnswer } | { failure: unknown } | undefined;
  const fail = (failure: unknown) => {
    outcome ??= { failure };
    request.destroy();
  };
  request.on("response", (response) => {
    // One buffer: a piece of one byte is an object of a hundred.
    let body = new Uint8Array(BODY_BYTES_FIRST);
    let bytes = 0;
    response.on("data", (chunk: Uint8Array) => {
      const start = bytes;
      bytes += chunk.length;
      if (bytes > options.bodyBytesMax) return fail(new Error("Cannot read the answer: it is too long"));
      if (bytes > body.length) {
        const larger = new Uint8Array(Math.max(bytes, 2 * body.length));
        larger.set(body);
        body = larger;
      }
      body.set(chunk, start);
    });
    response.on("end", () => {
      outcome ??= {
        answer: {
          status: response.statusCode ?? 0,
          headers: new Headers(pairs(response.rawHeaders)),
          body: new TextDecoder().decode(body.subarray(0, bytes)),
        },
      };
      request.destroy();
    });
    response.on("error", () => fail(new Error("Cannot read the answer: connection lost")));
  });
  // The error's own message can carry the address.
  request.on("error", () => fail(new Error(`Cannot connect: ${unreachable}`)));
  request.on("close", () => {
    if (outcome && "answer" in outcome) answered.resolve(outcome.answer);
    else answered.reject(outcome?.failure ?? new Error("Cannot read the answer: connection lost"));
  });
  const onAbort = () => fail(ending.reason);
  ending.addEventListener("abort", onAbort, { once: true });
  request.end(body);
  return answered.promise.finally(() => ending.removeEventListener("abort", onAbort));
}

/** Node lists names and values in turn. */
function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index], raw[2 * index + 1]]);
}
