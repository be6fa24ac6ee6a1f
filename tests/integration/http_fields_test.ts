/** Invalid fields of a request, and what the errors say about them. */
import assert from "@std/assert";
import { InvalidRequestError } from "../../src/domain/mod.ts";
import { ListedTranslations, LISTENER, SET_TARGET, startApi, TRANSCRIBE } from "./api.ts";

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
    [{ ...LISTENER, words: "5ecret" }, "words: expected array, received string"],
    [{ ...LISTENER, words: ["Moshi", 5] }, "words.1: expected string, received number"],
    [{ ...LISTENER, words: ["Moshi", "--"] }, "words.1: must have a letter or a digit"],
    [{ ...LISTENER, words: [" 5ecret".repeat(12)] }, "words.0: longer than 80 characters"],
    [{ ...LISTENER, words: Array(201).fill("5ecret") }, "words: more than 200 entries"],
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
