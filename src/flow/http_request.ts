/**
 * One HTTP request, bounded in time and in the size of its response, with TLS options of its own: `fetch` cannot skip
 * verification for one request. Follows no redirects, retries nothing.
 */
import type { IncomingHttpHeaders } from "node:http";
import { withTimeout } from "./clock.ts";
import { type HttpRoute, startRequest, withRoute } from "./http_route.ts";
import type { TlsOptions } from "./tls.ts";

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
    return await withRoute(new URL(address), { tls, signal: ending }, async (route) => {
      const answer = await request(route, options, ending);
      if (route.isWholeToProxy && answer.status === 407) {
        throw new Error("Cannot connect: the proxy answered 407");
      }
      return answer;
    });
  });
}

function request(
  { target, unreachable }: HttpRoute,
  options: HttpRequestOptions,
  ending: AbortSignal,
): Promise<HttpAnswer> {
  const body = typeof options.body === "string" ? new TextEncoder().encode(options.body) : options.body;
  const sent = startRequest({
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
