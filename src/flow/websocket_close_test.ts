/** How a connection ends: by either side's close frame, by a cut, or by a peer that stops reading. */
import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import { openRead } from "../../tests/fakes/websocket_messages.ts";
import {
  acceptUpgrade,
  close,
  collect,
  concat,
  dataFrame,
  nativeServer,
  OPTIONS,
  rawServer,
  text,
  untilEnd,
} from "./websocket_testing_test.ts";

/** ws alone waits 30 s for a peer to hang up; ours is about one, and more on a busy machine. */
const ALONE_MS = 25_000;

async function elapsedMs(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work;
  return performance.now() - startMs;
}

async function readAll(conn: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await conn.read(buffer).catch(() => null)) !== null;) {
    parts.push(buffer.slice(0, count));
  }
  return concat(...parts);
}

Deno.test("Nothing follows the close frame, neither ours nor the reply to the peer's", async () => {
  const audio = new Uint8Array(19_200);
  for (const peerIsFirst of [false, true]) {
    const after = Promise.withResolvers<number>();
    await using server = rawServer(async (conn, head) => {
      await acceptUpgrade(conn, head, peerIsFirst ? close(1001) : undefined);
      while ((await dataFrame(conn)).opcode !== 8);
      after.resolve((await readAll(conn)).length);
    });
    const duplex = await openRead(server.url, OPTIONS);
    duplex.send(audio);
    const sending = setInterval(() => duplex.send(audio), 1);
    if (peerIsFirst) await duplex.closed;
    else {
      const closing = duplex.close();
      assert.equal(duplex.send(audio), false);
      await closing;
    }
    clearInterval(sending);
    assert.equal(await after.promise, 0);
  }
});

Deno.test("The peer's close comes after its messages, and is reported as sent", async () => {
  await using server = nativeServer((socket) => {
    socket.onopen = () => {
      socket.send("last words");
      socket.close(4321, "enough");
    };
  });
  const duplex = await openRead(server.url, OPTIONS);
  assert.deepEqual(await collect(duplex.messages), ["last words"]);
  assert.deepEqual(await duplex.closed, { code: 4321, reason: "enough", clean: true });
  assert.equal(duplex.send("late"), false);
});

Deno.test("Our close sends the peer the code and waits for its close frame", async () => {
  const told = Promise.withResolvers<CloseEvent>();
  await using server = nativeServer((socket) => socket.onclose = told.resolve);
  const duplex = await openRead(server.url, OPTIONS);
  await duplex.close(4001, "done here");
  const { code, reason, wasClean } = await told.promise;
  assert.deepEqual({ code, reason, wasClean }, { code: 4001, reason: "done here", wasClean: true });
  assert.equal((await duplex.closed).clean, true);
});

Deno.test("A peer that never answers the close frame is cut off within about a second", async () => {
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    await untilEnd(conn);
  });
  const duplex = await openRead(server.url, OPTIONS);
  const tookMs = await elapsedMs(duplex.close());
  assert.ok(tookMs > 500 && tookMs < ALONE_MS, `took ${tookMs} ms`);
  assert.deepEqual(await duplex.closed, { code: 1006, reason: "", clean: false });
});

Deno.test("A peer that sent a close frame and does not hang up is cut off within about a second", async () => {
  const stuck = Promise.withResolvers<void>();
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head, close(1001, "leaving"));
    await stuck.promise;
  });
  const duplex = await openRead(server.url, OPTIONS);
  const tookMs = await elapsedMs(duplex.closed);
  assert.ok(tookMs < ALONE_MS, `took ${tookMs} ms`);
  assert.deepEqual(await duplex.closed, { code: 1001, reason: "leaving", clean: true });
  stuck.resolve();
});

for (const [secure, bytes] of [[false, 80_000], [false, 19_200], [true, 80_000], [true, 19_200]] as const) {
  Deno.test(`A peer that stopped reading${secure ? " TLS" : ""} is cut off with megabytes still queued in messages of ${bytes} bytes, and they are freed`, async () => {
    const stuck = Promise.withResolvers<void>();
    const certificates = secure ? await makeCertificates("IP:127.0.0.1") : undefined;
    await using server = rawServer(async (conn, head) => {
      await acceptUpgrade(conn, head);
      await stuck.promise;
    }, certificates);
    const tls = certificates && { caCerts: [certificates.ca] };
    const duplex = await openRead(server.url, { ...OPTIONS, tls });
    const message = new Uint8Array(bytes);
    // 16 MB: more than loopback's TCP buffers take.
    for (let sent = 0; sent < 16_000_000; sent += bytes) duplex.send(message);
    assert.ok(duplex.bufferedAmount > 1_000_000, `only ${duplex.bufferedAmount} bytes are waiting`);
    await duplex.close();
    assert.equal(duplex.bufferedAmount, 0);
    assert.equal((await duplex.closed).clean, false);
    stuck.resolve();
  });
}

Deno.test("A peer that closed its side and no longer reads is disconnected, although neither side closes", async () => {
  const stuck = Promise.withResolvers<void>();
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    await conn.closeWrite();
    await stuck.promise;
  });
  const duplex = await openRead(server.url, OPTIONS);
  for (let sent = 0; sent < 200; sent++) duplex.send(new Uint8Array(80_000));
  const tookMs = await elapsedMs(duplex.closed);
  assert.ok(tookMs < ALONE_MS, `took ${tookMs} ms`);
  assert.equal(duplex.bufferedAmount, 0);
  stuck.resolve();
});

Deno.test("A reset in the middle of sending is an unclean close, and nothing is thrown at the process", async () => {
  const cut = Promise.withResolvers<void>();
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    await cut.promise; // closing with bytes unread is a reset
  });
  const duplex = await openRead(server.url, OPTIONS);
  for (let sent = 0; sent < 800; sent++) duplex.send(new Uint8Array(19_200));
  const drained = duplex.drained();
  cut.resolve();
  assert.deepEqual(await collect(duplex.messages), []);
  assert.deepEqual(await duplex.closed, { code: 1006, reason: "", clean: false });
  await drained;
});

Deno.test("A connection cut without a close frame is an unclean close, not an error", async () => {
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head, text("one"));
  });
  const duplex = await openRead(server.url, OPTIONS);
  assert.deepEqual(await collect(duplex.messages), ["one"]);
  assert.deepEqual(await duplex.closed, { code: 1006, reason: "", clean: false });
});

Deno.test("Disposing twice, and after the peer has disconnected, is harmless", async () => {
  await using server = nativeServer((socket) => socket.onopen = () => socket.close());
  const duplex = await openRead(server.url, OPTIONS);
  await duplex.closed;
  await duplex[Symbol.asyncDispose]();
  await duplex.close();
  assert.equal(duplex.isOpen, false);
});
