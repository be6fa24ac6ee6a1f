/**
 * The connections of the REST API, one request each, within bounds: their number, and how long a client may take to send
 * the head and to read the response. Past the number one that waits for its client is closed, never one whose request is
 * being processed: the oldest of the source with the most connections.
 *
 *     head -> working (in the app) -> sending (the client reads the response) -> lingering -> closed
 *                 |-> held (wrong credentials) --^
 *                 \-> streaming (events, as long as both sides want) -> lingering
 */
import { LIMITS } from "../domain/mod.ts";
import type { ConnectionStream } from "./connection_stream.ts";

export interface ConnectionBounds {
  /** Connections at once. */
  most: number;
  headMs: number;
  sendMs: number;
  /** Responses that are streams, at once, besides. */
  streams: number;
  idleMs: number;
  /** WebSockets at once, besides. */
  sockets: number;
  pingMs: number;
}

export const CONNECTION_BOUNDS: ConnectionBounds = {
  most: LIMITS.httpConnections,
  headMs: LIMITS.httpHeadMs,
  sendMs: LIMITS.httpSendMs,
  streams: LIMITS.httpStreams,
  idleMs: LIMITS.httpStreamIdleMs,
  sockets: LIMITS.httpSockets,
  pingMs: LIMITS.socketPingMs,
};

/** Why the server closed a connection. */
export type CloseReason = "too_many" | "head_late" | "not_read";

export class Connection {
  state: "head" | "working" | "held" | "sending" | "streaming" | "lingering" = "head";
  /** When the state began, monotonic ms. */
  sinceMs = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly stream: ConnectionStream, readonly source: string) {}

  /** Calls `expired` after `ms`, instead of an earlier deadline; undefined: none. */
  setDeadline(ms: number | undefined, expired = () => {}): void {
    clearTimeout(this.#timer);
    this.sinceMs = performance.now();
    this.#timer = ms === undefined || this.stream.destroyed ? undefined : setTimeout(expired, ms);
  }
}

export class Connections {
  /** By stream, the socket of `node:http`. */
  readonly #open = new Map<object, Connection>();
  /** Those of streams, until they are closed: they do not count as connections of the REST API. */
  readonly #streams = new Map<object, Connection>();
  readonly #bounds: ConnectionBounds;
  readonly #onClosed: (reason: CloseReason) => void;

  /** `onClosed` is called for each connection closed by a bound. */
  constructor(bounds: ConnectionBounds, onClosed: (reason: CloseReason) => void) {
    this.#bounds = bounds;
    this.#onClosed = onClosed;
  }

  get size(): number {
    return this.#open.size;
  }

  get streams(): number {
    return this.#streams.size;
  }

  of(socket: object): Connection | undefined {
    return this.#open.get(socket) ?? this.#streams.get(socket);
  }

  /** At the bound, closes another connection first; false where the requests of all are being processed. */
  add(stream: ConnectionStream, source: string): boolean {
    if (this.#open.size >= this.#bounds.most && !this.shed()) {
      this.#onClosed("too_many");
      return false;
    }
    const connection = new Connection(stream, source);
    this.#open.set(stream, connection);
    stream.once("close", () => {
      connection.setDeadline(undefined);
      this.#open.delete(stream);
      this.#streams.delete(stream);
    });
    connection.setDeadline(this.#bounds.headMs, () => this.#close(connection, "head_late"));
    return true;
  }

  /** The head of the request is complete. */
  working(connection: Connection): void {
    connection.state = "working";
    connection.setDeadline(undefined);
  }

  /** Delays the response, until the client disconnects at most. Meanwhile the connection may be closed for another. */
  hold(connection: Connection, ms: number): Promise<void> {
    connection.state = "held";
    return new Promise((resolve) => {
      connection.setDeadline(ms, resolve);
      connection.stream.once("close", resolve);
      if (connection.stream.destroyed) resolve();
    });
  }

  /** The app has responded; the client reads the response. */
  sending(connection: Connection): void {
    connection.state = "sending";
    connection.setDeadline(this.#bounds.sendMs, () => this.#close(connection, "not_read"));
  }

  /** The response is a stream of events; false where there are too many. */
  streaming(connection: Connection): boolean {
    if (this.#streams.size >= this.#bounds.streams) return false;
    connection.state = "streaming";
    connection.setDeadline(undefined);
    this.#open.delete(connection.stream);
    if (!connection.stream.destroyed) this.#streams.set(connection.stream, connection);
    return true;
  }

  /** The stream has no more events; the client reads what waits for it. */
  streamed(connection: Connection): void {
    connection.setDeadline(this.#bounds.sendMs, () => this.#close(connection, "not_read"));
  }

  /** The response is sent; the client closes the connection. */
  lingering(connection: Connection): void {
    connection.state = "lingering";
    connection.setDeadline(LIMITS.httpLingerMs, () => connection.stream.destroy());
  }

  /** It becomes a WebSocket, and counts no longer. */
  upgraded(connection: Connection): void {
    connection.setDeadline(undefined);
    this.#open.delete(connection.stream);
  }

  /** Closes a connection that waits for its client; false where there is none. */
  shed(): boolean {
    const waiting = [...this.#open.values()].filter(({ state }) => state !== "working");
    if (waiting.length === 0) return false;
    const bySource = new Map<string, number>();
    for (const { source } of this.#open.values()) bySource.set(source, (bySource.get(source) ?? 0) + 1);
    const count = ({ source }: Connection) => bySource.get(source) ?? 0;
    const [worst] = waiting.sort((a, b) => count(b) - count(a) || a.sinceMs - b.sinceMs);
    this.#close(worst, "too_many");
    return true;
  }

  closeAll(): void {
    for (const { stream } of [...this.#open.values(), ...this.#streams.values()]) stream.destroy();
  }

  #close({ stream }: Connection, reason: CloseReason): void {
    if (stream.destroyed) return;
    this.#onClosed(reason);
    this.#open.delete(stream);
    stream.destroy();
  }
}

/** The source a connection counts for: an IPv4 address, an IPv6 /64 (one client has all of it), or the Unix socket. */
export function sourceOf(address: Deno.Addr): string {
  if (!("hostname" in address)) return "unix";
  const { hostname } = address;
  if (!hostname.includes(":")) return hostname;
  const mapped = /^::ffff:([\d.]+)$/i.exec(hostname)?.[1];
  if (mapped !== undefined) return mapped;
  const [head, tail] = hostname.split("::");
  const groups = head === "" ? [] : head.split(":");
  const zeros = tail === undefined ? 0 : 8 - groups.length - (tail === "" ? 0 : tail.split(":").length);
  return [...groups, ...Array(zeros).fill("0"), ...(tail ?? "").split(":")].slice(0, 4).join(":");
}
