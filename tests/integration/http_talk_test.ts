/** Talk's routes over HTTP: transcribe, leave, languages and translation. */
import assert from "@std/assert";
import { NotFoundError, PreconditionError, TranslationError, UpstreamError } from "../../src/domain/mod.ts";
import type { TranscribeRequest } from "../../src/talk/mod.ts";
import { ListedTranslations, LISTENER, SET_TARGET, startApi, TRANSCRIBE } from "./api.ts";

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

Deno.test("Words to expect are passed on as one line each, and are in no answer and no log line", async () => {
  await using api = await startApi();
  const words = ["Kyutai", "  Grace\n Hopper\u0000 ", "\u202eنكست كلاود", "4711"];
  const { status, json } = await api.request("POST", TRANSCRIBE, { ...LISTENER, words });
  assert.deepEqual([status, json], [200, { message: "Transcription requested" }]);
  await api.request("POST", TRANSCRIBE, { ...LISTENER, words: [] });
  await api.request("POST", TRANSCRIBE, { ...LISTENER, words: null });
  const requests = api.rooms.asked.map(([, request]) => request as TranscribeRequest);
  assert.deepEqual(
    requests.map(({ words }) => words),
    [["Kyutai", "Grace Hopper", "نكست كلاود", "4711"], [], undefined],
  );
  assert.ok(!("words" in requests[2]));
  assert.ok(!/Kyutai|Hopper/.test(api.lines.join("")));
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

Deno.test("The response has the reason why captions start without their translation", async () => {
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
