/** A WebSocket connection whose messages are a stream, as tests like to read them. */
import { WebSocketConnection, type WebSocketMessage, type WebSocketOptions } from "../../src/flow/mod.ts";

export type ReadConnection = WebSocketConnection & { messages: ReadableStream<WebSocketMessage> };

/** Opens one. Its messages end when it does, and with the error that ended it, if one did. */
export async function openRead(url: string, options: WebSocketOptions): Promise<ReadConnection> {
  const connection = await WebSocketConnection.open(url, options);
  const messages = new ReadableStream<WebSocketMessage>({
    start(controller) {
      connection.receive((message) => controller.enqueue(message));
      void connection.closed.then(({ failure }) => {
        if (failure === undefined) controller.close();
        else controller.error(failure);
      });
    },
  });
  return Object.assign(connection, { messages });
}
