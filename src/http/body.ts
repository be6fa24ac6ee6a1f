/** Reads a request's JSON within bounds of size and time. */
import { LIMITS } from "../domain/mod.ts";
import { HttpError } from "./errors.ts";

/** Clients give up much earlier, after some 3 s. */
const BODY_TIMEOUT_MS = 10_000;

const JSON_TYPE = /^application\/([\w.+-]+\+)?json\s*(;|$)/i;

/**
 * The same request with its body read and known to be JSON, of at most `LIMITS.httpBodyBytes`. A missing Content-Type
 * means JSON. Rejects with HttpError (400, 408, 413, 415).
 */
export async function withJsonBody(request: Request, timeoutMs = BODY_TIMEOUT_MS): Promise<Request> {
  const contentType = request.headers.get("content-type");
  if (contentType !== null && !JSON_TYPE.test(contentType.trim())) {
    await request.body?.cancel();
    throw new HttpError({ status: 415, message: "body: expected application/json" });
  }
  const body = await readText(request, timeoutMs);
  try {
    JSON.parse(body);
  } catch {
    throw new HttpError({ status: 400, message: "body: not valid JSON" });
  }
  return new Request(request.url, {
    method: request.method,
    headers: { "content-type": "application/json" },
    body,
  });
}

async function readText(request: Request, timeoutMs: number): Promise<string> {
  const bytesMax = LIMITS.httpBodyBytes;
  const reader = request.body?.getReader();
  if (!reader) return "";
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    reader.cancel().catch(() => {});
  }, timeoutMs);
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let bytes = 0;
    let text = "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      bytes += read.value.byteLength;
      if (bytes > bytesMax) {
        await reader.cancel();
        throw new HttpError({ status: 413, message: `body: larger than ${bytesMax} bytes` });
      }
      text += decoder.decode(read.value, { stream: true });
    }
    if (timedOut) throw new HttpError({ status: 408, message: "body: did not arrive in time" });
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof HttpError) throw error;
    if (timedOut) throw new HttpError({ status: 408, message: "body: did not arrive in time" });
    // The client disconnected, or it is not UTF-8.
    await reader.cancel().catch(() => {});
    throw new HttpError({ status: 400, message: "body: incomplete or not UTF-8" });
  } finally {
    clearTimeout(timer);
  }
}
