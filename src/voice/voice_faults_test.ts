/** Why sessions are not opened, or end: each with its code. */
import { OpenAPIHono } from "@hono/zod-openapi";
import assert from "@std/assert";
import { InvalidRequestError, UnavailableError } from "../domain/mod.ts";
import { SpokenLanguages } from "../sessions/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { DoorWorld } from "./testing_test.ts";

for (
  const code of [
    "token_missing",
    "token_malformed",
    "token_expired",
    "token_not_yet_valid",
    "token_wrong_audience",
    "token_wrong_issuer",
    "token_bad_signature",
    "token_algorithm",
    "token_no_user",
  ]
) {
  Deno.test(`A client gets ${code}, and is closed with 4001`, async () => {
    await using world = new DoorWorld();
    const socket = await world.connect(code === "token_missing" ? "" : code);
    socket.assertClosed(4001, code);
    assert.deepEqual(socket.types, ["error"]);
    assert.equal(world.closed(code), 1);
    assert.equal(world.host.pipelines.length, 0);
  });
}

async function healthOf(world: DoorWorld): Promise<{ status: number; reason?: string }> {
  const app = new OpenAPIHono();
  world.door.addTo(app);
  const response = await app.request("/api/v1/voice/health");
  return { status: response.status, reason: (await response.json()).reason };
}

Deno.test("While the issuer's keys cannot be fetched, or not in time, a client gets keys_unavailable", async () => {
  await using world = new DoorWorld();
  (await world.connect("keys_unavailable")).assertClosed(4503, "keys_unavailable");
  world.verifier.trouble = "keys_unavailable";
  assert.deepEqual(world.door.reasons?.(), ["keys_unavailable"]);
  world.verifier.trouble = undefined;
  assert.deepEqual(world.door.reasons?.(), []);
  assert.deepEqual(await healthOf(world), { status: 200, reason: undefined });
  world.verifier.refusal = "keys_unavailable";
  assert.deepEqual(await healthOf(world), { status: 503, reason: "keys_unavailable" });
  world.verifier.holds = Promise.withResolvers();
  const socket = await world.connect();
  assert.equal(socket.isPaused, true, "its audio stays in the network");
  await world.clock.advance(4_999);
  assert.equal(socket.closedWith, undefined);
  await world.clock.advance(1);
  socket.assertClosed(4503, "keys_unavailable");
});

Deno.test("A user opens so many sessions a minute, and others do not count", async () => {
  await using world = new DoorWorld({ sessionsAMinute: 2 });
  const first = [await world.connect(), await world.connect()];
  assert.ok(first.every(({ closedWith }) => closedWith === undefined));
  (await world.connect()).assertClosed(4429, "rate_limited");
  assert.equal((await world.connect("ben")).closedWith, undefined);
  assert.equal(
    (await world.connect("ada/office")).closedWith,
    undefined,
    "another tenant's user of that name",
  );
  await world.clock.advance(60_000);
  assert.equal((await world.connect()).closedWith, undefined);
});

Deno.test("At most so many sessions are captioned at once", async () => {
  await using world = new DoorWorld({ sessionsMax: 1 });
  const first = await world.start();
  assert.deepEqual(world.door.reasons?.(), ["voice_full"]);
  const second = await world.connect();
  second.control({ type: "start" });
  await settle();
  second.assertClosed(4503, "full");
  first.control({ type: "stop" });
  await settle();
  assert.deepEqual(world.door.reasons?.(), []);
  await world.start();
});

Deno.test("A client whose speaker is refused gets the reason", async () => {
  await using world = new DoorWorld();
  for (const code of ["memory", "descriptors", "speakers_max"] as const) {
    world.host.refusal = new UnavailableError("Cannot caption a speaker", code);
    const socket = await world.connect();
    socket.control({ type: "start" });
    await settle();
    socket.assertClosed(4503, code);
  }
  world.host.refusal = new UnavailableError("Cannot caption a speaker", "busy");
  const socket = await world.connect();
  socket.audio(10);
  await settle();
  socket.assertClosed(4503, "no_media_worker");
  assert.equal(world.sessions.status().sessions, 0);
});

Deno.test("While the service takes no work, clients are refused before audio is taken", async () => {
  await using world = new DoorWorld();
  for (const code of ["draining", "disabled"] as const) {
    world.workRefusal = new UnavailableError("Cannot accept the request", code);
    (await world.connect()).assertClosed(4503, code);
  }
});

Deno.test("While all recognisers fail or are full, clients are refused before audio is taken", async () => {
  await using world = new DoorWorld();
  world.host.recognisers = [
    { name: "a", state: "failing", speakers: 0 },
    { name: "b", state: "failing", speakers: 0 },
  ];
  (await world.connect()).assertClosed(4503, "recogniser_unavailable");
  world.host.recognisers[1].state = "full";
  (await world.connect()).assertClosed(4503, "recogniser_full");
  world.host.recognisers[1].state = "starting";
  assert.equal((await world.connect()).closedWith, undefined);
});

Deno.test("Of the sessions that start while all recognisers fail one finds out whether they still do", async () => {
  await using world = new DoorWorld();
  const [first, second] = [await world.connect(), await world.connect("ben")];
  world.host.recognisers[0].state = "failing";
  for (const socket of [first, second]) socket.control({ type: "start" });
  await settle();
  assert.deepEqual(first.types, ["ready"]);
  second.assertClosed(4503, "recogniser_unavailable");
});

Deno.test("A session that gets no media worker ends, though recognisers work; the client gets one error", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  const { events } = world.host.pipeline;
  events.trouble("no_media_worker");
  events.trouble("no_media_worker");
  await world.clock.advance(10_000);
  assert.equal(socket.ofType("status").length, 1);
  socket.assertClosed(4503, "no_media_worker");
});

Deno.test("A language that is not recognised closes at start, and is only reported later", async () => {
  await using world = new DoorWorld();
  const refused = await world.connect();
  refused.control({ type: "start", language: "tlh" });
  refused.assertClosed(4400, "language_unsupported");
  const known = /^language: .*; known are en, de: choose one of them$/;
  assert.match(String(refused.last?.message), known);
  const socket = await world.start();
  socket.control({ type: "language", language: "tlh" });
  assert.equal(socket.last?.code, "language_unsupported");
  assert.match(String(socket.last?.message), known, "a user of the door may not ask the API");
  assert.equal(socket.closedWith, undefined);
  socket.control({ type: "language", language: "DE" });
  assert.deepEqual(socket.last, { type: "language", language: "de" });
  assert.deepEqual(world.host.pipeline.languages, ["de"]);
});

const BAD: [what: string, messages: unknown[], code: string, names: string][] = [
  ["no JSON", ["{"], "bad_message", "JSON"],
  ["no object", ["[]"], "bad_message", "object"],
  ["no type", [{}], "bad_message", "type"],
  ["an unknown type", [{ type: "begin" }], "bad_message", "type"],
  ["a wrong field", [{ type: "start", language: 7 }], "bad_message", "language"],
  [
    "a language change without a language",
    [{ type: "start" }, { type: "language" }],
    "bad_message",
    "language",
  ],
  ["a language change before start", [{ type: "language", language: "en" }], "bad_message", "start"],
  ["a message that is too long", ["x".repeat(9_000)], "bad_message", "larger"],
  ["a format", [{ type: "start", format: "mp3" }], "format_unsupported", "format"],
  ["a codec", [{ type: "start", format: "audio/webm;codecs=pcm" }], "format_unsupported", "format"],
  ["a rate", [{ type: "start", sampleRate: 7_999 }], "format_unsupported", "sampleRate"],
  ["an odd rate", [{ type: "start", sampleRate: 16_001 }], "format_unsupported", "sampleRate"],
  ["channels", [{ type: "start", channels: 3 }], "format_unsupported", "channels"],
  ["a second start", [{ type: "start" }, { type: "start" }], "already_started", "start"],
];

for (const [what, messages, code, names] of BAD) {
  Deno.test(`A message is refused for ${what}, and the answer names the field`, async () => {
    await using world = new DoorWorld();
    const socket = await world.connect();
    for (const message of messages) {
      socket.events.message(typeof message === "string" ? message : JSON.stringify(message));
    }
    await settle();
    socket.assertClosed(4400, code);
    assert.ok(socket.last?.message?.includes(names), socket.last?.message);
  });
}

Deno.test("More text frames than a person makes are refused", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  for (let sent = 0; sent < 30; sent++) socket.control({ type: "language", language: "de" });
  await settle();
  socket.assertClosed(4400, "bad_message");
});

Deno.test("Audio that cannot be taken, and messages that come although the socket is paused, are too fast", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  world.host.pipeline.holds = Promise.withResolvers();
  while (!socket.isPaused) socket.audio(32_000);
  await world.clock.advance(59_999);
  assert.equal(socket.closedWith, undefined);
  await world.clock.advance(1 + 60_000); // what waits has a minute more
  socket.assertClosed(4409, "too_fast");

  world.verifier.holds = Promise.withResolvers();
  const early = await world.connect();
  for (let sent = 0; sent < 64; sent++) early.audio(2);
  assert.equal(early.closedWith, undefined);
  early.audio(2);
  early.assertClosed(4409, "too_fast");
  world.verifier.holds.resolve();
  await settle();
});

Deno.test("A container that is none ends the session", async () => {
  await using world = new DoorWorld();
  const socket = await world.start({ format: "webm" });
  world.host.pipeline.fault = new InvalidRequestError("no WebM", "bytes");
  socket.audio(100);
  await settle();
  socket.assertClosed(4400, "bad_audio");
});

Deno.test("Until the recogniser has listed its languages a client may come back", async () => {
  const { log, meter } = new DoorWorld();
  const languages = new SpokenLanguages({ stt: { languages: [] }, log, meter });
  await using world = new DoorWorld({ languages });
  const socket = await world.connect();
  socket.control({ type: "start", language: "en" });
  await settle();
  socket.assertClosed(4503, "languages_unknown");
});
