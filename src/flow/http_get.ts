/**
 * One bounded GET: in time, in size, and by the TLS rules of the connection that asked. The platform's `fetch` is not
 * used because it cannot skip verification for one request. Redirects are not followed.
 */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { type TlsOptions, tlsRequestOptions } from "./tls.ts";

export interface HttpGetOptions {
  signal: AbortSignal;
  headers?: Record<string, string>;
  /** From the call to the last byte, ms. */
  timeoutMs: number;
  /** A longer body is an error. */
  bodyBytesMax: number;
  tls?: TlsOptions;
}

export interface HttpAnswer {
  status: number;
  body: string;
}

/** Rejects with an Error that names no address, or with the signal's reason. Any status is an answer. */
export async function httpGet(address: string, options: HttpGetOptions): Promise<HttpAnswer> {
  options.signal.throwIfAborted();
  const url = new URL(address);
  const secure = url.protocol === "https:";
  const answered = Promise.withResolvers<HttpAnswer>();
  const request = (secure ? httpsRequest : httpRequest)({
    hostname: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port || (secure ? 443 : 80),
    path: url.pathname + url.search,
    agent: false,
    headers: options.headers,
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
      const body = new TextDecoder().decode(concat(chunks, bytes));
      outcome ??= { answer: { status: response.statusCode ?? 0, body } };
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
    request.end();
    return await answered.promise;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", onAbort);
  }
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
