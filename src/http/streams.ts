/**
 * Responses that are sent as they are made: server-sent events (HTML, section 9.2), which have no end of their own and whose
 * chunks are whole events, and files of any length, marked by `x-accel-buffering: no`. A client that reads slowly makes
 * their source wait, one that disconnects cancels it at once.
 */
import type { ServerResponse } from "node:http";
import type { ConnectionStream } from "./connection_stream.ts";

export interface StreamOptions {
  /** For the client to take what was sent, ms; then the connection is ended, and `onStalled` called. */
  stallMs: number;
  onStalled: () => void;
  /** Between comments that keep the connection open where there are no events: for proxies, and to notice its end. Absent: none. */
  idleMs?: number;
  /** Ends the response. */
  signal: AbortSignal;
}

/** A comment, which clients ignore. */
const COMMENT = ":\n\n";
const UNBUFFERED = { name: "x-accel-buffering", value: "no" };

export function isEventStream({ headers }: Response): boolean {
  return /^text\/event-stream\b/i.test(headers.get("content-type") ?? "");
}

/** Whether it is not to be buffered: nginx understands it too. */
export function isStream(response: Response): boolean {
  return isEventStream(response) || response.headers.get(UNBUFFERED.name) === UNBUFFERED.value;
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
  const comments = idleMs === undefined ? undefined : setInterval(() => {
    if (isQuiet && !outgoing.writableNeedDrain) outgoing.write(COMMENT);
    isQuiet = true;
  }, idleMs);
  try {
    outgoing.setHeader("cache-control", "no-store");
    outgoing.setHeader(UNBUFFERED.name, UNBUFFERED.value); // of nginx, which would keep events back
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
  // Events have no end of their own; of a file the client must notice that it is not whole.
  if (idleMs === undefined && ended.aborted) stream.destroy();
  else outgoing.end();
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
