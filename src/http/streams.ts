/**
 * Responses without an end of their own: server-sent events (HTML, section 9.2), sent as they come. A client that reads
 * slowly makes their source wait, one that disconnects cancels it at once. Chunks are whole events.
 */
import type { ServerResponse } from "node:http";
import type { ConnectionStream } from "./connection_stream.ts";

export interface StreamOptions {
  /** For the client to take what was sent, ms; then the connection is ended, and `onStalled` called. */
  stallMs: number;
  onStalled: () => void;
  /** Between comments that keep the connection open where there are no events: for proxies, and to notice its end. */
  idleMs: number;
  /** Ends the response. */
  signal: AbortSignal;
}

/** A comment, which clients ignore. */
const COMMENT = ":\n\n";

export function isEventStream({ headers }: Response): boolean {
  return /^text\/event-stream\b/i.test(headers.get("content-type") ?? "");
}

/** Resolves when the response has ended, whoever ended it. Rejects with the source's error. */
export async function sendStream(
  response: Response,
  outgoing: ServerResponse,
  stream: ConnectionStream,
  { stallMs, onStalled, idleMs, signal }: StreamOptions,
): Promise<void> {
  const reader = response.body?.getReader();
  if (!reader) return void outgoing.end();
  const end = new AbortController();
  const ended = AbortSignal.any([signal, end.signal]);
  const onGone = () => end.abort();
  stream.once("end", onGone);
  stream.once("close", onGone);
  if (stream.destroyed) onGone();
  const cancel = () => void reader.cancel().catch(() => {}); // the source failed meanwhile
  if (ended.aborted) cancel();
  else ended.addEventListener("abort", cancel, { once: true });
  let isQuiet = true;
  const comments = setInterval(() => {
    if (isQuiet && !outgoing.writableNeedDrain) outgoing.write(COMMENT);
    isQuiet = true;
  }, idleMs);
  try {
    outgoing.setHeader("cache-control", "no-store");
    outgoing.setHeader("x-accel-buffering", "no"); // of nginx, which would keep events back
    outgoing.flushHeaders();
    while (true) {
      const { done, value } = await reader.read();
      if (done || ended.aborted) break;
      isQuiet = false;
      if (outgoing.write(value)) continue;
      if (!await drained(outgoing, ended, stallMs)) {
        onStalled();
        stream.destroy();
        break;
      }
    }
  } finally {
    clearInterval(comments);
    ended.removeEventListener("abort", cancel);
    cancel();
    stream.removeListener("end", onGone);
    stream.removeListener("close", onGone);
  }
  outgoing.end();
}

/** Whether the client took all, or the response has ended, within `stallMs`. */
function drained(outgoing: ServerResponse, ended: AbortSignal, stallMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (inTime: boolean) => {
      clearTimeout(timer);
      outgoing.removeListener("drain", onDrain);
      ended.removeEventListener("abort", onDrain);
      resolve(inTime);
    };
    const onDrain = () => settle(true);
    const timer = setTimeout(() => settle(false), stallMs);
    outgoing.once("drain", onDrain);
    ended.addEventListener("abort", onDrain, { once: true });
    if (ended.aborted) onDrain();
  });
}
