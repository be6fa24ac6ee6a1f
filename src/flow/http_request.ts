/**
 * One bounded HTTP request: in time, in the size of its answer, and by the TLS rules of the connection that asked. The
 * platform's `fetch` is not used because it cannot skip verification for one request. Redirects are not followed, and
 * nothing is tried twice.
 */
import { request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";

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

/** Rejects with an Error that names no address, or with the signal's reason. Any status is an answer. */
export async function httpRequest(address: string, options: HttpRequestOptions): Promise<HttpAnswer> {
  options.signal.throwIfAborted();
  const url = new URL(address);
  const secure = url.protocol === "https:";
  const body = options.body === undefined ? undefined : new TextEncoder().encode(options.body);
  const answered = Promise.withResolvers<HttpAnswer>();
  const request = (secure ? secureRequest : plainRequest)({
    method: options.method ?? "GET",
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (secure ? 443 : 80),
    path: url.pathname + url.search,
    agent: false,
    headers: {
      ...options.headers,
      // Said beforehand, so that the body is not sent in chunks: some servers in front of Nextcloud refuse those.
      ...(body && { "Content-Length": String(body.length) }),
    },
    ...(secure ? tlsRequestOptions(options.tls) : {}),
  });
  let outcome: { answer: HttpAnswer } | { failure: unknown } | undefined;
  const fail = (failure: unknown) => {
    outcome ??= { failure };
    request.destroy();
  };
  request.on("response", (response) => {
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    response.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length;
      if (bytes > options.bodyBytesMax) fail(new Error("Cannot read the answer: it is too long"));
      else chunks.push(chunk);
    });
    response.on("end", () => {
      outcome ??= {
        answer: {
          status: response.statusCode ?? 0,
          headers: new Headers(pairs(response.rawHeaders)),
          body: new TextDecoder().decode(concat(chunks, bytes)),
        },
      };
      request.destroy();
    });
    response.on("error", () => fail(new Error("Cannot read the answer: connection lost")));
  });
  // The error's own message can carry the address.
  request.on("error", () => fail(new Error("Cannot connect: refused, lost, or not trusted")));
  request.on("close", () => {
    if (outcome && "answer" in outcome) answered.resolve(outcome.answer);
    else answered.reject(outcome?.failure ?? new Error("Cannot read the answer: connection lost"));
  });
  const onAbort = () => fail(options.signal.reason);
  const timer = setTimeout(
    () => fail(new Error(`Cannot read the answer: none within ${options.timeoutMs} ms`)),
    options.timeoutMs,
  );
  options.signal.addEventListener("abort", onAbort, { once: true });
  try {
    request.end(body);
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", onAbort);
  }
}

/** Node lists names and values in turn. */
function pairs(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index], raw[2 * index + 1]]);
}

function concat(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
