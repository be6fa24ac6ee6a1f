import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import { openRead } from "../../tests/fakes/websocket_messages.ts";
import {
  MessageTooLargeError,
  WebSocketConnection,
  WebSocketOpenError,
  type WebSocketOptions,
} from "./websocket.ts";

const OPTIONS: WebSocketOptions = {
  signal: new AbortController().signal,
  openTimeoutMs: 5_000,
  maxMessageSize: 100_000,
};

Deno.test("An exception of the handler ends the connection, and is its failure; nothing follows", async () => {
  await using server = nativeServer((socket) => {
    socket.onopen = () => ["one", "two", "three"].forEach((text) => socket.send(text));
  });
  const connection = await WebSocketConnection.open(server.url, OPTIONS);
  const received: unknown[] = [];
  const failure = new Error("from the handler");
  connection.receive((message) => {
    received.push(message);
    if (message === "two") throw failure;
  });
  const { clean, failure: told } = await connection.closed;
  assert.deepEqual([received, clean, told], [["one", "two"], false, failure]);
});

/** Deno's own WebSocket server: what it says of our frames is not our opinion. */
function nativeServer(
  onSocket: (socket: WebSocket, request: { url: string; key: string | null }) => void,
) {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const { url, headers } = request;
    const key = headers.get("x-key");
    const { socket, response } = Deno.upgradeWebSocket(request, { idleTimeout: 0 });
    onSocket(socket, { url, key });
    return response;
  });
  return {
    url: `ws://127.0.0.1:${server.addr.port}/path?query=1`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

type Behaviour = (conn: Deno.Conn, head: string) => Promise<void>;

/** A TCP (or TLS) server that does with each connection what the test wants. Joined on disposal. */
function rawServer(behave: Behaviour, tls?: { cert: string; key: string }) {
  const address = { hostname: "127.0.0.1", port: 0 };
  const listener = tls ? Deno.listenTls({ ...address, ...tls }) : Deno.listen(address);
  const { port } = listener.addr as Deno.NetAddr;
  const conns = new Set<Deno.Conn>();
  const tasks: Promise<void>[] = [];
  const serving = (async () => {
    for await (const conn of listener) {
      conns.add(conn);
      tasks.push(
        (async () => {
          let head = "";
          const buffer = new Uint8Array(4096);
          while (!head.includes("\r\n\r\n")) {
            const count = await conn.read(buffer);
            if (count === null) return;
            head += new TextDecoder().decode(buffer.subarray(0, count));
          }
          await behave(conn, head);
        })().catch(() => {}).finally(() => {
          if (conns.delete(conn)) conn.close();
        }),
      );
    }
  })();
  return {
    url: `${tls ? "wss" : "ws"}://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const conn of conns) conn.close();
      conns.clear();
      await Promise.all(tasks);
      await serving;
    },
  };
}

async function acceptUpgrade(conn: Deno.Conn, head: string, extra: Uint8Array = new Uint8Array()) {
  const key = /sec-websocket-key: (.*)\r\n/i.exec(head)![1];
  const digest = await crypto.subtle.digest(
    "SHA-1",
    new TextEncoder().encode(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"),
  );
  const accept = btoa(String.fromCharCode(...new Uint8Array(digest)));
  const answer = new TextEncoder().encode(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const bytes = new Uint8Array(answer.length + extra.length);
  bytes.set(answer);
  bytes.set(extra, answer.length);
  await writeAll(conn, bytes);
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array) {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

async function untilEnd(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  while (await conn.read(buffer).catch(() => null) !== null);
}

async function collect<T>(stream: ReadableStream<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** ws alone waits 30 s for a peer to hang up; ours is about one, and more on a busy machine. */
const ALONE_MS = 25_000;

async function elapsedMs(work: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work;
  return performance.now() - startMs;
}

/** A server's frame of at most 125 bytes. `first` is FIN, RSV and opcode, RFC 6455 section 5.2. */
function frame(first: number, payload: Uint8Array | string = ""): Uint8Array {
  const bytes = typeof payload === "string" ? new TextEncoder().encode(payload) : payload;
  return Uint8Array.of(first, bytes.length, ...bytes);
}

/** The next frame of at most 125 bytes that the client sends. */
async function clientFrame(conn: Deno.Conn): Promise<{ first: number; payload: number[] }> {
  const [first, length, ...mask] = await readExactly(conn, 6);
  const masked = await readExactly(conn, length & 0x7f);
  return { first, payload: [...masked].map((byte, at) => byte ^ mask[at % 4]) };
}

/** The next frame of the client, of any length, RFC 6455 section 5.2. */
async function dataFrame(conn: Deno.Conn) {
  const [first, second] = await readExactly(conn, 2);
  const short = second & 0x7f;
  const extended = new DataView((await readExactly(conn, short === 126 ? 2 : short === 127 ? 8 : 0)).buffer);
  const length = short === 126 ? extended.getUint16(0) : short === 127 ? extended.getUint32(4) : short;
  const mask = await readExactly(conn, 4);
  const payload = (await readExactly(conn, length)).map((byte, at) => byte ^ mask[at % 4]);
  const opcode = first & 0x0f;
  return { opcode, message: opcode === 1 ? new TextDecoder().decode(payload) : payload };
}

async function readAll(conn: Deno.Conn): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(65_536);
  for (let count; (count = await conn.read(buffer).catch(() => null)) !== null;) {
    parts.push(buffer.slice(0, count));
  }
  return concat(...parts);
}

async function readExactly(conn: Deno.Conn, length: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await conn.read(bytes.subarray(at));
    if (count === null) throw new Error("Cannot read a frame: the connection ended");
    at += count;
  }
  return bytes;
}

const text = (message: string) => frame(0x81, message);
const close = (code: number, reason = "") =>
  frame(0x88, concat(Uint8Array.of(code >> 8, code & 0xff), new TextEncoder().encode(reason)));
const concat = (...parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));

Deno.test("Text and binary of every header length reach a native server and come back unchanged", async () => {
  await using server = nativeServer((socket) => {
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket.send(data);
  });
  await using duplex = await openRead(server.url, OPTIONS);
  const reader = duplex.messages.getReader();
  for (const length of [0, 1, 125, 126, 127, 128, 129, 19_200, 20_472, 20_473, 65_535, 65_536, 99_999]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 7);
    assert.equal(duplex.send(bytes), true);
    assert.deepEqual((await reader.read()).value, bytes);
  }
  duplex.send("schön – 字幕");
  assert.equal((await reader.read()).value, "schön – 字幕");
});

Deno.test("A message is sent as it was at that moment, and its buffer is not changed", async () => {
  await using server = nativeServer((socket) => {
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket.send(data);
  });
  await using duplex = await openRead(server.url, OPTIONS);
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i * 7);
  const original = bytes.slice();
  duplex.send(bytes);
  assert.deepEqual(bytes, original);
  bytes.fill(0);
  assert.deepEqual((await duplex.messages.getReader().read()).value, original);
});

Deno.test("Audio, text and long messages arrive whole and in order, also when they queue up", async () => {
  const sent: (string | Uint8Array<ArrayBuffer>)[] = Array.from({ length: 400 }, (_, i) => {
    if (i % 7 === 3) return `word ${i}`;
    return crypto.getRandomValues(new Uint8Array(i % 11 === 5 ? 60_000 : 19_200 - i % 4));
  });
  const reading = Promise.withResolvers<void>();
  const received: unknown[] = [];
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    await reading.promise;
    while (received.length < sent.length) received.push((await dataFrame(conn)).message);
  });
  await using duplex = await openRead(server.url, OPTIONS);
  for (const message of sent.slice(0, 300)) duplex.send(message);
  assert.ok(duplex.bufferedAmount > 0);
  reading.resolve();
  await duplex.drained();
  for (const message of sent.slice(300)) {
    duplex.send(message);
    await duplex.drained();
  }
  await duplex.closed; // the server has read all and hung up
  assert.deepEqual(received, sent);
});

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

Deno.test("Buffers of a connection that was cut do not corrupt another one's messages", async () => {
  const stuck = Promise.withResolvers<void>();
  await using deaf = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    await stuck.promise;
  });
  await using echo = nativeServer((socket) => {
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => socket.send(data);
  });
  const stalled = await openRead(deaf.url, OPTIONS);
  await using healthy = await openRead(echo.url, OPTIONS);
  const reader = healthy.messages.getReader();
  for (let sent = 0; sent < 800; sent++) stalled.send(new Uint8Array(19_200).fill(1));
  const closing = stalled.close();
  let isClosed = false;
  closing.then(() => isClosed = true);
  do {
    const audio = crypto.getRandomValues(new Uint8Array(19_200));
    healthy.send(audio);
    assert.deepEqual((await reader.read()).value, audio);
  } while (!isClosed);
  stuck.resolve();
});

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

Deno.test("A peer that hung up on its side and reads no more is cut off, although nobody closes", async () => {
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

Deno.test("A sender can wait for the peer to read, and stops waiting when the connection ends", async () => {
  const reading = Promise.withResolvers<void>();
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    await reading.promise;
    await untilEnd(conn);
  });
  const duplex = await openRead(server.url, OPTIONS);
  await duplex.drained();
  const fill = () => {
    for (let sent = 0; sent < 800; sent++) duplex.send(new Uint8Array(19_200));
    assert.ok(duplex.bufferedAmount > 1_000_000);
  };
  fill();
  reading.resolve();
  await duplex.drained();
  assert.equal(duplex.bufferedAmount, 0);
  fill();
  await Promise.all([duplex.drained(), duplex.close()]);
});

Deno.test("What was sent is delivered once the peer has read it, whatever else it sends", async () => {
  const mayRead = Promise.withResolvers<void>();
  const mayAnswer = Promise.withResolvers<void>();
  const pings: number[][] = [];
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    await mayRead.promise;
    assert.equal((await clientFrame(conn)).first, 0x81);
    const { first, payload } = await clientFrame(conn);
    assert.equal(first, 0x89);
    pings.push(payload);
    await writeAll(conn, frame(0x8a, "unasked"));
    await writeAll(conn, frame(0x81, "hello"));
    await mayAnswer.promise;
    await writeAll(conn, frame(0x8a, Uint8Array.from(payload)));
    await clientFrame(conn);
    await writeAll(conn, frame(0x88)); // the second ping is never answered
  });
  const duplex = await openRead(server.url, OPTIONS);
  duplex.send("audio");
  let delivered = false;
  const delivery = duplex.delivered().then(() => delivered = true);
  mayRead.resolve();
  const reader = duplex.messages.getReader();
  assert.equal((await reader.read()).value, "hello");
  assert.equal(delivered, false, "an answer to another ping is none to ours");
  mayAnswer.resolve();
  await delivery;
  assert.equal(pings[0].length, 4);
  await duplex.delivered(); // the end of the connection ends the wait
  await duplex.close();
  await duplex.delivered();
});

Deno.test("A connection cut without a close frame is an unclean close, not an error", async () => {
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head, text("one"));
  });
  const duplex = await openRead(server.url, OPTIONS);
  assert.deepEqual(await collect(duplex.messages), ["one"]);
  assert.deepEqual(await duplex.closed, { code: 1006, reason: "", clean: false });
});

Deno.test("Messages in the same packet as the handshake are not lost", async () => {
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head, concat(text("first"), text("second")));
    await untilEnd(conn);
  });
  await using duplex = await openRead(server.url, OPTIONS);
  const reader = duplex.messages.getReader();
  assert.equal((await reader.read()).value, "first");
  assert.equal((await reader.read()).value, "second");
});

Deno.test("A burst in one read reaches a reader that keeps up", async () => {
  const burst = Array.from({ length: 300 }, (_, i) => `message ${i}`);
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(
      conn,
      head,
      concat(...burst.map(text), frame(0x88)),
    );
    await untilEnd(conn);
  });
  const duplex = await openRead(server.url, OPTIONS);
  assert.deepEqual(await collect(duplex.messages), burst);
  assert.deepEqual(await duplex.closed, { code: 1005, reason: "", clean: true });
});

Deno.test("A burst is delivered whole although the peer hung up right after it", async () => {
  const burst = Array.from({ length: 300 }, (_, i) => `message ${i}`);
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    await writeAll(
      conn,
      concat(...burst.map(text), close(1000, "bye")),
    );
  });
  const duplex = await openRead(server.url, OPTIONS);
  assert.deepEqual(await collect(duplex.messages), burst);
  assert.deepEqual(await duplex.closed, { code: 1000, reason: "bye", clean: true });
});

Deno.test("Nothing is read before there is a handler", async () => {
  const sent = 64 * 1024 * 1024;
  let written = 0;
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head);
    const bytes = concat(Uint8Array.of(0x82, 126, 0xff, 0xff), new Uint8Array(0xffff));
    for (; written < sent; written += bytes.length) await writeAll(conn, bytes);
    await writeAll(conn, close(1000));
    await untilEnd(conn);
  });
  const connection = await WebSocketConnection.open(server.url, OPTIONS);
  let before: number;
  do { // until the kernel takes no more
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
  } while (written > before);
  assert.ok(written < sent / 2, `${written} bytes were taken`);
  let received = 0;
  connection.receive((message) => received += message.length);
  assert.equal((await connection.closed).code, 1000);
  assert.ok(received >= sent - 0xffff);
});

Deno.test("A too large message ends the connection before it is held in memory", async () => {
  await using server = nativeServer((socket) => {
    socket.onopen = () => socket.send(new Uint8Array(100_001));
  });
  const duplex = await openRead(server.url, OPTIONS);
  await assert.rejects(collect(duplex.messages), MessageTooLargeError);
  await duplex.closed;
});

const STAND_IN = new Uint8Array();
const skipping = (sizes: number[]): WebSocketOptions => ({
  ...OPTIONS,
  onTooLarge: (bytes) => {
    sizes.push(bytes);
    return STAND_IN;
  },
});

for (const secure of [false, true]) {
  Deno.test(`A too large message may be lost alone, and replaced${secure ? " TLS" : ""}`, async () => {
    const certificates = secure ? await makeCertificates("IP:127.0.0.1") : undefined;
    const large = (first: number) =>
      concat(Uint8Array.of(first, 127, 0, 0, 0, 0, 0, 2, 0, 0), new Uint8Array(0x20000));
    const pieces = concat(large(0x01), frame(0x89), large(0x00), frame(0x80, "end"));
    const stream = concat(text("a"), large(0x81), text("b"), pieces, text(""), text("c"), close(1000));
    await using server = rawServer(async (conn, head) => {
      await acceptUpgrade(conn, head, stream);
      await untilEnd(conn);
    }, certificates);
    const sizes: number[] = [];
    const tls = certificates && { caCerts: [certificates.ca] };
    const duplex = await openRead(server.url, {
      ...skipping(sizes),
      tls,
    });
    assert.deepEqual(await collect(duplex.messages), ["a", STAND_IN, "b", STAND_IN, "", "c"]);
    assert.deepEqual(sizes, [0x20000 + 10, 2 * (0x20000 + 10) + 5]);
    assert.equal((await duplex.closed).code, 1000);
  });
}

Deno.test("A message in too many fragments ends the connection, however short they are", async () => {
  const crumbs = new Uint8Array(40_000); // continuation frames of no payload: 0x00 0x00
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head, concat(frame(0x01, "x"), crumbs));
    await untilEnd(conn);
  });
  const duplex = await openRead(server.url, OPTIONS);
  await assert.rejects(collect(duplex.messages), MessageTooLargeError);
  assert.equal((await duplex.closed).clean, false);
});

Deno.test("Fragments are few: each keeps all of the read it came in", async () => {
  const pings = concat(...Array.from({ length: 30 }, () => frame(0x89, new Uint8Array(125))));
  const piece = (first: number) => concat(frame(first, "x"), pings);
  const inPieces = (count: number) =>
    concat(piece(0x01), ...Array.from({ length: count - 2 }, () => piece(0x00)), frame(0x80, "x"));
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head, concat(inPieces(32), inPieces(33), close(1000)));
    await untilEnd(conn);
  });
  const duplex = await openRead(server.url, OPTIONS);
  const received: unknown[] = [];
  await assert.rejects(async () => {
    for await (const message of duplex.messages) received.push(message);
  }, MessageTooLargeError);
  assert.deepEqual(received, ["x".repeat(32)]);
  await duplex.closed;
});

Deno.test("Pings are answered, also between the fragments of a message", async () => {
  const pong = Promise.withResolvers<unknown>();
  await using server = rawServer(async (conn, head) => {
    const ping = frame(0x89, Uint8Array.of(1, 2, 3));
    await acceptUpgrade(conn, head, concat(frame(0x01, "two "), ping, frame(0x80, "halves")));
    pong.resolve(await clientFrame(conn));
    await untilEnd(conn);
  });
  await using duplex = await openRead(server.url, OPTIONS);
  assert.equal((await duplex.messages.getReader().read()).value, "two halves");
  assert.deepEqual(await pong.promise, { first: 0x8a, payload: [1, 2, 3] });
});

Deno.test("A peer that breaks the framing gets 1002 and is cut off", async () => {
  const answered = Promise.withResolvers<unknown>();
  await using server = rawServer(async (conn, head) => {
    await acceptUpgrade(conn, head, frame(0xf1));
    answered.resolve(await clientFrame(conn));
    await untilEnd(conn);
  });
  const duplex = await openRead(server.url, OPTIONS);
  assert.deepEqual(await collect(duplex.messages), []);
  assert.deepEqual(await answered.promise, { first: 0x88, payload: [1002 >> 8, 1002 & 0xff] });
  assert.equal((await duplex.closed).clean, false);
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

Deno.test("Disposing twice, and after the peer has disconnected, is harmless", async () => {
  await using server = nativeServer((socket) => socket.onopen = () => socket.close());
  const duplex = await openRead(server.url, OPTIONS);
  await duplex.closed;
  await duplex[Symbol.asyncDispose]();
  await duplex.close();
  assert.equal(duplex.isOpen, false);
});
