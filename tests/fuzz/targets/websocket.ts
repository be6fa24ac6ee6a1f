/** Bytes of a recogniser's WebSocket server, through the client and the provider to events. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { OverflowError, SttError } from "../../../src/domain/mod.ts";
import { MessageTooLargeError, systemClock } from "../../../src/flow/mod.ts";
import { modalStt } from "../../../src/stt/modal/speech_to_text.ts";
import { FakeMeter } from "../../fakes/telemetry.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, byteChanges, CANARY, changedBytes } from "../mutations.ts";

/** RFC 6455, section 1.3. */
const MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Every session is a connection, which the kernel remembers for a minute by both its addresses. */
const HOSTS = 200;
const EVENTS_MAX = 10_000;

const bytesOf = (text: string) => new TextEncoder().encode(text);
function frame(first: number, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  return Uint8Array.from([first, ...length < 126 ? [length] : [126, length >> 8, length & 0xff], ...payload]);
}
const text = (json: unknown) => frame(0x81, bytesOf(JSON.stringify(json)));
const FRAMES = [
  text({ type: "token", text: " hello" }),
  text({ text: "hello world", final: true }),
  text({ type: "error", message: CANARY }),
  text({ type: "vad_end" }),
  text({ text: `${CANARY} `.repeat(40), final: false }),
  frame(0x01, bytesOf('{"type":"tok')),
  frame(0x80, bytesOf('en","text":"x"}')),
  frame(0x82, new Uint8Array(40)),
  frame(0x89, bytesOf("ping")),
  frame(0x8a, bytesOf("1")),
  frame(0x88, Uint8Array.from([0x03, 0xe8, ...bytesOf(CANARY)])),
  frame(0x88, new Uint8Array()),
  Uint8Array.of(0x81, 127, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3),
];

export const websocket = defineTarget({
  name: "websocket",
  about:
    "frames of a recogniser's server: events, or a typed error that quotes nothing; the session ends with its socket",
  inputs: fc.array(fc.tuple(fc.nat(FRAMES.length - 1), byteChanges), { minLength: 1, maxLength: 8 }),
  inputsPerWorld: 200,
  open() {
    const server = new Server();
    let host = 0;
    return {
      async run(list) {
        server.answer = list.map(([index, changes]) => changedBytes(FRAMES[index], changes));
        host = host % HOSTS + 1;
        const stt = modalStt({
          url: `ws://127.0.0.${host}:${server.port}`,
          meter: new FakeMeter(),
          clock: systemClock,
        });
        try {
          const session = await stt.open({ languageId: "en" }, new AbortController().signal);
          let events = 0;
          try {
            for await (const event of session.events) {
              if ("text" in event && typeof event.text !== "string") {
                throw new Error("An event's text is none");
              }
              if (++events > EVENTS_MAX) throw new Error("Events have no end");
            }
          } finally {
            await session[Symbol.asyncDispose]();
          }
        } catch (error) {
          const isKnown = [SttError, OverflowError, MessageTooLargeError].some((kind) =>
            error instanceof kind
          );
          if (!isKnown || !(error instanceof Error)) throw error;
          assertQuotesNothing(error.message, "An error");
        }
      },
      close: () => server.close(),
    };
  },
});

/** Takes the handshake, sends, and hangs up. */
class Server {
  answer: readonly Uint8Array[] = [];
  readonly #listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  readonly #serving = new Set<Promise<void>>();
  readonly #accepting = this.#accept();

  get port(): number {
    return this.#listener.addr.port;
  }

  async close(): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await Promise.all(this.#serving);
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      const serving: Promise<void> = this.#serve(connection).finally(() => this.#serving.delete(serving));
      this.#serving.add(serving);
    }
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(4_096);
    try {
      let head = "";
      while (!head.includes("\r\n\r\n")) {
        const count = await connection.read(buffer);
        if (count === null) return;
        head += new TextDecoder().decode(buffer.subarray(0, count));
      }
      const [, key] = /^sec-websocket-key: *(\S+)/im.exec(head) ?? [];
      const accept = createHash("sha1").update(key + MAGIC).digest("base64");
      const lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"];
      await send(connection, bytesOf([...lines, `Sec-WebSocket-Accept: ${accept}`, "", ""].join("\r\n")));
      for (const bytes of this.answer) await send(connection, bytes);
      await connection.closeWrite();
      while (await connection.read(buffer) !== null);
    } catch {
      // The client has hung up first.
    } finally {
      connection.close();
    }
  }
}

async function send(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}
