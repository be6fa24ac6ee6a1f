/** The REST API: what it takes from callers, what it passes on, and what it says. */
import assert from "@std/assert";
import {
  InvalidRequestError,
  NotFoundError,
  PreconditionError,
  TranslationError,
  UnavailableError,
  UpstreamError,
} from "../../src/domain/mod.ts";
import { ListenError, serveHttp } from "../../src/http/mod.ts";
import type { TranscribeRequest } from "../../src/talk/mod.ts";
import { createLog } from "../../src/telemetry/mod.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { RawHttp } from "../fakes/raw_http.ts";
import { FakeMeter } from "../fakes/telemetry.ts";
import { ListedTranslations, LISTENER, RecordingExApp, startApi, TRANSCRIBE } from "./api.ts";

const SET_TARGET = "/api/v1/translation/set-target-language";

Deno.test("Transcribe passes on Talk's request, with its defaults", async () => {
  await using api = await startApi();
  const { status, json, headers } = await api.request("POST", TRANSCRIBE, LISTENER);
  assert.equal(status, 200);
  assert.match(headers.get("content-type")!, /^application\/json/);
  assert.deepEqual(json, { message: "Transcription requested" });
  assert.deepEqual(api.rooms.asked, [["transcribe", {
    roomToken: "room1",
    ncSessionId: "abc+/=",
    enable: true,
    languageId: "en",
    turnServers: [],
  }]]);
});

Deno.test("Transcribe accepts either spelling of the language, TURN servers in every shape, and unknown fields", async () => {
  await using api = await startApi();
  const { status } = await api.request("POST", TRANSCRIBE, {
    ...LISTENER,
    languageId: "he",
    futureField: { a: [1] },
    turnServers: [
      { urls: "turn:a.example.org", username: "u", credential: "c", credentialType: "password" },
      { urls: ["stun:b.example.org", "stun:c.example.org"], username: null, credential: null },
    ],
  });
  assert.equal(status, 200);
  await api.request("POST", TRANSCRIBE, { ...LISTENER, langId: "en", languageId: "he", turnServers: null });
  await api.request("POST", TRANSCRIBE, { ...LISTENER, langId: "", enable: null });
  const requests = api.rooms.asked.map(([, request]) => request as TranscribeRequest);
  assert.deepEqual(requests.map((request) => request.languageId), ["he", "en", "en"]);
  assert.deepEqual(requests[0].turnServers, [
    { urls: ["turn:a.example.org"], username: "u", credential: "c" },
    { urls: ["stun:b.example.org", "stun:c.example.org"] },
  ]);
  assert.deepEqual(requests[1].turnServers, []);
  assert.equal(requests[2].enable, true);
});

Deno.test("Without a language the server's default is used", async () => {
  await using api = await startApi();
  api.rooms.defaultLanguageId = "he";
  for (const named of [{}, { langId: "" }, { langId: null }, { languageId: "" }]) {
    await api.request("POST", TRANSCRIBE, { ...LISTENER, ...named });
    await api.request("POST", "/api/v1/call/set-language", { roomToken: "room1", ...named });
  }
  const languages = api.rooms.asked.map(([route, ...rest]) =>
    route === "setLanguage" ? rest[1] : (rest[0] as TranscribeRequest).languageId
  );
  assert.deepEqual(languages, Array(8).fill("he"));
});

Deno.test("The response says why captions start without their translation", async () => {
  await using api = await startApi();
  api.rooms.untranslated = "not a language the provider translates to; known are ar, de";
  const { status, json } = await api.request("POST", TRANSCRIBE, {
    ...LISTENER,
    translationTargetLangId: "xx",
  });
  assert.deepEqual([status, json], [200, {
    message: "Transcription requested; captions are not translated: " +
      "not a language the provider translates to; known are ar, de",
  }]);
});

Deno.test("Captions can always be turned off, whatever the language", async () => {
  await using api = await startApi();
  const { status, json } = await api.request("POST", TRANSCRIBE, {
    ...LISTENER,
    enable: false,
    langId: "xx",
  });
  assert.equal(status, 200);
  assert.deepEqual(json, { message: "Transcription stopped" });
  assert.equal((api.rooms.asked[0][1] as TranscribeRequest).enable, false);
});

Deno.test("A translation target is set, unchanged, or cleared", async () => {
  await using api = await startApi();
  const targets = [undefined, "de", null, ""];
  for (const translationTargetLangId of targets) {
    const { status } = await api.request("POST", TRANSCRIBE, { ...LISTENER, translationTargetLangId });
    assert.equal(status, 200);
  }
  const requests = api.rooms.asked.map(([, request]) => request as TranscribeRequest);
  assert.deepEqual(requests.map(({ translationTargetId }) => translationTargetId), [
    undefined,
    "de",
    null,
    null,
  ]);
  assert.equal("translationTargetId" in requests[0], false);
});

Deno.test("Set-target-language accepts a language or none, in either spelling", async () => {
  await using api = await startApi();
  const languages = [
    { langId: "de" },
    { languageId: "de" },
    { langId: "de", languageId: "fr" },
    { langId: null },
    { langId: "" },
    {},
  ];
  for (const language of languages) {
    const { status, json } = await api.request("POST", SET_TARGET, { ...LISTENER, ...language });
    assert.deepEqual([status, json], [200, { message: "Target language set" }]);
  }
  assert.deepEqual(
    api.rooms.asked,
    ["de", "de", "de", null, null, null].map((target) => ["setTranslationTarget", "room1", "abc+/=", target]),
  );
});

Deno.test("Each reason why a translation cannot be set has its own status", async () => {
  await using api = await startApi();
  const ask = async () => {
    const { status, json, headers } = await api.request("POST", SET_TARGET, { ...LISTENER, langId: "de" });
    return [status, json, headers.get("retry-after")];
  };
  const translation = (retryable: boolean) =>
    new TranslationError("Cannot translate captions: why", { code: "x", retryable });
  const cases: [Error, number, string | null][] = [
    [new PreconditionError("Cannot translate captions: why"), 412, null],
    [new NotFoundError("Cannot translate captions: why"), 404, null],
    [translation(false), 550, null],
    [translation(true), 503, "5"],
    [new UpstreamError("Cannot translate captions: why", { code: "x", retryable: true }), 503, "5"],
    [new UpstreamError("Cannot translate captions: why", { code: "x", retryable: false }), 502, null],
  ];
  for (const [failure, status, retryAfter] of cases) {
    api.rooms.failure = failure;
    assert.deepEqual(await ask(), [status, { error: "Cannot translate captions: why" }, retryAfter]);
  }
  assert.deepEqual(api.lines.filter((line) => line.includes('"level":"error"')), []);
});

Deno.test("Translation languages are listed once they are known; without a provider the status is 550", async () => {
  const path = "/api/v1/translation/languages";
  const translations = new ListedTranslations();
  await using api = await startApi({ translations });
  const english = { en: { name: "English", metadata: { separator: " ", rtl: false } } };
  for (const query of ["", "?roomToken=", "?roomToken=room1"]) {
    const { status, json } = await api.request("GET", path + query);
    assert.equal(status, 200);
    assert.deepEqual(json, {
      origin_languages: english,
      target_languages: { ...english, he: { name: "עברית", metadata: { separator: " ", rtl: true } } },
    });
  }
  assert.equal((await api.request("GET", `${path}?roomToken=a%2Fb`)).status, 400);
  translations.failure = new TranslationError("Cannot list: not known yet", { code: "x", retryable: true });
  assert.equal((await api.request("GET", path)).status, 503);
  translations.failure = new TranslationError("Cannot list: refused", { code: "x", retryable: false });
  assert.equal((await api.request("GET", path)).status, 550);

  await using without = await startApi();
  const { status, json } = await without.request("GET", path);
  assert.deepEqual([status, json], [550, { error: "Cannot translate captions: no provider" }]);
});

Deno.test("The response to stopping a room names the room", async () => {
  await using api = await startApi();
  const { status, json } = await api.request("DELETE", `${TRANSCRIBE}/room1`);
  assert.equal(status, 200);
  assert.deepEqual(json, { status: "stopped", roomToken: "room1" });
  assert.deepEqual(api.rooms.asked, [["leave", "room1"]]);
});

Deno.test("Leaving an unknown room is no error", async () => {
  await using api = await startApi();
  const { status, json } = await api.request("POST", "/api/v1/call/leave", { roomToken: "elsewhere" });
  assert.equal(status, 200);
  assert.deepEqual(json, { message: "Left the call" });
  assert.deepEqual(api.rooms.asked, [["leave", "elsewhere"]]);
});

Deno.test("Set-language treats an empty language as English; an unknown room is 404", async () => {
  await using api = await startApi();
  const path = "/api/v1/call/set-language";
  assert.equal((await api.request("POST", path, { roomToken: "room1", langId: "he" })).status, 200);
  assert.equal((await api.request("POST", path, { roomToken: "room1", langId: "" })).status, 200);
  assert.equal((await api.request("POST", path, { roomToken: "room1" })).status, 200);
  assert.deepEqual(api.rooms.asked, [
    ["setLanguage", "room1", "he"],
    ["setLanguage", "room1", "en"],
    ["setLanguage", "room1", "en"],
  ]);
  const { status, json } = await api.request("POST", path, { roomToken: "unknown", langId: "en" });
  assert.equal(status, 404);
  assert.deepEqual(json, { error: "Cannot set the language: no such room" });
});

Deno.test("Languages have their separator and direction", async () => {
  await using api = await startApi();
  const { status, json } = await api.request("GET", "/api/v1/languages");
  assert.equal(status, 200);
  assert.deepEqual(json, {
    en: { name: "English", metadata: { separator: " ", rtl: false } },
    he: { name: "עברית", metadata: { separator: " ", rtl: true } },
  });
});

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

Deno.test("An invalid field is named with what was expected, never with its value", async () => {
  await using api = await startApi();
  const { roomToken, ncSessionId } = LISTENER;
  const long = "x".repeat(513);
  const cases: [body: unknown, error: string][] = [
    [{ ncSessionId }, "roomToken: expected string, received nothing"],
    [{ roomToken: 7, ncSessionId }, "roomToken: expected string, received number"],
    [{ roomToken: null, ncSessionId }, "roomToken: expected string, received null"],
    [{ roomToken: "", ncSessionId }, "roomToken: must be 1 to 64 letters, digits, _ or -"],
    [{ roomToken: "../5ecret", ncSessionId }, "roomToken: must be 1 to 64 letters, digits, _ or -"],
    [{ roomToken: "a".repeat(65), ncSessionId }, "roomToken: must be 1 to 64 letters, digits, _ or -"],
    [{ roomToken }, "ncSessionId: expected string, received nothing"],
    [{ roomToken, ncSessionId: "" }, "ncSessionId: must not be empty"],
    [{ roomToken, ncSessionId: long }, "ncSessionId: longer than 512 characters"],
    [{ roomToken, ncSessionId: "5ecret\u0000" }, "ncSessionId: holds control characters"],
    [{ ...LISTENER, enable: "5ecret" }, "enable: expected boolean, received string"],
    [{ ...LISTENER, langId: 5 }, "langId: expected string, received number"],
    [{ ...LISTENER, languageId: ["5ecret"] }, "languageId: expected string, received array"],
    [
      { ...LISTENER, translationTargetLangId: 5 },
      "translationTargetLangId: expected string, received number",
    ],
    [{ ...LISTENER, turnServers: "5ecret" }, "turnServers: expected array, received string"],
    [{ ...LISTENER, turnServers: [{}] }, "turnServers.0.urls: expected string or array of strings"],
    [
      { ...LISTENER, turnServers: [{ urls: "turn:a" }, { urls: ["turn:b"], credential: 5 }] },
      "turnServers.1.credential: expected string, received number",
    ],
    [{ ...LISTENER, turnServers: Array(33).fill({ urls: "turn:a" }) }, "turnServers: more than 32 servers"],
    [{ ...LISTENER, langId: "5ecret" }, "langId: not supported; supported languages: en, he"],
    [[LISTENER], "body: expected object, received array"],
    ["5", "body: expected object, received number"],
    ["null", "body: expected object, received null"],
    ["{", "body: not valid JSON"],
    ["", "body: not valid JSON"],
    ['{"roomToken": 5ecret}', "body: not valid JSON"],
    ["[".repeat(60_000), "body: not valid JSON"],
    ["[".repeat(30_000) + "]".repeat(30_000), "body: expected object, received array"],
    [new Uint8Array([0x22, 0xff, 0xfe, 0x22]), "body: incomplete or not UTF-8"],
  ];
  for (const [body, error] of cases) {
    const { status, json } = await api.request("POST", TRANSCRIBE, body);
    assert.deepEqual([status, json], [400, { error }]);
  }
  assert.deepEqual(api.rooms.asked, []);
  assert.ok(!api.lines.join("").includes("5ecret"));
});

Deno.test("The other routes validate their fields too", async () => {
  await using api = await startApi();
  const cases: [method: string, path: string, body: unknown, error: string][] = [
    ["POST", "/api/v1/call/leave", {}, "roomToken: expected string, received nothing"],
    ["POST", "/api/v1/call/leave", { roomToken: ["a"] }, "roomToken: expected string, received array"],
    ["POST", "/api/v1/call/set-language", { langId: "en" }, "roomToken: expected string, received nothing"],
    [
      "POST",
      "/api/v1/call/set-language",
      { roomToken: "room1", langId: "klingon" },
      "langId: not supported; supported languages: en, he",
    ],
    ["DELETE", `${TRANSCRIBE}/a%20b`, undefined, "roomToken: must be 1 to 64 letters, digits, _ or -"],
    [
      "DELETE",
      `${TRANSCRIBE}/${"a".repeat(65)}`,
      undefined,
      "roomToken: must be 1 to 64 letters, digits, _ or -",
    ],
    ["DELETE", `${TRANSCRIBE}/%E0%A4%A`, undefined, "roomToken: must be 1 to 64 letters, digits, _ or -"],
  ];
  for (const [method, path, body, error] of cases) {
    const { status, json } = await api.request(method, path, body);
    assert.deepEqual([status, json], [400, { error }], path);
  }
  assert.deepEqual(api.rooms.asked, []);
});

Deno.test("The error for a refused language names the field of the request", async () => {
  await using api = await startApi({ translations: new ListedTranslations() });
  const SET_LANGUAGE = "/api/v1/call/set-language";
  const room = { roomToken: "room1" };
  const known = "not supported; supported languages: en, he";
  const cases: [path: string, body: unknown, error: string][] = [
    [TRANSCRIBE, { ...LISTENER, langId: "tlh" }, `langId: ${known}`],
    [TRANSCRIBE, { ...LISTENER, languageId: "tlh" }, `languageId: ${known}`],
    [TRANSCRIBE, { ...LISTENER, langId: "", languageId: "tlh" }, `languageId: ${known}`],
    [TRANSCRIBE, { ...LISTENER, langId: "tlh", languageId: "en" }, `langId: ${known}`],
    [
      TRANSCRIBE,
      { ...LISTENER, langId: "en", translationTargetLangId: "tlh" },
      `translationTargetLangId: ${known}`,
    ],
    [SET_LANGUAGE, { ...room, langId: "tlh" }, `langId: ${known}`],
    [SET_LANGUAGE, { ...room, languageId: "tlh" }, `languageId: ${known}`],
    [SET_TARGET, { ...LISTENER, langId: "tlh" }, `langId: ${known}`],
    [SET_TARGET, { ...LISTENER, languageId: "tlh" }, `languageId: ${known}`],
    [SET_TARGET, { ...LISTENER, langId: null, languageId: "tlh" }, `languageId: ${known}`],
  ];
  for (const [path, body, error] of cases) {
    const { status, json } = await api.request("POST", path, body);
    assert.deepEqual([status, json], [400, { error }], `${path} ${JSON.stringify(body)}`);
  }
  // What the room speaks was not sent, so the target is the field to change.
  api.rooms.failure = new InvalidRequestError("not translated from the language spoken", "languageId");
  const { json } = await api.request("POST", SET_TARGET, { ...LISTENER, languageId: "he" });
  assert.deepEqual(json, { error: "languageId: not translated from the language spoken" });
  const target = await api.request("POST", SET_TARGET, { ...LISTENER, langId: "he" });
  assert.deepEqual(target.json, { error: "langId: not translated from the language spoken" });
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

Deno.test("A missing Content-Type means JSON, another one is refused", async () => {
  await using api = await startApi();
  const bytes = new TextEncoder().encode(JSON.stringify(LISTENER));
  assert.equal((await api.request("POST", TRANSCRIBE, bytes, {})).status, 200);
  for (const type of ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"]) {
    assert.equal((await api.request("POST", TRANSCRIBE, bytes, { "content-type": type })).status, 200, type);
  }
  for (
    const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data; boundary=x",
      "x/json",
    ]
  ) {
    const { status, json } = await api.request("POST", TRANSCRIBE, bytes, { "content-type": type });
    assert.deepEqual([status, json], [415, { error: "body: expected application/json" }], type);
  }
  assert.equal(api.rooms.asked.length, 4);
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
  const refused = { error: "Cannot take a call: shutting down" };
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

Deno.test("The error for an address that cannot be used says what to change", async () => {
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
