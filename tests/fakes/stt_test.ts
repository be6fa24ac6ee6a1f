import assert from "@std/assert";
import { FakeKyutaiServer } from "./stt.ts";
import { toneSpeech } from "./tones.ts";

/** Deno's native client, so that the fake's own framing is held against another's. */
async function connect(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, { headers });
  socket.binaryType = "arraybuffer";
  const messages: Record<string, unknown>[] = [];
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
  socket.addEventListener("message", ({ data }) => messages.push(JSON.parse(data)));
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("not opened")));
  });
  return {
    socket,
    messages,
    closed,
    say(words: readonly string[]) {
      const { samples } = toneSpeech(words, { sampleRateHz: 24_000 });
      for (let at = 0; at < samples.length; at += 1_920) socket.send(samples.slice(at, at + 1_920));
      for (let sent = 0; sent < 10; sent++) socket.send(new Float32Array(1_920));
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await closed;
    },
  };
}

Deno.test("The deployed shape answers each tone with a token, once and in order", async () => {
  await using server = FakeKyutaiServer.start();
  await using client = await connect(server.url);
  client.say(["red", "river", "river"]);
  await server.until(() => server.connections[0].words.length === 3);
  client.socket.close();
  await client.closed;
  assert.deepEqual(client.messages, ["red", "river", "river"].map((text) => ({ type: "token", text })));
  const [record] = server.connections;
  assert.ok(record.frameBytes.every((bytes) => bytes % 4 === 0));
  assert.equal(record.samples.reduce((sum, chunk) => sum + chunk.length, 0) / 24, record.receivedMs);
  assert.ok(record.words.every(({ sentAtMs }) => sentAtMs >= record.openedAtMs));
});

Deno.test("The design's shape sends growing hypotheses, then a settled one at the end of the utterance", async () => {
  await using server = FakeKyutaiServer.start({ shape: "design" });
  await using client = await connect(server.url);
  client.say(["red", "river"]);
  await server.until(() => server.connections[0].receivedMs >= 1_480);
  client.socket.close();
  await client.closed;
  assert.deepEqual(client.messages, [
    { text: "red", final: false, vad_end: false },
    { text: "red river", final: false, vad_end: false },
    { text: "red river", final: true, vad_end: true },
  ]);
});

Deno.test("A script is recited to any voice and not to silence", async () => {
  await using server = FakeKyutaiServer.start({ recogniser: { script: ["hello", "there"] } });
  await using client = await connect(server.url);
  client.socket.send(new Float32Array(24_000));
  client.socket.send(Float32Array.from({ length: 24_000 }, (_, i) => Math.sin(i / 9) / 3));
  await server.until(() => server.connections[0].receivedMs === 2_000);
  assert.deepEqual(server.connections[0].words.map(({ word }) => word), ["hello", "there", "hello"]);
});

Deno.test("Stopping leaves the bytes in the kernel until reading resumes", async () => {
  await using server = FakeKyutaiServer.start();
  await using client = await connect(server.url);
  server.stopReading();
  const frame = new Float32Array(20_000);
  for (let sent = 0; sent < 200; sent++) client.socket.send(frame); // 16 MB: more than the kernel takes
  assert.ok(client.socket.bufferedAmount > 1_000_000);
  assert.equal(server.connections[0].frameBytes.length, 0);
  server.resumeReading();
  await server.until(() => server.connections[0].frameBytes.length === 200);
  assert.equal(server.connections[0].closeCode, undefined);
});

Deno.test("A cold server answers the handshake late, and closes the connection when it is stopped", async () => {
  await using server = FakeKyutaiServer.start();
  server.coldFor(60);
  const startMs = performance.now();
  await using _client = await connect(server.url);
  assert.ok(performance.now() - startMs >= 55);
  server.coldFor(3_600_000);
  const waiting = connect(server.url);
  waiting.catch(() => {});
  await server.until(() => server.handshakes === 2);
  await server[Symbol.asyncDispose]();
  await assert.rejects(waiting);
});

Deno.test("Wrong credentials, a wrong path and a refusing server open nothing", async () => {
  await using server = FakeKyutaiServer.start({ requireHeaders: { key: "k", secret: "s" } });
  await assert.rejects(connect(server.url));
  await assert.rejects(connect(server.url, { "Modal-Key": "k", "Modal-Secret": "x" }));
  const right = { "Modal-Key": "k", "Modal-Secret": "s" };
  await assert.rejects(connect(server.url.replace("/v1/stream", "/"), right));
  server.refuseConnections = true;
  await assert.rejects(connect(server.url, right));
  server.refuseConnections = false;
  await using _client = await connect(server.url, right);
  assert.equal(server.connections.length, 1);
});

Deno.test("Dropped connections end unclean, idle ones with 1000", async () => {
  await using server = FakeKyutaiServer.start({ closeAfterIdleMs: 40 });
  const idle = await connect(server.url);
  const { code, wasClean } = await idle.closed;
  assert.deepEqual({ code, wasClean }, { code: 1000, wasClean: true });
  const dropped = await connect(server.url);
  server.dropConnections();
  assert.equal((await dropped.closed).wasClean, false);
  await server.until(() => server.live === 0);
});

Deno.test("A silent server receives and sends nothing; an error is sent to everyone", async () => {
  await using server = FakeKyutaiServer.start({ recogniser: { script: ["never"] } });
  server.silent = true;
  await using client = await connect(server.url);
  client.say(["red", "river", "music"]);
  await server.until(() => server.connections[0].receivedMs > 1_800);
  const message = new Promise((resolve) => client.socket.addEventListener("message", resolve));
  server.sendError();
  await message;
  assert.deepEqual(client.messages, [{ type: "error", message: "no free channels" }]);
});
