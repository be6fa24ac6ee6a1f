/** The voice door of the whole service: what docs/VOICE.md has a row for. */
import assert from "@std/assert";
import { base64url, UnsecuredJWT } from "jose";
import { WebSocket } from "ws";
import { CODES } from "../../src/voice/mod.ts";
import { delay } from "../../src/flow/mod.ts";
import { ogg, timed, webm } from "../fakes/containers.ts";
import { encodeOpus, padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { s16le, type VoiceClient } from "../fakes/voice_client.ts";
import { startVoice, type VoiceWorld } from "./voice_world.ts";
import { eventually, PHRASE } from "./world.ts";

const speech = (words: readonly string[]) => padded(toneSpeech(words), 300, 300);

async function assertClosed(
  client: VoiceClient,
  code: keyof typeof CODES,
  deadlineMs?: number,
): Promise<void> {
  await client.closed(deadlineMs);
  assert.deepEqual(client.closedWith, { code: CODES[code].close, reason: code });
  assert.deepEqual([client.last?.type, client.last?.code], ["error", code]);
}

for (const tokenIn of ["protocol", "header", "query"] as const) {
  Deno.test(`Speech becomes captions; the token is sent in the ${tokenIn} and is in no log`, async () => {
    await using world = await startVoice({ LOG_LEVEL: "debug" });
    const token = await world.issuer.token({ user_id: "u-7", opco_id: "school" });
    await using client = await world.connect({ token, tokenIn });
    assert.equal(client.protocol, tokenIn === "protocol" ? "tiro.v1" : "");
    client.control({ type: "start", language: "en-GB" });
    await client.ready();
    assert.equal(client.last?.language, "en");
    await client.say(speech(PHRASE));
    client.control({ type: "stop" });
    await client.closed();
    assert.deepEqual(client.words, PHRASE);
    assert.ok(client.messages.some(({ type }) => type === "partial"));
    const ends = client.messages.flatMap(({ type, endMs }) => type === "final" ? [endMs ?? 0] : []);
    assert.ok(ends.every((end, at) => end > (ends[at - 1] ?? 0)), "in order");
    assert.equal(client.last?.type, "done");
    assert.deepEqual(client.closedWith, { code: 1000, reason: "done" });
    const ended = world.log.lines.find(({ message }) => message === "voice session ended");
    const { user, tenant, outcome, audioMs } = ended?.fields ?? {};
    assert.deepEqual([user, tenant, outcome], ["u-7", "school", "done"]);
    assert.ok(Number(audioMs) > 2_000);
    const logged = JSON.stringify(world.log.lines);
    for (const part of token.split(".")) assert.ok(!logged.includes(part), "a part of the token is logged");
    for (const word of PHRASE) assert.doesNotMatch(logged, new RegExp(`\\b${word}\\b`));
  });
}

const REFUSED: [
  code: keyof typeof CODES,
  token: (world: VoiceWorld) => Promise<string | undefined> | string,
][] = [
  ["token_missing", () => Promise.resolve(undefined)],
  ["token_malformed", () => "abc.def"],
  ["token_expired", ({ issuer }) => issuer.token({ exp: 1_000_000 })],
  ["token_not_yet_valid", ({ issuer }) => issuer.token({ nbf: 4e9, exp: 5e9 })],
  ["token_wrong_audience", ({ issuer }) => issuer.token({ aud: "other", azp: "other" })],
  ["token_wrong_issuer", ({ issuer }) => issuer.token({ iss: "https://other.example.org" })],
  ["token_no_user", ({ issuer }) => issuer.token({ sub: undefined })],
  ["token_algorithm", ({ issuer }) => new UnsecuredJWT({ iss: issuer.url, sub: "alice", exp: 4e9 }).encode()],
  ["token_bad_signature", async ({ issuer }) => {
    const [head, claims, signature] = (await issuer.token()).split(".");
    const bytes = base64url.decode(signature);
    bytes[8] ^= 1;
    return `${head}.${claims}.${base64url.encode(bytes)}`;
  }],
];

Deno.test("A client without a right token gets an error with what is wrong, and is closed with 4001", async () => {
  await using world = await startVoice();
  for (const [code, token] of REFUSED) {
    await using client = await world.connect({ token: await token(world) });
    await assertClosed(client, code);
    assert.equal(await world.metric(`tiro_voice_closed_total{code="${code}"}`), 1, code);
  }
  assert.equal(world.stt.handshakes, 0, "no recogniser was asked");
});

Deno.test("A rotated key is known without a restart; while the keys are away a client may come back", async () => {
  await using world = await startVoice({ VOICE_RATE_LIMIT: "100" });
  await using first = await world.connect();
  first.control({ type: "start" });
  await first.ready();
  const old = world.issuer.keys[0];
  await world.issuer.rotate();
  await using second = await world.connect();
  second.control({ type: "start" });
  await second.ready();
  await using third = await world.connect({ token: await world.issuer.token({}, { key: old }) });
  await assertClosed(third, "token_bad_signature");

  await using away = await startVoice();
  await away.issuer.stop();
  // Its other key may have been fetched before.
  await away.issuer.addKey();
  await using fourth = await away.connect();
  await assertClosed(fourth, "keys_unavailable");
});

Deno.test("A bad first frame is refused with what is wrong with it", async () => {
  await using world = await startVoice({ VOICE_RATE_LIMIT: "100" });
  const bad: [string | object, keyof typeof CODES][] = [
    ["hello", "bad_message"],
    [{ type: "begin" }, "bad_message"],
    [{ type: "start", format: "mp3" }, "format_unsupported"],
    [{ type: "start", language: "tlh" }, "language_unsupported"],
  ];
  for (const [message, code] of bad) {
    await using client = await world.connect();
    client.control(message);
    await assertClosed(client, code);
  }
  await using late = await world.connect();
  late.audio(new Uint8Array(640));
  late.control({ type: "start" });
  await assertClosed(late, "already_started");
  await using large = await world.connect();
  large.audio(new Uint8Array(300_000));
  await large.closed();
  assert.equal(large.closedWith?.code, 1009);
});

Deno.test("Audio that is sent at once is captioned as it would be spoken, and nothing is lost", async () => {
  await using world = await startVoice();
  await using client = await world.connect();
  const words = [...PHRASE, ...PHRASE, ...PHRASE];
  const recording = s16le(speech(words));
  const startMs = performance.now();
  for (let at = 0; at < recording.length; at += 64 * 1024) client.audio(recording.slice(at, at + 64 * 1024));
  client.control({ type: "stop" });
  await client.closed(30_000);
  const tookMs = performance.now() - startMs;
  const spokenMs = recording.length / 32;
  assert.deepEqual(client.words, words);
  assert.equal(client.last?.audioMs, spokenMs);
  assert.ok(tookMs > spokenMs - 3_500, `${spokenMs} ms of audio took ${tookMs} ms`);
  assert.equal(await world.metric('tiro_voice_closed_total{code="done"}'), 1);
  assert.equal(await world.metric('tiro_queue_dropped_total{queue="pcm"}'), 0);
});

Deno.test("Ten minutes that are sent at once wait with the client, not in the service's memory", async () => {
  await using world = await startVoice();
  const url = `${world.base.replace("http", "ws")}/api/v1/voice/transcribe`;
  const client = new WebSocket(url, ["tiro.v1", `tiro.token.${await world.issuer.token()}`]);
  const closed = new Promise((resolve) => client.once("close", resolve));
  const finals: string[] = [];
  client.on("message", (data) => {
    const { type, text } = JSON.parse(String(data));
    if (type === "final") finals.push(text);
  });
  await new Promise((resolve) => client.once("open", resolve));
  const recording = new Uint8Array(600 * 32_000);
  recording.set(s16le(speech(PHRASE)));
  for (let at = 0; at < recording.length; at += 32_000) client.send(recording.subarray(at, at + 32_000));
  await eventually("the first words are captioned", () => finals.join(" ") === PHRASE.join(" "), 20_000);
  // What has left the client is in the kernel's buffers of both ends, 10 MB at most, but for half a megabyte.
  assert.ok(
    client.bufferedAmount > recording.length / 3,
    `${client.bufferedAmount} bytes wait with the client`,
  );
  assert.equal(await world.metric('tiro_queue_dropped_total{queue="pcm"}'), 0);
  client.terminate();
  await closed;
});

async function recorded(container: "webm" | "ogg", words: readonly string[], bitrate = 32_000) {
  const packets = await encodeOpus(speech(words), { bitrate });
  return container === "webm" ? webm(timed(packets, 20)) : ogg(packets, { packetMs: 20 });
}

for (const container of ["webm", "ogg"] as const) {
  Deno.test(`Opus in ${container} is captioned as it is recorded`, async () => {
    await using world = await startVoice();
    await using client = await world.connect();
    const bytes = await recorded(container, PHRASE);
    const steps = Math.ceil(speech(PHRASE).samples.length / 1_600);
    client.control({ type: "start", format: `audio/${container};codecs=opus` });
    const startMs = performance.now();
    for (let step = 0; step < steps; step++) {
      await delay(Math.max(0, startMs + step * 100 - performance.now()), AbortSignal.timeout(10_000));
      const at = (part: number) => Math.round(bytes.length * part / steps);
      client.audio(bytes.slice(at(step), at(step + 1)));
    }
    client.control({ type: "stop" });
    await client.closed();
    assert.deepEqual(client.words, PHRASE);
    assert.equal(client.last?.type, "done");
  });
}

Deno.test("A recording of few bits that is sent at once loses nothing", async () => {
  await using world = await startVoice();
  await using client = await world.connect();
  const words = [...PHRASE, ...PHRASE, ...PHRASE, ...PHRASE];
  client.control({ type: "start", format: "ogg" });
  client.audio(await recorded("ogg", words, 12_000));
  client.control({ type: "stop" });
  await client.closed(30_000);
  assert.deepEqual(client.words, words);
  assert.equal(await world.metric('tiro_queue_dropped_total{queue="container"}'), 0);
});

Deno.test("What is no container is refused", async () => {
  await using world = await startVoice();
  await using client = await world.connect();
  client.control({ type: "start", format: "webm" });
  client.audio(await recorded("ogg", ["red"]));
  await assertClosed(client, "bad_audio");
});

Deno.test("Stereo of 48 kHz in floating point is captioned", async () => {
  await using world = await startVoice();
  await using client = await world.connect();
  const { samples } = padded(toneSpeech(PHRASE, { sampleRateHz: 48_000 }), 300, 300);
  const stereo = Float32Array.from({ length: 2 * samples.length }, (_, at) => samples[at >> 1]);
  const bytes = new Uint8Array(stereo.buffer);
  client.control({ type: "start", format: "f32le", sampleRate: 48_000, channels: 2 });
  // 10,001 bytes are no whole samples.
  for (let at = 0; at < bytes.length; at += 10_001) client.audio(bytes.slice(at, at + 10_001));
  client.control({ type: "stop" });
  await client.closed();
  assert.deepEqual(client.words, PHRASE);
});

Deno.test("Silence is audio, and no audio ends the session after its last words", async () => {
  await using world = await startVoice({ VOICE_SESSION_TIMEOUT: "1" });
  await using unused = await world.connect();
  await using client = await world.connect();
  await client.say({ samples: new Float32Array(32_000), sampleRateHz: 16_000 });
  assert.equal(client.closedWith, undefined);
  await client.say(speech(["red", "north"]));
  await assertClosed(client, "idle");
  assert.deepEqual(client.words, ["red", "north"]);
  await assertClosed(unused, "idle");
});

Deno.test("A user opens so many sessions a minute, and all so many at once", async () => {
  await using world = await startVoice({ VOICE_RATE_LIMIT: "2", VOICE_MAX_SESSIONS: "1" });
  await using first = await world.connect();
  first.control({ type: "start" });
  await first.ready();
  await using second = await world.connect();
  second.control({ type: "start" });
  await assertClosed(second, "full");
  await using third = await world.connect();
  await assertClosed(third, "rate_limited");
  const health = await world.get("/api/v1/voice/health");
  assert.equal(health.status, 503);
  assert.deepEqual(await health.json(), {
    ...{ status: "unavailable", reason: "full", sessions: 1, sessionsMax: 1 },
    recognisers: [{ name: "modal", state: "available", speakers: 0 }],
  });
  const statusFor = async (headers: HeadersInit) => {
    const response = await fetch(`${world.base}/api/v1/voice/health`, { headers });
    await response.body?.cancel();
    return response.status;
  };
  assert.equal(await statusFor({ authorization: `Bearer ${await world.issuer.token()}` }), 503);
  assert.equal(await statusFor({}), 401);
  const healthz = await fetch(`${world.base}/healthz`);
  assert.equal(healthz.headers.get("x-tiro-degraded"), "voice_full");
  await healthz.body?.cancel();
});

Deno.test("While the recogniser is down a session gets a status, and the next are refused before their audio", async () => {
  await using world = await startVoice();
  world.stt.refuseConnections = true;
  await using first = await world.connect();
  const saying = first.say(speech([...PHRASE, ...PHRASE, ...PHRASE, ...PHRASE, ...PHRASE, ...PHRASE]));
  await first.until(({ messages }) => messages.some(({ code }) => code === "recogniser_unreachable"));
  const available = () => world.metric('tiro_recogniser_available{provider="modal"}');
  await eventually("media workers have reported it", async () => await available() === 0);
  await using second = await world.connect();
  await assertClosed(second, "recogniser_unavailable");
  await assertClosed(first, "recogniser_unavailable", 30_000);
  await saying;
});

Deno.test("A recogniser that dies in mid-sentence costs no word", async () => {
  await using world = await startVoice();
  await using client = await world.connect();
  const saying = client.say(speech(PHRASE));
  await client.until(({ messages }) => messages.some(({ text = "" }) => text.split(" ").length >= 2));
  world.stt.dropConnections();
  await saying;
  client.control({ type: "stop" });
  await client.closed();
  assert.deepEqual(client.words, PHRASE);
});

for (const way of ["closes", "vanishes"] as const) {
  Deno.test(`A client that ${way} leaves nothing behind, and its last words are recognised`, async () => {
    await using world = await startVoice();
    const url = `${world.base.replace("http", "ws")}/api/v1/voice/transcribe`;
    const client = new WebSocket(url, ["tiro.v1", `tiro.token.${await world.issuer.token()}`]);
    const closed = new Promise((resolve) => client.once("close", resolve));
    await new Promise((resolve) => client.once("open", resolve));
    client.send(s16le(speech(["red", "north"])));
    await eventually("audio arrives", async () => await world.metric("tiro_speakers_heard") === 1);
    if (way === "closes") client.close();
    else client.terminate();
    const ended = () => world.log.lines.find(({ message }) => message === "voice session ended");
    await eventually("the session has ended", () => ended() !== undefined);
    assert.equal(ended()?.fields.outcome, "client_left");
    assert.equal(ended()?.fields.finals, 1);
    await eventually("nothing is left", async () => await world.metric("tiro_voice_sessions") === 0);
    await eventually("nor a pipeline", async () => await world.metric("tiro_speakers_admitted") === 0);
    await closed;
  });
}

Deno.test("A service that is stopped delivers last words, then tells its clients", async () => {
  await using world = await startVoice();
  await using waiting = await world.connect();
  await using client = await world.connect();
  await client.say(speech(["red", "north"]));
  await world.service.drain();
  await assertClosed(client, "draining");
  assert.deepEqual(client.words, ["red", "north"]);
  await assertClosed(waiting, "draining");
});

Deno.test("Without VOICE_JWT_ISSUER and VOICE_JWT_SECRET the door is closed", async () => {
  const talk = {
    ...{ LT_HPB_URL: "http://127.0.0.1:1", LT_INTERNAL_SECRET: "a secret of 16 characters" },
    NEXTCLOUD_URL: "http://127.0.0.1:1",
  };
  await using world = await startVoice({ ...talk, VOICE_JWT_ISSUER: "" });
  const response = await fetch(`${world.base}/api/v1/voice/transcribe`);
  assert.equal(response.status, 503);
  assert.match(await response.text(), /VOICE_JWT_ISSUER/);
});
