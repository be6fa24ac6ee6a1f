/**
 * The connections of the REST API, a request each, within bounds: how many there are, how long a caller may take for
 * the head of the request and to read the answer. Where one more is too many, a caller who keeps us waiting goes, not
 * one who is being answered: the oldest of the source with the most.
 *
 *     head -> working (the app has the request) -> sending (the caller reads the answer) -> lingering -> closed
 *                 \-> held (who guesses waits) ----^
 */
import { LIMITS } from "../domain/mod.ts";
import type { ConnectionStream } from "./connection_stream.ts";

export interface ConnectionBounds {
  /** Connections at once. */
  most: number;
  headMs: number;
  sendMs: number;
}

export const CONNECTION_BOUNDS: ConnectionBounds = {
  most: LIMITS.httpConnections,
  headMs: LIMITS.httpHeadMs,
  sendMs: LIMITS.httpSendMs,
};

/** Why a connection was closed from this side. */
export type CloseReason = "too_many" | "head_late" | "not_read";

export class Connection {
  state: "head" | "working" | "held" | "sending" | "lingering" = "head";
  /** Monotonic ms since it is the caller's turn. */
  sinceMs = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly stream: ConnectionStream, readonly source: string) {}

  /** Undefined: it is our turn. */
  allow(ms: number | undefined, late = () => {}): void {
    clearTimeout(this.#timer);
    this.sinceMs = performance.now();
    this.#timer = ms === undefined || this.stream.destroyed ? undefined : setTimeout(late, ms);
  }
}

export class Connections {
  /** By the stream, which `node:http` calls the socket. */
  readonly #open = new Map<object, Connection>();
  readonly #bounds: ConnectionBounds;
  readonly #onClosed: (reason: CloseReason) => void;

  /** `onClosed` is called for each connection that is closed by a bound. */
  constructor(bounds: ConnectionBounds, onClosed: (reason: CloseReason) => void) {
    this.#bounds = bounds;
    this.#onClosed = onClosed;
  }

  get size(): number {
    return this.#open.size;
  }

  of(socket: object): Connection | undefined {
    return this.#open.get(socket);
  }

  /** Takes a connection in, where one more is too many in another's place; false where all are being answered. */
  add(stream: ConnectionStream, source: string): boolean {
    if (this.#open.size >= this.#bounds.most && !this.shed()) {
      this.#onClosed("too_many");
      return false;
    }
    const connection = new Connection(stream, source);
    this.#open.set(stream, connection);
    stream.once("close", () => {
      connection.allow(undefined);
      this.#open.delete(stream);
    });
    connection.allow(this.#bounds.headMs, () => this.#close(connection, "head_late"));
    return true;
  }

  /** The request has come. */
  working(connection: Connection): void {
    connection.state = "working";
    connection.allow(undefined);
  }

  /** The answer is kept back for a while, or until the caller has gone; they may be closed for another. */
  hold(connection: Connection, ms: number): Promise<void> {
    connection.state = "held";
    return new Promise((resolve) => {
      connection.allow(ms, resolve);
      connection.stream.once("close", resolve);
      if (connection.stream.destroyed) resolve();
    });
  }

  /** The app has answered; it is the caller's turn to read. */
  sending(connection: Connection): void {
    connection.state = "sending";
    connection.allow(this.#bounds.sendMs, () => this.#close(connection, "not_read"));
  }

  /** The answer is out; the caller is to hang up. */
  lingering(connection: Connection): void {
    connection.state = "lingering";
    connection.allow(LIMITS.httpLingerMs, () => connection.stream.destroy());
  }

  /** Closes one that keeps us waiting; false where there is none. */
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

  /** The owner ends; no bound was passed. */
  closeAll(): void {
    for (const { stream } of this.#open.values()) stream.destroy();
  }

  #close({ stream }: Connection, reason: CloseReason): void {
    if (stream.destroyed) return;
    this.#onClosed(reason);
    this.#open.delete(stream);
    stream.destroy();
  }
}

/** Whom a connection counts for: an IPv4 address, a network of IPv6 (a caller has all of its /64), or all of a Unix socket. */
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
