import assert from "@std/assert";
import { UnavailableError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { DoorWorld } from "./testing_test.ts";

const SECOND = 32_000;

Deno.test("Audio without start is 16 kHz s16le, and its captions come in order; stop ends with done and 1000", async () => {
  await using world = new DoorWorld();
  const socket = await world.connect();
  assert.equal(socket.isPaused, false, "it is read once the token is verified");
  socket.audio(640);
  await settle();
  const { pipeline } = world.host;
  assert.deepEqual(pipeline.options.source, {
    kind: "pcm",
    format: { encoding: "s16le", sampleRateHz: 16_000, channels: 1 },
  });
  assert.deepEqual(pipeline.pieces, [{ bytes: 640, timestampMs: 0 }]);
  pipeline.notice("the recogniser is starting");
  pipeline.partial("red");
  pipeline.final("red river");
  pipeline.lastWords = ["north"];
  socket.control({ type: "stop" });
  await settle();
  assert.deepEqual(socket.types, ["ready", "partial", "final", "final", "done"]);
  assert.match(socket.sent[0].session ?? "", /^[\w-]{22}$/);
  assert.deepEqual(socket.sent[2], {
    ...{ type: "final", text: "red river", language: "en", startMs: 100, endMs: 900, utterance: 0 },
  });
  assert.equal(socket.sent[3].utterance, 1);
  assert.deepEqual(socket.last, { type: "done", audioMs: 20 });
  assert.deepEqual(socket.closedWith, { code: 1000, reason: "done" });
  assert.equal(world.closed("done"), 1);
  assert.ok(pipeline.isDisposed);
  assert.equal(world.sessions.status().sessions, 0);
});

Deno.test("start names the format, the language in any spelling, and a transcript", async () => {
  const abouts: unknown[] = [];
  await using world = new DoorWorld({
    transcriptOf: (about) => (abouts.push(about), { id: "T1" }),
  });
  const socket = await world.start({
    language: "de_AT",
    format: "f32le",
    sampleRate: 48_000,
    channels: 2,
    transcript: true,
    unknown: 1,
  });
  assert.equal(socket.sent[0].language, "de");
  assert.deepEqual(socket.sent[0].transcript, { id: "T1" });
  assert.deepEqual(world.host.pipeline.options, {
    speaker: { id: "microphone" },
    languageId: "de",
    words: undefined,
    source: { kind: "pcm", format: { encoding: "f32le", sampleRateHz: 48_000, channels: 2 } },
  });
  assert.deepEqual(abouts, [{
    ...{
      door: "voice",
      name: socket.sent[0].session,
      userId: "ada",
      tenantId: "school",
      wantsTranscript: true,
    },
  }]);
});

Deno.test("MediaRecorder's spelling of a container is understood", async () => {
  await using world = new DoorWorld();
  await world.start({ format: "audio/webm;codecs=opus" });
  assert.deepEqual(world.host.pipeline.options.source, { kind: "container", container: "webm" });
});

Deno.test("What arrived before the token was verified is taken afterwards, in order", async () => {
  await using world = new DoorWorld();
  world.verifier.holds = Promise.withResolvers();
  const socket = await world.connect();
  socket.control({ type: "start", format: "f32le" });
  socket.audio(64);
  assert.equal(world.host.pipelines.length, 0);
  world.verifier.holds.resolve();
  await settle();
  assert.deepEqual(world.host.pipeline.pieces.map(({ bytes }) => bytes), [64]);
});

Deno.test("Users who are refused are reported, and nobody who sent something wrong or is unknown", async () => {
  const refused: string[] = [];
  await using world = new DoorWorld({
    sessionsAMinute: 1,
    onRefused: ({ door, name, userId, tenantId }, durationMs) => {
      assert.match(name, /^[\w-]{22}$/);
      refused.push(`${door} ${userId} ${tenantId} ${durationMs}`);
    },
  });
  (await world.start()).control({ type: "stop" });
  (await world.connect()).assertClosed(4429, "rate_limited");
  assert.deepEqual(refused, ["voice ada school 0"]);
  const wrong = await world.connect("ben");
  wrong.control({ type: "nonsense" });
  wrong.assertClosed(4400, "bad_message");
  (await world.connect("token_expired")).assertClosed(4001, "token_expired");
  assert.equal(refused.length, 1);
});

Deno.test("No audio for the time of a session ends it after its last words; silence is audio", async () => {
  await using world = new DoorWorld();
  const unused = await world.connect();
  const socket = await world.start();
  for (let second = 0; second < 40; second++) {
    socket.audio(SECOND);
    await world.clock.advance(1_000);
  }
  unused.assertClosed(4408, "idle");
  assert.equal(socket.closedWith, undefined);
  world.host.pipeline.lastWords = ["music"];
  socket.control({ type: "language", language: "de" });
  await world.clock.advance(28_999);
  assert.equal(socket.closedWith, undefined);
  await world.clock.advance(1);
  assert.deepEqual(socket.types, ["ready", "language", "final", "error"]);
  socket.assertClosed(4408, "idle");
});

Deno.test("A recogniser in trouble is reported; trouble that lasts ends the session, a cold start does not", async () => {
  await using world = new DoorWorld();
  const socket = await world.start({}, "ada");
  socket.audio(SECOND);
  await settle();
  const { events } = world.host.pipeline;
  events.trouble("recogniser_starting");
  for (let second = 0; second < 60; second++) {
    socket.audio(SECOND);
    await world.clock.advance(1_000);
  }
  events.trouble(undefined);
  world.host.pipeline.final("red");
  world.host.recognisers[0].state = "failing";
  events.trouble("recogniser_failed");
  await world.clock.advance(20_000);
  socket.audio(SECOND);
  events.trouble("recogniser_unreachable");
  await world.clock.advance(9_999);
  assert.equal(socket.closedWith, undefined);
  assert.deepEqual(socket.ofType("status").map(({ code }) => code), [
    ...["recogniser_starting", "captioning", "recogniser_failed", "recogniser_unreachable"],
  ]);
  await world.clock.advance(1);
  socket.assertClosed(4503, "recogniser_unavailable");
});

Deno.test("A recogniser that has captioned nothing yet has less time", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  world.host.recognisers[0].state = "full";
  world.host.pipeline.events.trouble("recogniser_full");
  await world.clock.advance(10_000);
  socket.assertClosed(4503, "recogniser_full");
});

Deno.test("A pipeline that fails is replaced; captions count on, and no audio is lost", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  const [before] = world.host.pipelines;
  socket.audio(SECOND);
  await settle();
  before.final("red");
  before.partial("riv");
  before.fault = new UnavailableError("lost", "busy");
  before.events.failed(new Error("the worker was lost"));
  await settle();
  assert.equal(world.host.pipelines.length, 2);
  socket.audio(SECOND);
  await world.clock.advance(1_000);
  world.host.pipeline.final("river");
  const finals = socket.ofType("final");
  assert.deepEqual(finals.map(({ text, utterance }) => [text, utterance]), [["red", 0], ["river", 2]]);
  assert.deepEqual(finals.map(({ startMs }) => startMs), [100, 1_100], "on the session's clock");
  assert.deepEqual(world.host.pipeline.pieces.map(({ bytes }) => bytes), [SECOND]);
});

Deno.test("A pipeline that fails again and again ends the session", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  for (let failure = 0; failure < 4; failure++) {
    world.host.pipeline.events.failed(new Error("fails"));
    await settle();
  }
  socket.assertClosed(4503, "failed");
  const seldom = await world.start();
  for (let failure = 0; failure < 10; failure++) {
    world.host.pipeline.events.failed(new Error("fails"));
    seldom.audio(SECOND);
    await world.clock.advance(20_001);
  }
  assert.equal(seldom.closedWith, undefined, "three times a minute");
  seldom.control({ type: "stop" });
  await settle();
  const container = await world.start({ format: "ogg" });
  world.host.pipeline.events.failed(new Error("fails"));
  await settle();
  container.assertClosed(4503, "failed");
});

Deno.test("Until a media worker is replaced audio waits", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  world.host.refusal = new UnavailableError("Cannot caption", "busy");
  world.host.pipeline.events.failed(new Error("the worker was lost"));
  await settle();
  socket.audio(SECOND);
  await world.clock.advance(2_000);
  assert.equal(socket.last?.code, "no_media_worker");
  world.host.refusal = undefined;
  await world.clock.advance(1_500);
  assert.equal(socket.last?.code, "captioning");
  assert.equal(world.host.pipeline.bytes, SECOND);
});

Deno.test("A client that vanishes leaves its last words to the transcript", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  const { pipeline } = world.host;
  socket.audio(640);
  pipeline.lastWords = ["evening"];
  socket.events.closed(1006);
  await settle();
  assert.equal(pipeline.bytes, 640, "what arrived was captioned");
  assert.deepEqual(pipeline.lastWords, [], "and drained");
  assert.ok(pipeline.isDisposed);
  assert.deepEqual(socket.types, ["ready"], "nothing is sent to a socket that is closed");
  assert.equal(world.closed("client_left"), 1);
  assert.equal(world.sessions.status().sessions, 0);
});

Deno.test("A service that shuts down delivers last words, then says so", async () => {
  await using world = new DoorWorld();
  const waiting = await world.connect();
  const socket = await world.start();
  world.verifier.holds = Promise.withResolvers();
  const verified = await world.connect();
  world.host.pipeline.lastWords = ["evening"];
  world.door.drain?.();
  verified.assertClosed(4503, "draining");
  await world.sessions.drain(new AbortController().signal);
  assert.deepEqual(socket.types, ["ready", "final", "error"]);
  socket.assertClosed(4503, "draining");
  waiting.assertClosed(4503, "draining");
  world.verifier.holds.resolve();
  await settle();
});

Deno.test("When the app is disabled sessions end with their last words, whether they have begun or not", async () => {
  await using world = new DoorWorld();
  const waiting = await world.connect();
  const socket = await world.start();
  socket.audio(640);
  const { pipeline } = world.host;
  pipeline.lastWords = ["evening"];
  world.door.disable?.();
  await settle();
  waiting.assertClosed(4503, "disabled");
  assert.deepEqual(socket.types, ["ready", "final", "error"]);
  socket.assertClosed(4503, "disabled");
  assert.ok(pipeline.isDisposed);
  assert.equal(world.sessions.status().sessions, 0);
});

Deno.test("A client that does not read gets no partials, and is closed before finals fill memory", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  const { pipeline } = world.host;
  socket.bufferedBytes = 20 * 1024;
  pipeline.partial("red");
  pipeline.final("red river");
  assert.deepEqual(socket.types, ["ready", "final"]);
  socket.bufferedBytes = 50 * 1024;
  pipeline.final("north");
  await settle();
  socket.assertClosed(4409, "not_reading");
});

Deno.test("Users and tenants are in the log by their ids, and names and addresses by a digest", async () => {
  await using world = new DoorWorld();
  const socket = await world.start({}, "ada@example.org");
  socket.control({ type: "stop" });
  await settle();
  (await world.connect("token_expired")).assertClosed(4001, "token_expired");
  const lines = world.log.lines.filter(({ message }) => message.startsWith("voice session"));
  assert.deepEqual(
    lines.map(({ message, fields: { user, tenant, outcome } }) => [message, user, tenant, outcome]),
    [
      ["voice session connected", "sha256:cfe00dde46ef9426", "school", undefined],
      ["voice session ended", "sha256:cfe00dde46ef9426", "school", "done"],
      ["voice session refused", undefined, undefined, "token_expired"],
    ],
  );
  assert.ok(!JSON.stringify(world.log.lines).includes("example.org"));
});

Deno.test("Trouble that nobody's speech has shown to be over does not end a session while a recogniser works", async () => {
  await using world = new DoorWorld();
  const socket = await world.start();
  world.host.pipeline.events.trouble("recogniser_failed");
  for (let second = 0; second < 60; second++) {
    socket.audio(SECOND);
    await world.clock.advance(1_000);
  }
  assert.equal(socket.closedWith, undefined);
  world.host.recognisers[0].state = "failing";
  await world.clock.advance(10_000);
  socket.assertClosed(4503, "recogniser_unavailable");
});

Deno.test("done is not sent where last words are missing", async () => {
  await using world = new DoorWorld();
  for (const format of ["s16le", "ogg"]) {
    const socket = await world.start({ format });
    world.host.pipeline.neverDrains = true;
    socket.control({ type: "stop" });
    await settle();
    world.host.pipeline.events.failed(new Error("the worker was lost"));
    await settle();
    socket.assertClosed(4503, "failed");
  }
  assert.equal(world.host.pipelines.length, 2, "none is opened for a session that ends");
  const socket = await world.start();
  socket.audio(640);
  await settle();
  world.host.pipeline.neverDrains = true;
  socket.control({ type: "stop" });
  await world.clock.advance(10_000);
  socket.assertClosed(4503, "recogniser_unavailable");
  const other = await world.start();
  for (let second = 0; second < 8; second++) other.audio(SECOND);
  other.control({ type: "stop" });
  await settle();
  await world.sessions.drain(new AbortController().signal);
  other.assertClosed(4503, "draining");
});
