import assert from "@std/assert";
import { voiceSession } from "./voice_session.js";

type End = { code: string; closed: number };

/** A door that does as the test says, and a session of it. */
class Door implements AsyncDisposable {
  readonly received: unknown[] = [];
  readonly captions: string[] = [];
  readonly statuses: string[] = [];
  readonly socket = Promise.withResolvers<WebSocket>();
  readonly ended = Promise.withResolvers<End>();
  readonly ready = Promise.withResolvers<void>();
  protocols = "";
  #waiting: { count: number; resolve: () => void } | undefined;
  readonly #server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    this.protocols = request.headers.get("sec-websocket-protocol") ?? "";
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "tiro.v1" });
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.socket.resolve(socket);
    socket.onmessage = ({ data }) => {
      this.received.push(typeof data === "string" ? JSON.parse(data) : [...new Uint8Array(data)]);
      if (this.#waiting && this.received.length >= this.#waiting.count) this.#waiting.resolve();
    };
    return response;
  });

  open(bytesPerSecond = 1_000) {
    return voiceSession({
      url: `ws://127.0.0.1:${this.#server.addr.port}/`,
      token: "a.b.c",
      bytesPerSecond,
      start: { format: "webm" },
      onReady: () => this.ready.resolve(),
      onCaption: ({ type, text }) => void this.captions.push(`${type} ${text}`),
      onStatus: (code, message) => void this.statuses.push(`${code} ${message}`),
      onEnd: (end) => this.ended.resolve(end),
    });
  }

  async say(message: unknown): Promise<void> {
    (await this.socket.promise).send(JSON.stringify(message));
  }

  /** Resolves when so many messages have come. */
  until(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting = { count, resolve };
      if (this.received.length >= count) resolve();
    });
  }

  async close(code: number, reason = ""): Promise<End> {
    (await this.socket.promise).close(code, reason);
    return await this.ended.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

const bytes = (...values: number[]) => Uint8Array.from(values).buffer;

Deno.test("What is recorded before the session is ready follows start, in order; stop is last", async () => {
  await using door = new Door();
  const session = door.open();
  session.send(bytes(1));
  session.send(bytes(2));
  await door.until(1);
  assert.equal(door.protocols, "tiro.v1, tiro.token.a.b.c");
  await door.say({ type: "ready" });
  await door.ready.promise;
  session.send(bytes(3));
  session.language("de");
  session.stop();
  session.send(bytes(4));
  await door.until(6);
  assert.deepEqual(door.received, [
    { type: "start", format: "webm" },
    [1],
    [2],
    [3],
    { type: "language", language: "de" },
    { type: "stop" },
  ]);
  await door.say({ type: "final", text: "the last words" });
  assert.deepEqual(await door.close(1000, "done"), { code: "done", closed: 1000 });
  assert.deepEqual(door.captions, ["final the last words"]);
});

Deno.test("A session that is stopped before it is ready sends what was recorded, and stops", async () => {
  await using door = new Door();
  const session = door.open();
  session.send(bytes(1));
  session.stop();
  await door.until(1);
  await door.say({ type: "ready" });
  await door.until(3);
  assert.deepEqual(door.received.slice(1), [[1], { type: "stop" }]);
  await door.close(1000);
});

Deno.test("It ends with the code of the close frame, not with an error that it survived", async () => {
  const cases: [code: number, reason: string, expected: string][] = [
    [4503, "draining", "draining"],
    [4400, "", "language_unsupported"],
    [1012, "", "connection"],
  ];
  for (const [closed, reason, code] of cases) {
    await using door = new Door();
    door.open();
    await door.say({ type: "error", code: "language_unsupported", message: "for developers" });
    assert.deepEqual(await door.close(closed, reason), { code, closed });
    assert.deepEqual(door.statuses, ["language_unsupported "]);
  }
});

Deno.test("A service that is not ready while ten seconds are recorded is given up", async () => {
  await using door = new Door();
  const session = door.open(1);
  await door.until(1);
  for (let second = 0; second <= 10; second++) session.send(bytes(second));
  assert.deepEqual(await door.ended.promise, { code: "connection", closed: 1006 });
  assert.equal(door.received.length, 1);
});
