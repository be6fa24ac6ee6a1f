/** The REST API: what it accepts from clients, what it passes on, and what it responds. */
import assert from "@std/assert";
import { UnavailableError } from "../../src/domain/mod.ts";
import { ListenError, serveHttp } from "../../src/http/mod.ts";
import type { TranscribeRequest } from "../../src/talk/mod.ts";
import { createLog } from "../../src/telemetry/mod.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { RawHttp } from "../fakes/raw_http.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { ListedTranslations, LISTENER, RecordingExApp, startApi, TRANSCRIBE } from "./api.ts";

Deno.test("Health distinguishes healthy, degraded and unhealthy", async () => {
  await using api = await startApi();
  const healthy = await api.request("GET", "/healthz");
  const { memory_mb, timestamp, ...rest } = healthy.json as Record<string, number | string>;
  assert.equal(healthy.status, 200);
  assert.deepEqual(rest, { status: "healthy", rooms: 2, speakers: 3 });
  assert.ok(Number(memory_mb) > 10);
  assert.ok(Math.abs(Date.parse(String(timestamp)) - Date.now()) < 60_000);

  api.rooms.trouble = "signaling";
  const degraded = await api.request("GET", "/healthz");
  assert.deepEqual([degraded.status, (degraded.json as { status: string }).status], [200, "degraded"]);
  const why = ({ headers }: { headers: Headers }) => headers.get("x-tiro-degraded");
  assert.deepEqual([why(healthy), why(degraded)], [null, "signaling"]);

  api.rooms.troubles = { not_connected: 2, recogniser_foreign: 1 };
  assert.equal(why(await api.request("GET", "/healthz")), "signaling, not_connected, recogniser_foreign");
  api.rooms.trouble = undefined;
  assert.equal(why(await api.request("GET", "/healthz")), "not_connected, recogniser_foreign");

  api.accepting = false;
  const unhealthy = await api.request("GET", "/healthz");
  assert.deepEqual([unhealthy.status, (unhealthy.json as { status: string }).status], [503, "unhealthy"]);
});

Deno.test("Health reports a translator that refuses, or does not respond", async () => {
  const translations = new ListedTranslations();
  await using api = await startApi({ translations });
  const asked = async () => {
    const { json, headers } = await api.request("GET", "/healthz");
    return [(json as { status: string }).status, headers.get("x-tiro-degraded")];
  };
  assert.deepEqual(await asked(), ["healthy", null]);
  for (const trouble of ["translator_refused", "translator_unreachable"] as const) {
    translations.trouble = trouble;
    assert.deepEqual(await asked(), ["degraded", trouble]);
  }
  api.rooms.trouble = "signaling";
  assert.deepEqual(await asked(), ["degraded", "signaling, translator_unreachable"]);
});

Deno.test("Metrics are Prometheus text and count responses by status", async () => {
  await using api = await startApi();
  await api.request("GET", "/healthz");
  await api.request("GET", "/nowhere");
  await api.request("POST", TRANSCRIBE, "{");
  const { status, json, headers } = await api.request("GET", "/metrics");
  assert.equal(status, 200);
  assert.match(headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  for (
    const series of ["200", "404", "400"].map((code) => `tiro_http_requests_total{status="${code}"} 1\n`)
  ) {
    assert.ok(String(json).includes(series), series);
  }
  assert.ok(String(json).includes("# TYPE transcription_latency_ms histogram"));
});

Deno.test("Unknown routes are 404, known ones with another method 405 with what they allow", async () => {
  await using api = await startApi();
  for (const [method, path] of [["GET", "/"], ["POST", "/api/v1/call"], ["DELETE", `${TRANSCRIBE}/a/b`]]) {
    const { status, json } = await api.request(method, path);
    assert.deepEqual([status, json], [404, { error: "no such route" }], `${method} ${path}`);
  }
  const wrong: [string, string, string][] = [
    ["GET", TRANSCRIBE, "POST"],
    ["PUT", TRANSCRIBE, "POST"],
    ["GET", `${TRANSCRIBE}/room1`, "DELETE"],
    ["DELETE", "/api/v1/call/leave", "POST"],
    ["OPTIONS", "/api/v1/call/set-language", "POST"],
    ["POST", "/api/v1/languages", "GET, HEAD"],
    ["POST", "/healthz", "GET, HEAD"],
    ["DELETE", "/metrics", "GET, HEAD"],
    ["POST", "/enabled", "GET, HEAD, PUT"],
    ["GET", "/init", "POST"],
    ["PUT", "/api/v1/translation/set-target-language", "POST"],
  ];
  for (const [method, path, allow] of wrong) {
    const { status, json, headers } = await api.request(method, path);
    assert.deepEqual([status, json], [405, { error: "method not allowed" }], `${method} ${path}`);
    assert.equal(headers.get("allow"), allow);
  }
  assert.deepEqual(api.rooms.asked, []);
  assert.equal((await api.request("HEAD", "/healthz")).status, 200);
});

Deno.test("A slash at the end of a path is accepted", async () => {
  await using api = await startApi();
  assert.equal((await api.request("POST", `${TRANSCRIBE}/`, LISTENER)).status, 200);
  assert.equal((await api.request("DELETE", `${TRANSCRIBE}/room1/`)).status, 200);
  assert.equal((await api.request("GET", "/healthz/")).status, 200);
});

Deno.test("A body over 64 KiB is refused, announced or not, without reading it all", async () => {
  await using api = await startApi();
  const tooLarge = { error: "body: larger than 65536 bytes" };
  const announced = await api.request("POST", TRANSCRIBE, { ...LISTENER, padding: "x".repeat(70_000) });
  assert.deepEqual([announced.status, announced.json], [413, tooLarge]);

  const fits = JSON.stringify(LISTENER).padEnd(65_536, " ");
  assert.equal((await api.request("POST", TRANSCRIBE, fits)).status, 200);
  assert.equal((await api.request("POST", TRANSCRIBE, fits + " ")).status, 413);
  assert.equal(api.rooms.asked.length, 1);

  // Chunked, never ending: the answer must come while the caller still sends.
  using socket = await Deno.connect({ hostname: "127.0.0.1", port: api.port });
  const text = (words: string) => new TextEncoder().encode(words);
  await socket.write(text(
    `POST ${TRANSCRIBE} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ));
  const chunk = text(`2000\r\n${"x".repeat(0x2000)}\r\n`);
  let sent = 0;
  const sending = (async () => {
    for (; sent < 1_000; sent++) await socket.write(chunk);
  })().catch(() => {}); // the server hangs up
  const answer = new Uint8Array(4_096);
  const count = await socket.read(answer);
  assert.match(new TextDecoder().decode(answer.subarray(0, count ?? 0)), /^HTTP\/1\.1 413 /);
  await Promise.race([sending, drain(socket)]);
  assert.equal(api.rooms.asked.length, 1);
});

/** Reads until the other side hangs up. */
async function drain(socket: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(4_096);
  try {
    while (await socket.read(buffer) !== null);
  } catch {
    // Hung up without a goodbye.
  }
}

Deno.test("A client that disconnects within a body starts nothing and affects no other", async () => {
  await using api = await startApi();
  for (let caller = 0; caller < 5; caller++) {
    const socket = await Deno.connect({ hostname: "127.0.0.1", port: api.port });
    await socket.write(new TextEncoder().encode(
      `POST ${TRANSCRIBE} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{"roomTok`,
    ));
    // The server has taken the head before we go: another request's answer proves it is not held up.
    assert.equal((await api.request("GET", "/healthz")).status, 200);
    socket.close();
  }
  assert.equal((await api.request("POST", TRANSCRIBE, LISTENER)).status, 200);
  assert.equal(api.rooms.asked.length, 1);
  assert.equal(api.lines.filter((line) => line.includes('"level":"error"')).length, 0);
});

Deno.test("A closing server closes the connection of an unfinished body", async () => {
  using ports = ClaimedPorts.claim(); // nobody else listens there afterwards
  const api = await startApi({ port: ports.next() });
  using socket = await Deno.connect({ hostname: "127.0.0.1", port: api.port });
  await socket.write(new TextEncoder().encode(
    `POST ${TRANSCRIBE} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n{"roomTok`,
  ));
  assert.equal((await api.request("GET", "/healthz")).status, 200);
  const closing = api[Symbol.asyncDispose]();
  await drain(socket);
  await closing;
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: api.port }));
  assert.deepEqual(api.rooms.asked, []);
});

Deno.test("Errors have their status; an unexpected one discloses nothing", async () => {
  await using api = await startApi();
  api.rooms.failure = new UnavailableError("Cannot join: HPB out of reach", "signaling_unreachable");
  const unavailable = await api.request("POST", TRANSCRIBE, LISTENER);
  assert.deepEqual([unavailable.status, unavailable.json], [503, { error: "Cannot join: HPB out of reach" }]);
  assert.equal(unavailable.headers.get("retry-after"), "5");

  api.rooms.failure = new TypeError("5ecret in src/talk/rooms.ts");
  const broken = await api.request("POST", "/api/v1/call/leave", { roomToken: "room1" });
  assert.deepEqual([broken.status, broken.json], [500, { error: "internal error" }]);
  const errors = api.lines.map((line) => JSON.parse(line)).filter(({ level }) => level === "error");
  assert.deepEqual(errors.map(({ message, error }) => [message, error.name]), [[
    "request failed",
    "TypeError",
  ]]);
  assert.match(await api.meter.render(), /transcription_errors_total\{type="internal"\} 1\n/);
  assert.match(await api.meter.render(), /tiro_internal_errors_total\{where="http"\} 1\n/);
});

Deno.test("While shutting down no captions start, and present ones can be stopped", async () => {
  await using api = await startApi();
  api.accepting = false;
  const refused = { error: "Cannot accept the request: shutting down" };
  const started = await api.request("POST", TRANSCRIBE, LISTENER);
  assert.deepEqual([started.status, started.json], [503, refused]);
  const set = await api.request("POST", "/api/v1/call/set-language", { roomToken: "room1", langId: "en" });
  assert.deepEqual([set.status, set.json], [503, refused]);
  assert.deepEqual(api.rooms.asked, []);
  assert.equal((await api.request("POST", TRANSCRIBE, { ...LISTENER, enable: false })).status, 200);
  assert.equal((await api.request("POST", "/api/v1/call/leave", { roomToken: "room1" })).status, 200);
  assert.equal((await api.request("DELETE", `${TRANSCRIBE}/room1`)).status, 200);
});

Deno.test("Many concurrent requests each get their own response", async () => {
  await using api = await startApi();
  const answers = await Promise.all(
    Array.from(
      { length: 200 },
      (_, n) =>
        n % 2
          ? api.request("DELETE", `${TRANSCRIBE}/room${n}`)
          : api.request("POST", TRANSCRIBE, { roomToken: `room${n}`, ncSessionId: n % 4 ? "s" : n }),
    ),
  );
  answers.forEach(({ status, json }, n) => {
    if (n % 2) assert.deepEqual([status, json], [200, { status: "stopped", roomToken: `room${n}` }]);
    else assert.equal(status, n % 4 ? 200 : 400);
  });
  const rooms = api.rooms.asked.map(([, asked]) =>
    typeof asked === "string" ? asked : (asked as TranscribeRequest).roomToken
  );
  const expected = Array.from({ length: 200 }, (_, n) => n).filter((n) => n % 4 !== 0).map((n) => `room${n}`);
  assert.deepEqual(rooms.toSorted(), expected.toSorted());
});

Deno.test("The error for an unusable address has what to change", async () => {
  await using api = await startApi();
  const log = createLog({ level: "error", write: () => {} });
  const app = { fetch: () => Promise.resolve(new Response()) };
  const listen = (host: string, port: number) =>
    serveHttp({ app, host, port, scope: api.scope, log, meter: new FakeMeter() });
  await assert.rejects(listen("127.0.0.1", api.port), (error: unknown) => {
    if (!(error instanceof ListenError)) return false;
    assert.equal(error.code, "address_in_use");
    assert.match(
      error.message,
      /^Cannot listen on 127\.0\.0\.1:\d+: something else is there; set PORT, or APP_PORT /,
    );
    return true;
  });
  await assert.rejects(listen("203.0.113.7", 0), /^ListenError: Cannot listen on 203\.0\.113\.7:0: .*HOST/);
});

Deno.test("A closed server responds to no client and has no open connection", async () => {
  using ports = ClaimedPorts.claim(); // nobody else listens there afterwards
  const api = await startApi({ port: ports.next() });
  using idle = await RawHttp.open(api.port);
  assert.equal((await api.request("GET", "/healthz")).status, 200, "the idle one is accepted by now");
  await api[Symbol.asyncDispose]();
  assert.equal(await idle.readAll(), "");
  await assert.rejects(Deno.connect({ hostname: "127.0.0.1", port: api.port }));
});

Deno.test("A closing server waits for pending responses", async () => {
  const exApp = new RecordingExApp();
  const api = await startApi({ exApp });
  const gate = Promise.withResolvers<void>();
  exApp.gate = gate.promise;
  const answer = api.request("PUT", "/enabled?enabled=0");
  await exApp.called.promise;
  const closing = api[Symbol.asyncDispose]();
  setTimeout(gate.resolve, 100); // this is how long keeping it takes
  assert.equal((await answer).status, 200);
  await closing;
});
