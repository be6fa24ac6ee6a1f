/** A server that takes any address and credentials, and answers audio as a server of another protocol does. */
import { FOREIGN } from "./foreign_stt.ts";
import { WebSocketServer } from "./websocket_server.ts";

export class ForeignServer implements AsyncDisposable {
  readonly #server: WebSocketServer;

  private constructor(protocol: keyof typeof FOREIGN) {
    const replies = FOREIGN[protocol];
    this.#server = new WebSocketServer({
      handshake: () => Promise.resolve(undefined),
      open(connection) {
        let messages = 0;
        connection.events = {
          message(data) {
            const audio = typeof data === "string" ? new TextEncoder().encode(data) : data;
            for (const reply of replies(audio, messages++)) connection.send(reply);
          },
          closed() {},
        };
      },
    });
  }

  static start(protocol: keyof typeof FOREIGN): ForeignServer {
    return new ForeignServer(protocol);
  }

  /** Its port on loopback; any path is accepted. */
  get port(): number {
    return this.#server.port;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#server[Symbol.asyncDispose]();
  }
}
