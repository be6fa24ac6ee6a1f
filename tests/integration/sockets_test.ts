/** WebSockets of the service's HTTP server: the handshake, messages, and how they end. */
import assert from "@std/assert";
import { RawHttp } from "../fakes/raw_http.ts";
import {
  BINARY,
  CLOSE,
  CONTINUATION,
  frame,
  handshake,
  PING,
  PONG,
  RawSocket,
  TEXT,
} from "../fakes/raw_socket.ts";
import { SocketServer, TOKEN } from "../fakes/socket_server.ts";
import { eventually } from "./world.ts";

const PATH = "/api/v1/echo/r1";

async function ask(port: number, request: string): Promise<string> {
  using raw = await RawHttp.open(port);
  await raw.send(request);
  return await raw.readAll();
}

async function openNative(server: SocketServer, protocols: string[] = [], query = ""): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${PATH}${query}`, protocols);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  return socket;
}

const nextMessage = (socket: WebSocket) =>
  new Promise<unknown>((resolve) => socket.onmessage = ({ data }) => resolve(data));
const closeOf = (socket: WebSocket) =>
  new Promise<[number, string]>((resolve) => socket.onclose = ({ code, reason }) => resolve([code, reason]));

Deno.test("A native client's messages arrive and are answered; the door sees its request", async () => {
  await using server = await SocketServer.start({
    protocol: (offered) => offered.has("b") ? "b" : undefined,
  });
  const opened = server.opened;
  const client = await openNative(server, ["a", "b"], "?token=x");
  const { request } = await opened;
  assert.equal(client.protocol, "b");
  assert.equal(request.url.pathname + request.url.search, `${PATH}?token=x`);
  assert.equal(request.headers.get("sec-websocket-protocol"), "a, b");
  assert.equal(request.source, "127.0.0.1");
  const text = nextMessage(client);
  client.send("hello, 世界");
  assert.equal(await text, "hello, 世界");
  const binary = nextMessage(client);
  client.send(new Uint8Array(40_000));
  assert.equal(await binary, "40000 bytes");
  assert.equal(server.open, 1);
  const closed = closeOf(client);
  client.close(3001, "done");
  assert.deepEqual(await closed, [3001, "done"]);
  assert.equal(await server.accepted[0].closed.promise, 3001);
  assert.equal(server.open, 0);
  assert.equal(server.meter.counted("tiro_http_requests_total", "101"), 1);
  assert.equal(server.meter.gauges.get("tiro_http_connections")?.(), 0);
});

Deno.test("The door's close code and reason arrive, and cut no character", async () => {
  await using server = await SocketServer.start({
    onMessage: ({ socket }) => socket.close(4001, "é".repeat(100)),
  });
  const client = await openNative(server);
  const closed = closeOf(client);
  client.send("x");
  client.send("not passed on");
  assert.deepEqual(await closed, [4001, "é".repeat(61)]);
  assert.equal(await server.accepted[0].closed.promise, 4001);
  assert.deepEqual(server.accepted[0].happenings, ["x", 4001]);
});

const REFUSED: [what: string, request: string, status: number, header?: RegExp][] = [
  [
    "no upgrade",
    handshake(PATH, { Upgrade: undefined, Connection: "close" }),
    426,
    /^upgrade: websocket\r$/im,
  ],
  ["another upgrade", handshake(PATH, { Upgrade: "h2c" }), 426],
  [
    "an unknown version",
    handshake(PATH, { "Sec-WebSocket-Version": "8" }),
    426,
    /^sec-websocket-version: 13\r$/im,
  ],
  ["no version", handshake(PATH, { "Sec-WebSocket-Version": undefined }), 426],
  ["no key", handshake(PATH, { "Sec-WebSocket-Key": undefined }), 400],
  ["an invalid key", handshake(PATH, { "Sec-WebSocket-Key": "abc" }), 400],
  ["an invalid protocol", handshake(PATH, { "Sec-WebSocket-Protocol": "a, a" }), 400],
  ["an empty protocol", handshake(PATH, { "Sec-WebSocket-Protocol": "a,,b" }), 400],
  [
    "POST",
    handshake(PATH, { Authorization: `Bearer ${TOKEN}`, "Content-Length": "0" }, "POST"),
    405,
    /^allow: GET, HEAD\r$/im,
  ],
  ["an unknown path", handshake("/api/v1/nothing", { Authorization: `Bearer ${TOKEN}` }), 404],
  ["an unknown path and no credentials", handshake("/api/v1/nothing"), 401],
  ["a parameter of two segments", handshake(`${PATH}/more`), 401],
  ["no Host", handshake(PATH, { Host: undefined }), 400],
  ["an invalid Host", handshake(PATH, { Host: "a b" }), 400],
  ["a route that becomes no WebSocket", handshake("/healthz"), 200],
];

for (const [what, request, status, header] of REFUSED) {
  Deno.test(`A handshake with ${what} is answered with ${status}`, async () => {
    await using server = await SocketServer.start();
    const answer = await ask(server.port, request);
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
    if (header) assert.match(answer, header);
    if (status >= 400) assert.match(answer, /\{"error":"[^"]+"\}$/);
    assert.equal(server.meter.counted("tiro_http_requests_total", `${status}`), 1);
    assert.equal(server.accepted.length, 0);
  });
}

Deno.test("Past the route's bound, or the server's, a handshake is 503; a socket that ends makes room", async () => {
  for (const options of [{ most: 1 }, { bounds: { sockets: 1 } }]) {
    await using server = await SocketServer.start(options);
    const first = await RawSocket.open(server.port, PATH);
    const answer = await ask(server.port, handshake(PATH));
    assert.match(answer, /^HTTP\/1\.1 503 /);
    assert.match(answer, /^retry-after: 5\r$/im);
    assert.equal(server.meter.counted("tiro_http_requests_total", "503"), 1);
    assert.match(await ask(server.port, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), /^HTTP\/1\.1 200 /);
    first[Symbol.dispose]();
    assert.equal(await server.accepted[0].closed.promise, 1006);
    using _second = await RawSocket.open(server.port, PATH);
  }
});

Deno.test("While the service shuts down a handshake is 503, and open sockets continue", async () => {
  await using server = await SocketServer.start();
  using client = await RawSocket.open(server.port, PATH);
  server.isDraining = true;
  assert.match(await ask(server.port, handshake(PATH)), /^HTTP\/1\.1 503 /);
  await client.send(frame(TEXT, "still here"));
  assert.equal(new TextDecoder().decode((await client.next())?.payload), "still here");
});

Deno.test("WebSockets are no connections of the REST API: many of them leave its bound alone", async () => {
  await using server = await SocketServer.start({ bounds: { most: 2 } });
  const clients: RawSocket[] = [];
  for (let n = 0; n < 10; n++) clients.push(await RawSocket.open(server.port, PATH));
  assert.equal(server.open, 10);
  assert.match(await ask(server.port, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), /^HTTP\/1\.1 200 /);
  for (const client of clients) {
    await client.send(frame(TEXT, "x"));
    assert.equal((await client.next())?.opcode, TEXT);
    client[Symbol.dispose]();
  }
});

Deno.test("A handshake behind another request, and requests behind a handshake, get nothing", async () => {
  await using server = await SocketServer.start();
  const answer = await ask(server.port, `GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n${handshake(PATH)}`);
  assert.deepEqual(answer.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200"]);
  // Behind a handshake come frames; "GE" is the head of one with reserved bits.
  const reply = await ask(server.port, `${handshake(PATH)}GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n`);
  assert.deepEqual(reply.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 101"]);
  assert.equal(server.accepted.length, 1);
  await server.accepted[0].closed.promise;
  assert.equal(server.accepted[0].happenings.length, 1);
});

Deno.test("Frames in the packet of the handshake are taken", async () => {
  await using server = await SocketServer.start();
  using raw = await RawHttp.open(server.port);
  await raw.send(Uint8Array.from([...new TextEncoder().encode(handshake(PATH)), ...frame(TEXT, "early")]));
  await eventually("it is there", () => server.accepted[0]?.happenings.includes("early") ?? false);
});

Deno.test("A head that comes late is closed within the bound for heads", async () => {
  await using server = await SocketServer.start({ bounds: { headMs: 200 } });
  assert.equal(await ask(server.port, handshake(PATH).slice(0, -4)), "");
  assert.equal(server.meter.counted("tiro_http_connections_closed_total", "head_late"), 1);
});

const BROKEN: [what: string, frames: Uint8Array[], code: number][] = [
  ["a message that is too large", [frame(BINARY, new Uint8Array(2_000))], 1009],
  ["a frame that says it will be too large", [frame(BINARY, "x", { length: 60_000 })], 1009],
  ["fragments that are too large together", [
    frame(BINARY, new Uint8Array(800), { isLast: false }),
    frame(CONTINUATION, new Uint8Array(800), { isLast: false }),
  ], 1009],
  ["too many fragments", [
    frame(TEXT, "x", { isLast: false }),
    ...Array.from({ length: 40 }, () => frame(CONTINUATION, "x", { isLast: false })),
  ], 1008],
  ["invalid UTF-8", [frame(TEXT, Uint8Array.of(0xc3, 0x28))], 1007],
  ["invalid UTF-8 in a close frame", [frame(CLOSE, Uint8Array.of(0x03, 0xe8, 0xc3, 0x28))], 1007],
  ["a frame without a mask", [frame(TEXT, "x", { isMasked: false })], 1002],
  ["reserved bits", [frame(TEXT | 0x70, "x")], 1002],
  ["compression that was not agreed", [frame(TEXT | 0x40, "x")], 1002],
  ["an unknown opcode", [frame(3, "x")], 1002],
  ["an unknown control opcode", [frame(11, "x")], 1002],
  ["a ping in fragments", [frame(PING, "x", { isLast: false })], 1002],
  ["a ping of 126 bytes", [frame(PING, new Uint8Array(126))], 1002],
  ["a continuation of nothing", [frame(CONTINUATION, "x")], 1002],
  ["a message within another", [frame(TEXT, "x", { isLast: false }), frame(TEXT, "y")], 1002],
  ["a close frame of one byte", [frame(CLOSE, Uint8Array.of(3))], 1002],
  ["a close code that may not be sent", [frame(CLOSE, Uint8Array.of(0x03, 0xed))], 1002],
];

for (const [what, frames, code] of BROKEN) {
  Deno.test(`A client that sends ${what} is closed with ${code}`, async () => {
    await using server = await SocketServer.start({ messageBytes: 1_000 });
    using client = await RawSocket.open(server.port, PATH);
    for (const each of frames) await client.send(each);
    assert.equal(await client.closeCode(), code);
    client[Symbol.dispose]();
    await server.accepted[0].closed.promise;
    assert.equal(server.open, 0);
    assert.deepEqual(server.log.lines.filter(({ level }) => level !== "debug"), []);
  });
}

Deno.test("Fragments of a message are joined, with a ping between them answered", async () => {
  await using server = await SocketServer.start();
  using client = await RawSocket.open(server.port, PATH);
  await client.send(frame(TEXT, "hel", { isLast: false }));
  await client.send(frame(PING, "p"));
  await client.send(frame(CONTINUATION, "lo"));
  const pong = await client.next();
  assert.deepEqual([pong?.opcode, new TextDecoder().decode(pong?.payload)], [PONG, "p"]);
  assert.equal(new TextDecoder().decode((await client.next())?.payload), "hello");
});

Deno.test("A client that hangs up without a close frame is 1006 for the door, one without a code 1005", async () => {
  await using server = await SocketServer.start();
  (await RawSocket.open(server.port, PATH))[Symbol.dispose]();
  using second = await RawSocket.open(server.port, PATH);
  await second.send(frame(CLOSE));
  assert.equal(await second.closeCode(), 1005);
  second[Symbol.dispose]();
  assert.deepEqual(await Promise.all(server.accepted.map(({ closed }) => closed.promise)), [1006, 1005]);
});

Deno.test("An exception of the door closes its socket with 1011, and is counted", async () => {
  const fail = () => {
    throw new Error("unexpected");
  };
  for (const options of [{ onOpen: fail }, { onMessage: fail }]) {
    await using server = await SocketServer.start(options);
    using client = await RawSocket.open(server.port, PATH);
    await client.send(frame(TEXT, "x"));
    assert.equal(await client.closeCode(), 1011);
    assert.equal(server.meter.counted("tiro_internal_errors_total", "http"), 1);
    assert.match(await ask(server.port, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"), /^HTTP\/1\.1 200 /);
  }
});

Deno.test("At shutdown sockets are closed with 1001; a client that does not answer holds it up for a second", async () => {
  const server = await SocketServer.start();
  using client = await RawSocket.open(server.port, PATH);
  using silent = await RawSocket.open(server.port, PATH);
  const code = client.closeCode();
  const beganMs = performance.now();
  const ended = server[Symbol.asyncDispose]();
  assert.equal(await code, 1001);
  await client.send(frame(CLOSE, Uint8Array.of(0x03, 0xe9)));
  await ended;
  assert.ok(performance.now() - beganMs < 2_000);
  assert.equal(await silent.closeCode(), 1001);
  const codes = await Promise.all(server.accepted.map(({ closed }) => closed.promise));
  assert.deepEqual(codes, [1001, 1006]);
});

Deno.test("A Unix socket has WebSockets too", async () => {
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  await using server = await SocketServer.start({ unixSocket: path });
  const connection = await Deno.connect({ transport: "unix", path });
  await connection.write(new TextEncoder().encode(handshake(PATH)));
  const buffer = new Uint8Array(1_000);
  const count = await connection.read(buffer);
  assert.match(new TextDecoder().decode(buffer.subarray(0, count ?? 0)), /^HTTP\/1\.1 101 /);
  assert.equal(server.accepted[0].request.source, "unix");
  connection.close();
  await server.accepted[0].closed.promise;
});
