/** Translators that answer too much, without end, or again and again. */
import assert from "@std/assert";
import { z } from "zod";
import { callJson } from "./http_json.ts";

const Answer = z.object({ text: z.string() });
const MIB = 2 ** 20;
/** What the kernel's buffers and ours take before the connection is gone. */
const SENT_BYTES_MAX = 32 * MIB;

/** A server that writes to whoever connects until it is done or nobody reads; with how much it wrote. */
function writingServer(write: (send: (text: string) => Promise<void>) => Promise<void>) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const state = { sentBytes: 0 };
  const connections = new Set<Deno.Conn>();
  const serving = (async () => {
    for await (const connection of listener) {
      connections.add(connection);
      const send = async (text: string) => {
        const bytes = new TextEncoder().encode(text);
        for (let at = 0; at < bytes.length;) {
          const sent = await connection.write(bytes.subarray(at));
          at += sent;
          state.sentBytes += sent;
        }
      };
      await write(send).catch(() => {}); // it hung up
    }
  })();
  return {
    state,
    address: `http://127.0.0.1:${listener.addr.port}/`,
    async [Symbol.asyncDispose]() {
      for (const connection of connections) connection.close();
      listener.close();
      await serving;
    },
  };
}

const ask = (address: string, signal = new AbortController().signal) => callJson({ address, signal }, Answer);
const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

for (
  const [what, head, piece] of [
    ["of 64 MB", `${HEAD}Content-Length: ${64 * MIB}\r\n\r\n`, "x".repeat(MIB)],
    [
      "in chunks without end",
      `${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
      `100000\r\n${"x".repeat(MIB)}\r\n`,
    ],
    ["without a length or an end", `${HEAD}\r\n`, "x".repeat(MIB)],
    ["whose headers have no end", HEAD, `X: ${"x".repeat(1_000)}\r\n`.repeat(1_000)],
  ] as const
) {
  Deno.test(`An answer ${what} is given up when it is too long, and not read to its end`, async () => {
    await using server = writingServer(async (send) => {
      await send(head);
      for (let sent = 0; sent < 64 * MIB; sent += piece.length) await send(piece);
    });
    await assert.rejects(ask(server.address), { code: "translation_unreachable" });
    assert.ok(server.state.sentBytes < SENT_BYTES_MAX, `${server.state.sentBytes} bytes were sent`);
  });
}

Deno.test("An answer that never ends is given up with its caller", async () => {
  const caller = new AbortController();
  await using server = writingServer(async (send) => {
    await send(`${HEAD}Content-Length: 1000\r\n\r\n{`);
    caller.abort(new Error("too late"));
  });
  await assert.rejects(ask(server.address, caller.signal), { message: "too late" });
});

Deno.test("Of a thousand answers the first counts", async () => {
  const answer = (text: string) => `${HEAD}Content-Length: ${text.length}\r\n\r\n${text}`;
  await using server = writingServer(async (send) => {
    await send(answer('{"text":"first"}'));
    for (let at = 0; at < 1_000; at++) await send(answer('{"text":"later"}'));
  });
  assert.deepEqual(await ask(server.address), { text: "first" });
});
