import assert from "@std/assert";
import { makeCertificates } from "../../tests/fakes/certificates.ts";
import { openRead } from "../../tests/fakes/websocket_messages.ts";
import { MessageTooLargeError, WebSocketConnection, type WebSocketOptions } from "./websocket.ts";
import {
  acceptUpgrade,
  close,
  collect,
  concat,
  dataFrame,
  frame,
  nativeServer,
  OPTIONS,
  rawServer,
  readExactly,
  text,
  untilEnd,
  writeAll,
} from "./websocket_testing_test.ts";

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

/** The next frame of at most 125 bytes that the client sends. */
async function clientFrame(conn: Deno.Conn): Promise<{ first: number; payload: number[] }> {
  const [first, length, ...mask] = await readExactly(conn, 6);
  const masked = await readExactly(conn, length & 0x7f);
  return { first, payload: [...masked].map((byte, at) => byte ^ mask[at % 4]) };
}

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
