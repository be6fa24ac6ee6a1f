/** What was mended, against a TURN server of a few lines. tests/real/turn_test.ts has a real one. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { classes, createTurnClient, Message, methods, parseMessage, type TurnProtocol } from "werift";
import "./turn.ts";

const [USERNAME, REALM, PASSWORD] = ["user", "realm", "password"];
const KEY = createHash("md5").update(`${USERNAME}:${REALM}:${PASSWORD}`).digest();

/** Answers each signed request with success, others with 401 or 438, which it does not sign. */
class FakeTurnServer implements AsyncDisposable {
  readonly requests: Message[] = [];
  nonce = "first";
  silent = false;
  /** Sent before the answer. */
  prelude?: (request: Message) => Message;
  readonly #socket = createSocket("udp4");

  static async start(): Promise<FakeTurnServer> {
    const server = new FakeTurnServer();
    await new Promise<void>((bound) => server.#socket.bind(0, "127.0.0.1", bound));
    server.#socket.on("message", (data, { port }) => {
      const request = parseMessage(data);
      if (!request) return;
      server.requests.push(request);
      if (server.silent) return;
      const answers = [server.#answer(request, parseMessage(data, KEY) !== undefined)];
      if (server.prelude) answers.unshift(server.prelude(request));
      for (const { bytes } of answers) server.#socket.send(bytes, port, "127.0.0.1");
    });
    return server;
  }

  connect(password = PASSWORD): Promise<TurnProtocol> {
    const address = ["127.0.0.1", this.#socket.address().port] as const;
    return createTurnClient({ address, username: USERNAME, password });
  }

  /** Methods asked for so far, in order. */
  get asked(): number[] {
    return this.requests.map(({ messageMethod }) => messageMethod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((closed) => this.#socket.close(closed));
  }

  #answer(request: Message, isSigned: boolean): Message {
    if (!isSigned) return this.#challenge(errorOf(request, 401));
    if (String(request.getAttributeValue("NONCE")) !== this.nonce) {
      return this.#challenge(errorOf(request, 438));
    }
    return new Message(request.messageMethod, classes.RESPONSE, request.transactionId)
      .setAttribute("XOR-RELAYED-ADDRESS", ["192.0.2.1", 5_000])
      .setAttribute("XOR-MAPPED-ADDRESS", ["192.0.2.2", 5_001])
      .setAttribute("LIFETIME", 600)
      .addMessageIntegrity(KEY);
  }

  #challenge(error: Message): Message {
    return error.setAttribute("NONCE", Buffer.from(this.nonce)).setAttribute("REALM", REALM);
  }
}

function errorOf(request: Message, code: number): Message {
  return new Message(request.messageMethod, classes.ERROR, request.transactionId)
    .setAttribute("ERROR-CODE", [code, "no"]);
}

Deno.test("Refused credentials are tried once", async () => {
  await using server = await FakeTurnServer.start();
  await assert.rejects(server.connect("another password"));
  assert.deepEqual(server.asked, [methods.ALLOCATE, methods.ALLOCATE], "without credentials, and with");
});

Deno.test("A stale nonce is replaced and the request signed again", async () => {
  await using server = await FakeTurnServer.start();
  const turn = await server.connect();
  server.nonce = "second";
  await turn.getPermission(["192.0.2.3", 6_000]);
  const permissions = server.requests.filter(({ messageMethod }) =>
    messageMethod === methods.CREATE_PERMISSION
  );
  const nonces = permissions.map((request) => String(request.getAttributeValue("NONCE")));
  assert.deepEqual(nonces, ["first", "second"]);
  await turn.close();
});

Deno.test("Any other error is accepted only when signed", async () => {
  await using server = await FakeTurnServer.start();
  const turn = await server.connect();
  server.prelude = (request) => errorOf(request, 403);
  await turn.getPermission(["192.0.2.3", 6_000]);
  await turn.close();
});

Deno.test("Closing releases the allocation, with a new nonce if necessary", async () => {
  await using server = await FakeTurnServer.start();
  const turn = await server.connect();
  server.nonce = "second";
  await turn.close();
  const last = server.requests.at(-1);
  assert.equal(last?.messageMethod, methods.REFRESH);
  assert.equal(last?.getAttributeValue("LIFETIME"), 0);
  assert.equal(String(last?.getAttributeValue("NONCE")), "second");
  const count = server.requests.length;
  await turn.close();
  assert.equal(server.requests.length, count, "once");
});

// The sanitizers see to it that no timer is left.

Deno.test("Closing does not wait for an unresponsive server, and pending requests are dropped", async () => {
  await using server = await FakeTurnServer.start();
  const turn = await server.connect();
  server.silent = true;
  void turn.getPermission(["192.0.2.3", 6_000]); // never settles: nobody waits for it any more
  const startMs = performance.now();
  await turn.close();
  assert.ok(performance.now() - startMs < 3_000, "werift alone asks for over six seconds");
  assert.ok(server.asked.includes(methods.REFRESH));
});

Deno.test("An unresponsive server fails before the connection does", async () => {
  await using server = await FakeTurnServer.start();
  server.silent = true;
  await assert.rejects(server.connect());
  assert.deepEqual(server.asked, Array(6).fill(methods.ALLOCATE));
});

Deno.test("A stream with an invalid frame is closed after the length of one", async () => {
  await using server = await FakeTurnServer.start();
  const turn = await server.connect();
  const { transport } = turn;
  Object.assign(transport, { type: "tcp", remoteAddress: turn.server });
  const receive = (bytes: number, first: number) => {
    const data = Buffer.alloc(bytes);
    data[0] = first;
    turn["dataReceived"](data, turn.server);
  };
  receive(40_000, 0xff);
  assert.equal(turn["tcpBuffer"].length, 40_000);
  assert.ok(!transport.closed);
  receive(40_000, 0);
  assert.equal(turn["tcpBuffer"].length, 0);
  assert.ok(transport.closed);
  await turn.close();
});
