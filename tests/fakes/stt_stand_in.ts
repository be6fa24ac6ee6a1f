/** A stand-in of a recogniser's server: a WebSocket server on loopback, and the sessions it has. */
import { type ServerConnection, type ServerConnectionEvents, WebSocketServer } from "./websocket_server.ts";

export abstract class SttStandIn implements AsyncDisposable {
  readonly #server: WebSocketServer;
  readonly #live = new Set<ServerConnection>();

  protected constructor() {
    this.#server = new WebSocketServer({
      handshake: (request) => Promise.resolve(this.handshake(request)),
      open: (connection) => this.open(connection),
    });
  }

  /** Without a path, as operators write it. */
  get url(): string {
    return `ws://127.0.0.1:${this.#server.port}`;
  }

  /** Sessions open now. */
  get live(): number {
    return this.#live.size;
  }

  /** Cuts every connection of a session. */
  dropConnections(): void {
    for (const connection of this.#live) connection.drop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }

  /** The status that refuses a handshake; undefined accepts it. */
  protected abstract handshake(request: Request): number | undefined;

  /** A client is there: `admit` makes it a session. */
  protected abstract open(connection: ServerConnection): void;

  /** It is a session until it closes. */
  protected admit(
    connection: ServerConnection,
    { message, closed }: Pick<ServerConnectionEvents, "message"> & Partial<ServerConnectionEvents>,
  ): void {
    this.#live.add(connection);
    connection.events = {
      message,
      closed: (code) => {
        this.#live.delete(connection);
        closed?.(code);
      },
    };
  }

  /** To every session. */
  protected sendAll(data: string): void {
    for (const connection of this.#live) connection.send(data);
  }
}

const REMEMBERED = 1_000;

/** Adds to a list that is kept for the tests, of the newest 1,000. */
export function remember<Item>(list: Item[], item: Item): void {
  list.push(item);
  if (list.length > REMEMBERED) list.shift();
}
