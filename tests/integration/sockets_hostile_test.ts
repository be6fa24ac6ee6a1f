/** WebSocket clients that flood, stall or vanish: bounded in memory and time, and only their own connection ends. */
import assert from "@std/assert";
import { LIMITS } from "../../src/domain/mod.ts";
import { BINARY, CONTINUATION, frame, handshake, PING, RawSocket, TEXT } from "../fakes/raw_socket.ts";
import { SocketServer } from "../fakes/socket_server.ts";
import { eventually } from "./world.ts";

const PATH = "/api/v1/echo/r1";
const MB = 1_000_000;

/** What this file's JavaScript holds, buffers included, MB; resident memory is of all files that are tested at once. */
function heldMb(): number {
  const { heapUsed, external } = Deno.memoryUsage();
  return (heapUsed + external) / MB;
}

async function isServing(server: SocketServer): Promise<void> {
  using client = await RawSocket.open(server.port, PATH);
  await client.send(frame(TEXT, "hello"));
  assert.equal(new TextDecoder().decode((await client.next())?.payload), "hello");
}

Deno.test("A paused socket is not read: 50 MB for it wait with the client, and arrive once it is resumed", async () => {
  let bytes = 0;
  await using server = await SocketServer.start({
    onOpen: ({ socket }) => socket.pause(),
    onMessage: (_accepted, data) => bytes += data.length,
  });
  using client = await RawSocket.open(server.port, PATH);
  const message = frame(BINARY, new Uint8Array(50_000));
  const before = heldMb();
  let sent = 0;
  const sending = (async () => {
    for (; sent < 1_000; sent++) await client.send(message);
  })();
  sending.catch(() => {}); // where the test has failed before
  let last = -1;
  let unchanged = 0;
  await eventually("the client waits", () => {
    unchanged = sent === last ? unchanged + 1 : 0;
    last = sent;
    return sent > 0 && unchanged >= 10;
  });
  // What the kernel takes for both ends of a connection.
  assert.ok(sent < 400, `${sent} of 1,000 messages were sent`);
  assert.equal(bytes, 0);
  assert.ok(heldMb() - before < 25, `${heldMb() - before} MB more`);
  server.accepted[0].socket.resume();
  await sending;
  await eventually("all arrive", () => bytes === 50 * MB);
});

Deno.test("A door that pauses at each message takes them one by one, in order", async () => {
  const taken: string[] = [];
  await using server = await SocketServer.start({
    onMessage: ({ socket }, data) => {
      taken.push(`${data}`.slice(0, 4));
      socket.pause();
    },
  });
  using client = await RawSocket.open(server.port, PATH);
  for (let n = 0; n < 50; n++) await client.send(frame(TEXT, `${n}`.padEnd(10_000)));
  while (taken.length < 50) {
    const { length } = taken;
    await eventually("the next", () => taken.length > length || (server.accepted[0]?.socket.resume(), false));
    // Those of the same read come too, which are few.
    assert.ok(taken.length - length <= 16);
  }
  assert.deepEqual(taken.map(Number), Array.from({ length: 50 }, (_, n) => n));
});

Deno.test("A client that never reads is ended once more is sent than may wait", async () => {
  await using server = await SocketServer.start();
  using _client = await RawSocket.open(server.port, PATH);
  await eventually("it is open", () => server.accepted.length === 1);
  const [{ socket, closed }] = server.accepted;
  const before = heldMb();
  const text = "x".repeat(10_000);
  let most = 0;
  let sent = 0;
  while (server.open === 1 && sent < 10_000) {
    socket.send(text);
    sent++;
    most = Math.max(most, socket.bufferedBytes);
    if (sent % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 0)); // the kernel takes some
  }
  assert.equal(await closed.promise, 1006);
  assert.ok(most <= LIMITS.socketSendBytes + 2 * text.length, `${most} bytes waited`);
  assert.ok(heldMb() - before < 25);
  await isServing(server);
});

Deno.test("A client that floods with pings and reads nothing is ended", async () => {
  await using server = await SocketServer.start();
  using client = await RawSocket.open(server.port, PATH);
  const pings = new Uint8Array(
    Array.from({ length: 500 }, () => [...frame(PING, new Uint8Array(120))]).flat(),
  );
  await assert.rejects(async () => {
    for (let n = 0; n < 1_000; n++) await client.send(pings);
  });
  assert.equal(await server.accepted[0].closed.promise, 1006);
  await isServing(server);
});

Deno.test("A message that comes byte by byte is bounded, and takes no more than some times its bytes", async () => {
  await using server = await SocketServer.start({ messageBytes: 20_000 });
  using client = await RawSocket.open(server.port, PATH);
  const bytes = frame(BINARY, new Uint8Array(20_000));
  await client.send(bytes.subarray(0, 8));
  const before = heldMb();
  const code = client.closeCode();
  let at = 8;
  try {
    for (; at < bytes.length; at++) {
      await client.send(bytes.subarray(at, at + 1));
      if (at % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 0)); // read alone
    }
  } catch {
    // closed
  }
  assert.ok(heldMb() - before < 25, `${heldMb() - before} MB more`);
  // Whether too many reads were held depends on the machine.
  if (server.open === 1) client[Symbol.dispose]();
  else assert.equal(await code, 1008);
  await code;
  await isServing(server);
});

Deno.test("Floods of empty fragments, and of fragments without an end, are closed", async () => {
  for (const fragment of ["", "x"]) {
    await using server = await SocketServer.start();
    using client = await RawSocket.open(server.port, PATH);
    await client.send(frame(TEXT, "x", { isLast: false }));
    const flood = new Uint8Array(
      Array.from({ length: 2_000 }, () => [...frame(CONTINUATION, fragment, { isLast: false })]).flat(),
    );
    const code = client.closeCode();
    await client.send(flood).catch(() => {}); // closed meanwhile
    assert.equal(await code, 1008);
  }
});

Deno.test("A client that answers no ping is ended; one that answers, or is paused, is not", async () => {
  await using server = await SocketServer.start({ bounds: { pingMs: 100 } });
  using silent = await RawSocket.open(server.port, PATH);
  await eventually("it is open", () => server.accepted.length === 1);
  const opened = server.opened;
  const answering = new WebSocket(`ws://127.0.0.1:${server.port}${PATH}`);
  await opened;
  using _paused = await RawSocket.open(server.port, PATH);
  await eventually("all are open", () => server.accepted.length === 3);
  server.accepted[2].socket.pause();
  assert.equal(await server.accepted[0].closed.promise, 1006);
  assert.equal((await silent.next())?.opcode, PING);
  const isAnswered = new Promise((resolve) => answering.onmessage = resolve);
  answering.send("still here");
  await isAnswered;
  assert.equal(server.open, 2);
  const closed = new Promise((resolve) => answering.onclose = resolve);
  answering.close();
  await closed;
});

Deno.test("Refused clients that never answer the close frame keep nobody out", async () => {
  await using server = await SocketServer.start({
    most: 2,
    bounds: { sockets: 2 },
    onOpen: ({ socket, request }) => request.url.searchParams.has("refuse") && socket.close(4001, "no token"),
  });
  const refused: RawSocket[] = [];
  for (let n = 0; n < 20; n++) refused.push(await RawSocket.open(server.port, `${PATH}?refuse`));
  await isServing(server);
  await Promise.all(server.accepted.slice(0, 19).map(({ closed }) => closed.promise));
  assert.ok(server.open <= 2);
  using _honest = await RawSocket.open(server.port, PATH);
  using _another = await RawSocket.open(server.port, PATH);
  await assert.rejects(RawSocket.open(server.port, PATH), /503/);
  for (const client of refused) client[Symbol.dispose]();
});

Deno.test("A client that never answers the close frame is ended after a bounded time", async () => {
  await using server = await SocketServer.start({ onMessage: ({ socket }) => socket.close(4000, "enough") });
  using client = await RawSocket.open(server.port, PATH);
  await client.send(frame(TEXT, "x"));
  const beganMs = performance.now();
  assert.equal(await client.closeCode(), 4000);
  assert.equal(await server.accepted[0].closed.promise, 1006);
  assert.ok(performance.now() - beganMs < LIMITS.socketCloseMs + 2_000);
});

Deno.test("A client that closes its side and reads nothing is ended, however much waits for it", async () => {
  await using server = await SocketServer.start();
  const client = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
  await client.write(new TextEncoder().encode(handshake(PATH)));
  await eventually("it is open", () => server.accepted.length === 1);
  const [{ socket, closed }] = server.accepted;
  // The kernel's buffers and some more.
  for (let n = 0; n < 2_000 && socket.bufferedBytes < 30_000; n++) {
    socket.send("x".repeat(10_000));
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  assert.ok(socket.bufferedBytes > 0);
  await client.closeWrite();
  assert.equal(await closed.promise, 1006);
  client.close();
});

Deno.test("100 sockets that vanish leave nothing", async () => {
  await using server = await SocketServer.start();
  const clients = await Promise.all(Array.from({ length: 100 }, () => RawSocket.open(server.port, PATH)));
  assert.equal(server.open, 100);
  for (const [n, client] of clients.entries()) {
    await client.send(frame(TEXT, "x").subarray(0, n % 7));
    client[Symbol.dispose]();
  }
  await Promise.all(server.accepted.map(({ closed }) => closed.promise));
  assert.equal(server.open, 0);
});
