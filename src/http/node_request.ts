/** From requests of `node:http` to those of the web, and back with the answer. Answers are small and held whole. */
import type { IncomingMessage, ServerResponse } from "node:http";

/** Undefined for what is no request to this service: no such host, no such target, a header nobody may send. */
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
    return undefined; // a value that is no header's
  }
}

/** Sends `response` whole. Whoever did not wait for it is no error. */
export async function sendResponse(response: Response, outgoing: ServerResponse): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  if (outgoing.destroyed) return;
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) outgoing.setHeader(name, value);
  outgoing.end(body);
}

/** What a Request of the web refuses (fetch, section 2.2.1). No route has them: the app answers as to any other of these. */
const REFUSED_METHODS = /^(connect|trace|track)$/i;

function methodOf({ method = "GET" }: IncomingMessage): string {
  return REFUSED_METHODS.test(method) ? "UNKNOWN" : method;
}

/** A host name or an address, and a port. What the URL parser makes of the rest is not worth knowing. */
const HOST = /^([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:\d{1,5})?$/i;

function urlOf(host: string, target: string): string | undefined {
  if (!HOST.test(host)) return undefined;
  // A proxy's form of a target names the host itself (RFC 9112, section 3.2.2).
  const url = URL.parse(target.startsWith("/") ? `http://${host}${target}` : target);
  return url && /^https?:$/.test(url.protocol) ? url.href : undefined;
}

function hasBody(method: string, headers: Headers): boolean {
  if (method === "GET" || method === "HEAD") return false;
  return headers.has("transfer-encoding") || Number(headers.get("content-length") ?? 0) > 0;
}

/** Read no faster than it is asked for. Cancelling leaves the connection open, for the answer. */
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
      incoming.once("close", () => end(() => controller.error(new Error("the caller hung up"))));
    },
    pull() {
      incoming.resume();
    },
    cancel() {
      end(() => incoming.pause());
    },
  });
}
