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
  /** Sent and not yet taken by the client's connection, bytes. A door that sends more closes clients that do not read. */
  readonly bufferedBytes: number;
  /** Reads nothing more: the client's TCP connection fills, which slows it. Pings are answered all the same. */
  pause(): void;
  resume(): void;
  /** Sends a close frame, waits for the client's for a bounded time, and ends the connection. `reason`: 123 bytes of UTF-8. */
  close(code: number, reason: string): void;
  /** Ends the connection at once. */
  terminate(): void;
}

/** What the door does with one WebSocket; called in order, never after `closed`. */
export interface SocketEvents {
  message(data: string | Uint8Array<ArrayBuffer>): void;
  /** The connection has ended: `code` of the client's close frame, 1005 without a code, 1006 without a frame. */
  closed(code: number): void;
}

export interface SocketRoute {
  /** As in the API's document: a GET whose `isOpen` is true, for the door authenticates by its own protocol. */
  route: Route;
  /** Of one message, bytes; a larger one is closed with 1009. */
  messageBytes: number;
  /** Sockets at once; later ones get 503. */
  most: number;
  /** Of those the client offers, the subprotocol to accept; undefined: none. */
  protocol?: (offered: ReadonlySet<string>) => string | undefined;
  /** Called once the handshake is done. */
  open(socket: ServerSocket, request: SocketRequest): SocketEvents;
}
