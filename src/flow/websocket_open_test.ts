/** Opening a connection: the handshake, servers that refuse it, and the timeout. */
import assert from "@std/assert";
import { openRead } from "../../tests/fakes/websocket_messages.ts";
import { WebSocketOpenError } from "./websocket.ts";
import {
  acceptUpgrade,
  nativeServer,
  OPTIONS,
  rawServer,
  untilEnd,
  writeAll,
} from "./websocket_testing_test.ts";

Deno.test("The handshake has the headers and the whole path", async () => {
  const seen = Promise.withResolvers<{ url: string; key: string | null }>();
  await using server = nativeServer((_, request) => seen.resolve(request));
  await using _duplex = await openRead(server.url, {
    ...OPTIONS,
    headers: { "X-Key": "k1" },
  });
  const { url, key } = await seen.promise;
  assert.equal(key, "k1");
  assert.match(url, /\/path\?query=1$/);
});

Deno.test("A refused connection rejects without the address", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  const error = await openRead(`ws://127.0.0.1:${port}/secret`, OPTIONS).catch((error) => error);
  assert.ok(error instanceof WebSocketOpenError);
  assert.equal(error.message, "Cannot open WebSocket: connection refused");
  assert.equal(error.cause, undefined);
});

Deno.test("An invalid address or header rejects without it", async () => {
  const attempts: [string, Record<string, string>][] = [
    ["s3cret", {}],
    ["ftp://s3cret/", {}],
    ["ws://127.0.0.1:1/#s3cret", {}],
    ["ws://127.0.0.1:1/", { "X-Key": "s3cret\r\nX: y" }],
  ];
  for (const [url, headers] of attempts) {
    const error = await openRead(url, { ...OPTIONS, headers }).catch((error) => error);
    assert.ok(error instanceof WebSocketOpenError);
    assert.doesNotMatch(`${error.stack} ${error.cause}`, /s3cret|x-key/i);
  }
});

Deno.test("A redirect is not followed: the headers are for one server", async () => {
  let asked = false;
  await using elsewhere = rawServer(() => Promise.resolve(void (asked = true)));
  await using server = rawServer(async (conn) => {
    const answer = `HTTP/1.1 302 Found\r\nLocation: ${elsewhere.url}\r\nContent-Length: 0\r\n\r\n`;
    await writeAll(conn, new TextEncoder().encode(answer));
    await untilEnd(conn);
  });
  await assert.rejects(
    openRead(server.url, OPTIONS),
    (error: unknown) => error instanceof WebSocketOpenError && error.status === 302,
  );
  assert.equal(asked, false);
});

Deno.test("A server that answers no upgrade rejects with its status", async () => {
  await using server = rawServer(async (conn) => {
    await writeAll(conn, new TextEncoder().encode("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"));
    await untilEnd(conn);
  });
  await assert.rejects(
    openRead(server.url, OPTIONS),
    (error: unknown) => error instanceof WebSocketOpenError && error.status === 401,
  );
});

Deno.test("A server that accepts with the wrong key rejects", async () => {
  await using server = rawServer(async (conn) => {
    await acceptUpgrade(conn, "sec-websocket-key: someone else's\r\n");
    await untilEnd(conn);
  });
  await assert.rejects(openRead(server.url, OPTIONS), WebSocketOpenError);
});

Deno.test("Aborting before the server upgrades rejects with the reason and leaves nothing", async () => {
  const reached = Promise.withResolvers<void>();
  await using server = rawServer(async (conn) => {
    reached.resolve();
    await untilEnd(conn); // ends only because the client hangs up
  });
  const abort = new AbortController();
  const opening = openRead(server.url, { ...OPTIONS, signal: abort.signal });
  opening.catch(() => {});
  await reached.promise;
  abort.abort(new Error("changed my mind"));
  await assert.rejects(opening, /changed my mind/);
});

Deno.test("A server that never answers fails after the open timeout, and not as a cancellation", async () => {
  await using server = rawServer(untilEnd);
  await assert.rejects(
    openRead(server.url, { ...OPTIONS, openTimeoutMs: 50 }),
    (error: unknown) => error instanceof WebSocketOpenError && /within 50 ms/.test(error.message),
  );
});

Deno.test("A server that sends its headers slowly fails after the same timeout", async () => {
  await using server = rawServer(async (conn) => {
    await writeAll(conn, new TextEncoder().encode("HTTP/1.1 101 Switching Protocols\r\n"));
    const timer = setInterval(() => void writeAll(conn, new Uint8Array([0x61])).catch(() => {}), 20);
    await untilEnd(conn).finally(() => clearInterval(timer));
  });
  await assert.rejects(
    openRead(server.url, { ...OPTIONS, openTimeoutMs: 200 }),
    (error: unknown) => error instanceof WebSocketOpenError && /within 200 ms/.test(error.message),
  );
});
