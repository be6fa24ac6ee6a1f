/** Clients of the service's WebSockets: the handshake and frames. */
import fc from "fast-check";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  frame,
  frameOf,
  handshake,
  PING,
  PONG,
  RawSocket,
  TEXT,
} from "../../fakes/raw_socket.ts";
import { RawHttp } from "../../fakes/raw_http.ts";
import { SocketServer } from "../../fakes/socket_server.ts";
import { defineTarget } from "../batch.ts";
import { assertQuotesNothing, byteChanges, CANARY, changedBytes } from "../mutations.ts";

const PATH = "/api/v1/echo/r1";
const MESSAGE_BYTES = 2_000;
const bytesOf = (text: string) => new TextEncoder().encode(text);
const HANDSHAKES = [
  handshake(PATH),
  handshake(`${PATH}?token=${CANARY}`, { Authorization: `Bearer ${CANARY}`, Origin: `https://${CANARY}` }),
  handshake(PATH, { "Sec-WebSocket-Protocol": `tiro.v1, tiro.token.${CANARY}` }),
  handshake(PATH, { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" }),
].map(bytesOf);
const FRAMES = [
  frame(TEXT, `{"type":"start","language":"${CANARY}"}`),
  frame(BINARY, new Uint8Array(640).fill(7)),
  frame(BINARY, new Uint8Array(MESSAGE_BYTES)),
  frame(BINARY, new Uint8Array(MESSAGE_BYTES + 1)),
  frame(TEXT, "in ", { isLast: false }),
  frame(CONTINUATION, "two", { isLast: false }),
  frame(CONTINUATION, " pieces"),
  frame(PING, CANARY),
  frame(PONG),
  frame(TEXT, "é".repeat(70)),
  frame(TEXT, "x", { isMasked: false }),
  frame(BINARY, "x", { length: 70_000 }),
  frame(CLOSE),
  frame(CLOSE, Uint8Array.of(0x03, 0xe8, ...bytesOf(CANARY))),
  bytesOf("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
];
const REFUSALS = ["400", "401", "404", "405", "426", "431"];
/** Of close frames of this server, and those that return a client's. */
const isCloseCode = (code: number) => (code >= 1000 && code < 1015) || (code >= 3000 && code < 5000);
const OPCODES = [TEXT, PING, PONG, CLOSE];
/** A client that closes its side is closed at once; the machine may be busy. */
const CLOSED_MS = 8_000;
const HONEST_EVERY = 25;

export const sockets = defineTarget({
  name: "sockets",
  about:
    "handshakes and frames of WebSocket clients: refused by a status, answered, or closed with a code; nothing left",
  inputs: fc.record({
    handshake: fc.nat(HANDSHAKES.length - 1),
    /** Of the handshake: most are left as they are, so that the frames are read. */
    headChanges: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: byteChanges }),
    frames: fc.array(fc.tuple(fc.nat(FRAMES.length - 1), byteChanges), { maxLength: 8 }),
  }),
  inputsPerWorld: 200,
  async open() {
    const server = await SocketServer.start({
      messageBytes: MESSAGE_BYTES,
      protocol: (offered) => offered.has("tiro.v1") ? "tiro.v1" : undefined,
    });
    let taken = 0;
    return {
      async run({ handshake, headChanges, frames }) {
        const head = changedBytes(HANDSHAKES[handshake], headChanges);
        checkReply(
          await replyTo(server.port, [head, ...frames.map(([at, list]) => changedBytes(FRAMES[at], list))]),
        );
        for (const { closed } of server.accepted.splice(0)) await closed.promise;
        if (server.open > 0) throw new Error("A socket is left");
        for (const line of server.log.lines.splice(0)) {
          if (line.level !== "debug") throw new Error(`Logged: ${line.message}`);
          assertQuotesNothing(JSON.stringify(line), "A log line");
        }
        if (++taken % HONEST_EVERY > 0) return;
        using honest = await RawSocket.open(server.port, PATH);
        await honest.send(frame(TEXT, "hello"));
        const answer = new TextDecoder().decode((await honest.next())?.payload);
        if (answer !== "hello") throw new Error("An honest client is not answered");
      },
      close: () => server[Symbol.asyncDispose](),
    };
  },
});

/** What comes until the server hangs up, which it has to. */
async function replyTo(port: number, parts: readonly Uint8Array[]): Promise<Uint8Array> {
  using raw = await RawHttp.open(port);
  const late = setTimeout(() => raw[Symbol.dispose](), CLOSED_MS);
  const beganMs = performance.now();
  const reading = readAll(raw);
  try {
    for (const part of parts) await raw.send(part);
    await raw.closeWrite();
  } catch {
    // The server has closed it.
  }
  const reply = await reading;
  clearTimeout(late);
  if (performance.now() - beganMs >= CLOSED_MS) throw new Error("The server does not hang up");
  return reply;
}

async function readAll(raw: RawHttp): Promise<Uint8Array> {
  const parts: number[] = [];
  for (let bytes = await raw.read(); bytes; bytes = await raw.read()) parts.push(...bytes);
  return Uint8Array.from(parts);
}

function checkReply(reply: Uint8Array): void {
  const text = new TextDecoder("latin1").decode(reply);
  const [head = "", status = "", end = ""] = /^HTTP\/1\.1 (\d{3})[^]*?(\r\n\r\n)/.exec(text) ?? [];
  if (reply.length === 0) return; // reset, or no request at all
  if (status !== "101") {
    const [, body = ""] = text.split("\r\n\r\n");
    if (status === "200" && !text.includes("upgrade")) return; // changed into another request
    if (!REFUSALS.includes(status)) throw new Error(`Answered with ${status || "no status"}`);
    return assertQuotesNothing(body, "An answer");
  }
  if (!end) throw new Error("The head of the response has no end");
  // The accepted protocol is one the client has sent, and no more of it.
  if (/tiro\.token/.test(head)) assertQuotesNothing(head, "The handshake");
  for (let rest = reply.subarray(head.length); rest.length > 0;) {
    const next = frameOf(rest);
    if (!next) return; // the connection was reset in the middle of one
    if (!OPCODES.includes(next.opcode)) throw new Error(`A frame of opcode ${next.opcode}`);
    if (next.opcode === CLOSE && next.payload.length > 0) {
      const code = next.payload[0] << 8 | next.payload[1];
      if (!isCloseCode(code)) throw new Error(`Closed with ${code}`);
    }
    rest = rest.subarray(next.bytes);
  }
}
