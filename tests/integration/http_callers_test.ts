/** Callers who break HTTP, or keep the API waiting: each costs their own connection. */
import assert from "@std/assert";
import { Scope } from "../../src/flow/mod.ts";
import { serveHttp } from "../../src/http/mod.ts";
import { createSilentLog } from "../../src/telemetry/mod.ts";
import { RawHttp } from "../fakes/raw_http.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { type Api, type ApiOptions, RecordingExApp, startApi, TRANSCRIBE } from "./api.ts";
import { eventually } from "./world.ts";

const SECRET = "5ecret";

async function raw(api: Api, text: string): Promise<string> {
  using caller = await RawHttp.open(api.port);
  await caller.send(text);
  return await caller.readAll();
}

async function closed(api: Api, reason: string): Promise<number> {
  const name = `tiro_http_connections_closed_total{reason="${reason}"}`;
  const line = (await api.meter.render()).split("\n").find((line) => line.startsWith(name));
  return Number(line?.slice(name.length) ?? 0);
}

const HEAD = "Connection: close\r\n\r\n";

Deno.test("What is no HTTP, or names no host there can be, is 400; nothing of it is logged or repeated", async () => {
  await using api = await startApi();
  const requests = [
    `GET /healthz HTTP/1.1\r\nHost: ${SECRET} [\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: [${SECRET}\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: ${SECRET}@a\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: ${SECRET}:port\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: 999.999.999.999\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: \r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: \xff${SECRET}\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: a\r\nHost: ${SECRET}\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\n${HEAD}`,
    `GET ${SECRET}://a/healthz HTTP/1.1\r\nHost: a\r\n${HEAD}`,
    `OPTIONS * HTTP/1.1\r\nHost: a\r\n${HEAD}`,
    `${SECRET} /healthz HTTP/1.1\r\nHost: a\r\n${HEAD}`,
    `GET /healthz HTTP/9.9\r\nHost: a\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n${HEAD}`,
    `GET /healthz HTTP/1.1\r\nHost: a\r\n${SECRET} : x\r\n${HEAD}`,
  ];
  for (const request of requests) {
    const answer = await raw(api, request);
    assert.match(answer, /^HTTP\/1\.1 400 /, request);
    assert.ok(!answer.includes(SECRET));
  }
  const counted = `tiro_http_requests_total{status="400"} ${requests.length}\n`;
  assert.ok((await api.meter.render()).includes(counted), "each is counted");
  const logged = api.lines.map((line) => JSON.parse(line)).filter(({ level }) => level !== "debug");
  assert.deepEqual(logged, []);
  assert.ok(!api.lines.join().includes(SECRET));
  assert.equal((await api.request("GET", "/healthz")).status, 200);
});

Deno.test("Hosts in all their forms, and a target with its host in it, are answered", async () => {
  await using api = await startApi();
  for (const host of ["tiro", "app_1:8080", "cloud.example.org", "127.0.0.1:80", "[::1]:8080", "LOCALHOST"]) {
    assert.match(await raw(api, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n${HEAD}`), /^HTTP\/1\.1 200 /);
  }
  assert.match(await raw(api, `GET http://a/healthz HTTP/1.1\r\nHost: a\r\n${HEAD}`), /^HTTP\/1\.1 200 /);
  assert.match(await raw(api, "GET /healthz HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 /);
  assert.match(await raw(api, `GET //a/healthz HTTP/1.1\r\nHost: a\r\n${HEAD}`), /^HTTP\/1\.1 404 /);
});

Deno.test("Methods that no Request of the web has are 405, like others that a route does not take", async () => {
  await using api = await startApi();
  for (const method of ["TRACE", "PROPFIND"]) {
    const answer = await raw(api, `${method} /healthz HTTP/1.1\r\nHost: a\r\n${HEAD}`);
    assert.match(answer, /^HTTP\/1\.1 405 /, method);
    assert.match(answer, /^allow: GET, HEAD\r$/im, method);
  }
});

Deno.test("A head that is too large is 431", async () => {
  await using api = await startApi();
  const answer = await raw(api, `GET / HTTP/1.1\r\nHost: a\r\nA: ${"x".repeat(20_000)}\r\n${HEAD}`);
  assert.match(answer, /^HTTP\/1\.1 431 /);
});

/** An honest request comes within it on a busy machine too. */
const HEAD_MS = 1_000;

const HOLDERS: { what: string; reason: string; bounds: ApiOptions["bounds"]; sends: string[] }[] = [
  {
    what: "does not end the head of a request",
    reason: "head_late",
    bounds: { headMs: HEAD_MS },
    sends: ["GET /healthz HTTP/1.1\r\nHost: a\r\n"],
  },
  { what: "says nothing", reason: "head_late", bounds: { headMs: HEAD_MS }, sends: [] },
];

for (const { what, reason, bounds, sends } of HOLDERS) {
  Deno.test(`The connection of a caller who ${what} is closed`, async () => {
    await using api = await startApi({ bounds });
    using caller = await RawHttp.open(api.port);
    for (const text of sends) await caller.send(text);
    await caller.readAll();
    assert.equal(await closed(api, reason), 1);
    assert.equal((await api.request("GET", "/healthz")).status, 200);
  });
}

Deno.test("An answer that is not read ends its connection", async () => {
  // More than the kernel takes off us, which is some megabytes.
  const app = { fetch: () => Promise.resolve(new Response(new Uint8Array(50_000_000))) };
  await using scope = new Scope("test");
  const meter = new FakeMeter();
  const { address: { port } } = await serveHttp({
    app,
    host: "127.0.0.1",
    port: 0,
    bounds: { sendMs: 100 },
    scope,
    log: createSilentLog(),
    meter,
  });
  using caller = await RawHttp.open(port);
  await caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await eventually(
    "it is closed",
    () => meter.counted("tiro_http_connections_closed_total", "not_read") === 1,
  );
});

Deno.test("An app that breaks its word and rejects costs that request, and is counted", async () => {
  await using scope = new Scope("test");
  const meter = new FakeMeter();
  const { address: { port } } = await serveHttp({
    ...{ app: { fetch: () => Promise.reject(new Error("unexpected")) }, host: "127.0.0.1", port: 0 },
    ...{ scope, log: createSilentLog(), meter },
  });
  using caller = await RawHttp.open(port);
  await caller.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.equal(await caller.readAll(), "");
  assert.equal(meter.counted("tiro_internal_errors_total", "http"), 1);
});

Deno.test("A connection is for one request: those sent after it are not answered", async () => {
  await using api = await startApi();
  const answers = await raw(api, "POST /init HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
  assert.equal(answers.match(/HTTP\/1\.1 200 /g)?.length, 1);
  assert.match(answers, /\r\nconnection: close\r\n/i);
  assert.match(await api.meter.render(), /tiro_http_requests_total\{status="200"\} 1\n/);
});

Deno.test("An expectation that nobody knows is no other request: one answer, and the connection is closed", async () => {
  await using api = await startApi();
  const answers = await raw(api, "GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\n\r\n".repeat(2));
  assert.deepEqual(answers.match(/HTTP\/1\.1 \d+/g), ["HTTP/1.1 200"]);
  assert.match(answers, /\r\nconnection: close\r\n/i);
  assert.equal(await closed(api, "head_late"), 0);
});

Deno.test("Past the most connections the oldest that waits goes, never one that is being answered", async () => {
  const exApp = new RecordingExApp();
  const gate = Promise.withResolvers<void>();
  exApp.gate = gate.promise;
  await using api = await startApi({ exApp, bounds: { most: 3 } });
  using working = await RawHttp.open(api.port);
  await working.send("PUT /enabled?enabled=0 HTTP/1.1\r\nHost: a\r\n\r\n");
  await exApp.called.promise;
  using oldest = await RawHttp.open(api.port);
  await oldest.send("GET /healthz HTTP/1.1\r\n");
  using newer = await RawHttp.open(api.port);
  await newer.send("GET /healthz HTTP/1.1\r\n");
  assert.match(await raw(api, `GET /healthz HTTP/1.1\r\nHost: a\r\n${HEAD}`), /^HTTP\/1\.1 200 /);
  assert.equal(await oldest.readAll(), "");
  await newer.send(`Host: a\r\n${HEAD}`);
  assert.match(await newer.readAll(), /^HTTP\/1\.1 200 /);
  gate.resolve();
  assert.match(await working.readAll(), /^HTTP\/1\.1 200 /);
  assert.equal(await closed(api, "too_many"), 1);
});

Deno.test("Where all connections are being answered, one more is closed and no other", async () => {
  const exApp = new RecordingExApp();
  const gate = Promise.withResolvers<void>();
  exApp.gate = gate.promise;
  await using api = await startApi({ exApp, bounds: { most: 1 } });
  using working = await RawHttp.open(api.port);
  await working.send("PUT /enabled?enabled=0 HTTP/1.1\r\nHost: a\r\n\r\n");
  await exApp.called.promise;
  using other = await RawHttp.open(api.port);
  assert.equal(await other.readAll(), "");
  gate.resolve();
  assert.match(await working.readAll(), /^HTTP\/1\.1 200 /);
});

Deno.test("After an answer to a body nobody read, what comes of it is thrown away and the caller hangs up", async () => {
  await using api = await startApi({ auth: { token: "0f1e2d3c4b5a69788796a5b4c3d2e1f0" } });
  const answer = await raw(
    api,
    `POST ${TRANSCRIBE} HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n${"x".repeat(100_000)}`,
  );
  assert.match(answer, /^HTTP\/1\.1 401 /);
  assert.match(answer, /\r\nconnection: close\r\n/i);
});
