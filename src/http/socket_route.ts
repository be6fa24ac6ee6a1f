/** Routes that become WebSockets (RFC 6455). The server has the handshake, frames and bounds; the door has the messages. */
import type { Route } from "./route_group.ts";

/** The request of the handshake. */
export interface SocketRequest {
  url: URL;
  headers: Headers;
  /** The client, as known from its connection: an address or a network. */
  source: string;
}

/** One WebSocket. Its methods never throw; after it is closed they do nothing. */
export interface ServerSocket {
  /** A text frame. */
  send(text: string): void;
  /**
   * Sent and not yet taken by the client's connection, bytes. A door closes clients that do not read; past
   * LIMITS.socketSendBytes the connection is ended.
   */
  readonly bufferedBytes: number;
  /**
   * Reads nothing more: the client's TCP connection fills, which slows it. Messages that were read already, 16 KB at
   * most, are still passed on. Meanwhile the client's pings are not answered, and it may be gone unnoticed.
   */
  pause(): void;
  resume(): void;
  /**
   * Sends a close frame, waits for the client's for a bounded time, and ends the connection. Messages of the client are
   * dropped from now on. `reason`: 123 bytes of UTF-8.
   */
  close(code: number, reason: string): void;
  /** Ends the connection at once. */
  terminate(): void;
}

/** What the door does with one WebSocket; called in order, never after `closed`. An exception closes with 1011. */
export interface SocketEvents {
  message(data: string | Uint8Array<ArrayBuffer>): void;
  /** The connection has ended: `code` of the client's close frame, 1005 without a code, 1006 without a frame. Once. */
  closed(code: number): void;
}

export interface SocketRoute {
  /**
   * As in the API's document, and among the group's `routes`: a GET whose `isOpen` is true, for the door authenticates by
   * its own protocol. The server has its handler, which refuses what is no handshake.
   */
  route: Route & { isOpen: true };
  /** Of one message, bytes; a larger one is closed with 1009, one in too many pieces with 1008. */
  messageBytes: number;
  /** Sockets at once; later ones get 503. */
  most: number;
  /** Of those the client offers, the subprotocol to accept; undefined: none. */
  protocol?: (offered: ReadonlySet<string>) => string | undefined;
  /** Called once the handshake is done. */
  open(socket: ServerSocket, request: SocketRequest): SocketEvents;
}
