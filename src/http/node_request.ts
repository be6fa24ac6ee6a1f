/**
 * From requests of `node:http` to web Requests, and from web Responses back. Responses are small and buffered
 * whole, but for those of streams.ts.
 */
import type { IncomingMessage, ServerResponse } from "node:http";

/** Undefined for an invalid Host, target or header. */
export function toRequest(incoming: IncomingMessage): Request | undefined {
  const { rawHeaders } = incoming;
  const method = methodOf(incoming);
  const headers = new Headers();
  let hosts = 0;
  try {
    for (let at = 0; at < rawHeaders.length; at += 2) {
      headers.append(rawHeaders[at], rawHeaders[at + 1]);
      if (rawHeaders[at].toLowerCase() === "host") hosts++;
    }
    const isHostMissing = hosts === 0 && incoming.httpVersion !== "1.0";
    if (hosts > 1 || isHostMissing) return undefined; // RFC 9112, section 3.2
    const url = urlOf(headers.get("host") ?? "localhost", incoming.url ?? "");
    if (url === undefined) return undefined;
    const body = hasBody(method, headers) ? bodyOf(incoming) : undefined;
    return new Request(url, { method, headers, body });
  } catch {
    return undefined; // an invalid header value
  }
}

/** A client that has disconnected is no error. */
export async function sendResponse(response: Response, outgoing: ServerResponse): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  if (outgoing.destroyed) return;
  copyHead(response, outgoing);
  outgoing.end(body);
}

export function copyHead(response: Response, outgoing: ServerResponse): void {
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) outgoing.setHeader(name, value);
}

/** Methods that a web Request refuses (fetch, section 2.2.1). No route has them: the app responds as to any unknown one. */
const REFUSED_METHODS = /^(connect|trace|track)$/i;

function methodOf({ method = "GET" }: IncomingMessage): string {
  return REFUSED_METHODS.test(method) ? "UNKNOWN" : method;
}

/** A host name or an address, and a port. The URL parser would accept more. */
const HOST = /^([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?$/i;

function urlOf(host: string, target: string): string | undefined {
  if (!HOST.test(host)) return undefined;
  // The absolute form has the host in the target (RFC 9112, section 3.2.2).
  const url = URL.parse(target.startsWith("/") ? `http://${host}${target}` : target);
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined;
}

function hasBody(method: string, headers: Headers): boolean {
  if (method === "GET" || method === "HEAD") return false;
  return headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0;
}

/** With backpressure. Cancelling leaves the connection open for the response, unlike Readable.toWeb(). */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array<ArrayBuffer>> {
  let isOpen = true;
  const end = (how: () => void) => {
    if (isOpen) how();
    isOpen = false;
  };
  return new ReadableStream({
    start(controller) {
      incoming.on("data", (chunk: Uint8Array<ArrayBuffer>) => {
        if (!isOpen) return;
        controller.enqueue(new Uint8Array(chunk));
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.once("end", () => end(() => controller.close()));
      incoming.once("error", (error) => end(() => controller.error(error)));
      incoming.once("close", () => end(() => controller.error(new Error("the client disconnected"))));
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      end(() => incoming.pause());
    },
  });
}
