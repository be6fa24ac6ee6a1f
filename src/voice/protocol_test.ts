/** The parts of the protocol that keep no state. */
import assert from "@std/assert";
import type { RecogniserStatus } from "../domain/mod.ts";
import { CODES, isVoiceCode } from "./codes.ts";
import { parseControl } from "./control.ts";
import { sourceOf } from "./formats.ts";
import { SessionRates, USERS_MAX } from "./rates.ts";
import { RecogniserGate } from "./recogniser_gate.ts";
import { CLIENT_MESSAGES } from "./schemas.ts";
import { protocolOf, tokenOf } from "./token.ts";

const url = (query = "") => new URL(`ws://127.0.0.1/api/v1/voice/transcribe${query}`);

Deno.test("The header is taken before the subprotocol, and that before the query", () => {
  const authorization = { authorization: "bearer a.b.c" };
  const protocol = { "sec-websocket-protocol": "tiro.v1, tiro.token.d.e.f" };
  const query = url("?token=g.h.i");
  assert.equal(tokenOf({ url: query, headers: new Headers({ ...authorization, ...protocol }) }), "a.b.c");
  assert.equal(tokenOf({ url: query, headers: new Headers(protocol) }), "d.e.f");
  assert.equal(tokenOf({ url: query, headers: new Headers() }), "g.h.i");
  assert.equal(tokenOf({ url: url("?token="), headers: new Headers() }), undefined);
  assert.equal(tokenOf({ url: url(), headers: new Headers({ authorization: "Basic abc" }) }), undefined);
});

Deno.test("The token is never accepted as the protocol", () => {
  assert.equal(protocolOf(new Set(["tiro.token.a.b.c"])), undefined);
  assert.equal(protocolOf(new Set(["tiro.token.a.b.c", "tiro.v1"])), "tiro.v1");
});

Deno.test("Formats are understood in the spellings clients have for them", () => {
  const kind = (format: string) => {
    const source = sourceOf({ format });
    return source.kind === "pcm" ? source.format.encoding : source.container;
  };
  for (const each of ["webm", "WEBM", "webm/opus", "audio/webm", 'audio/webm; codecs="opus"', "video/webm"]) {
    assert.equal(kind(each), "webm", each);
  }
  for (const each of ["ogg", "ogg/opus", "audio/ogg;codecs=opus"]) assert.equal(kind(each), "ogg", each);
  for (const each of ["s16le", "pcm_s16le", "PCM16", "linear16"]) assert.equal(kind(each), "s16le", each);
  for (const each of ["f32le", "float32"]) assert.equal(kind(each), "f32le", each);
  for (const each of ["", "mp4", "audio/mp4", "ogg;codecs=vorbis", "constructor", "__proto__"]) {
    assert.throws(() => kind(each), { code: "format_unsupported" }, each);
  }
});

Deno.test("The rates of sound cards are taken", () => {
  const rates = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000];
  for (const sampleRate of rates) assert.equal(sourceOf({ sampleRate }).kind, "pcm", String(sampleRate));
  for (const sampleRate of [0, -8_000, 7_950, 96_050, 16_000.5, 12_345, NaN, Infinity]) {
    assert.throws(() => sourceOf({ sampleRate }), { code: "format_unsupported" }, String(sampleRate));
  }
});

Deno.test("null is nothing, and unknown fields are ignored", () => {
  const text = JSON.stringify({
    ...{ type: "start", language: null, format: null, sampleRate: null, channels: null, transcript: null },
    more: {},
  });
  assert.deepEqual(parseControl(text), {
    type: "start",
    source: { kind: "pcm", format: { encoding: "s16le", sampleRateHz: 16_000, channels: 1 } },
    wantsTranscript: false,
  });
  assert.deepEqual(Object.keys(CLIENT_MESSAGES), ["start", "language", "stop"]);
});

Deno.test("A refused message is not repeated in the answer", () => {
  for (const text of ['{"type":"secret"}', "secret", '{"type":"start","language":{"secret":1}}']) {
    assert.throws(() => parseControl(text), (error: Error) => !error.message.includes("secret"));
  }
});

Deno.test("Users who opened sessions are remembered for a minute, and never too many", () => {
  const rates = new SessionRates(2);
  assert.deepEqual([0, 1, 2].map((atMs) => rates.take("ada", atMs)), [true, true, false]);
  assert.ok(rates.take("ada", 60_000), "a refused one does not count");
  for (let user = 0; user < USERS_MAX + 10; user++) rates.take(`user ${user}`, 60_000);
  assert.equal(rates.size, USERS_MAX);
  assert.ok(rates.take("ben", 200_000));
  assert.equal(rates.size, 1);
});

Deno.test("Whoever has not opened a session for a minute is forgotten, in any order of users", () => {
  const rates = new SessionRates(2);
  for (const [user, atMs] of [["a", 0], ["b", 1_000], ["a", 50_000]] as const) rates.take(user, atMs);
  rates.take("c", 62_000);
  assert.equal(rates.size, 2, "b's session is a minute old, a's second one is not");
});

Deno.test("While all recognisers fail, one session in ten seconds finds out whether they still do", () => {
  const status: RecogniserStatus = { name: "a", state: "failing", speakers: 0 };
  const gate = new RecogniserGate(() => [status]);
  const unavailable = { code: "recogniser_unavailable" };
  assert.throws(() => gate.check(0, false), unavailable, "no audio yet");
  gate.check(0, true);
  assert.throws(() => gate.check(9_999, true), unavailable);
  gate.check(10_000, true);
  status.speakers = 1;
  gate.check(10_001, false); // it fails in one media worker, and serves in another
});

Deno.test("Every code has an error message that says what to do, and a cause for the page", () => {
  for (const [code, { close, message, when }] of Object.entries(CODES)) {
    assert.ok(close >= 4_000 && close < 5_000, code);
    assert.match(message, /^Cannot .+[:;] /, code);
    assert.ok(when.length > 10 && new TextEncoder().encode(code).length <= 123, code);
  }
  assert.ok(!isVoiceCode("constructor") && isVoiceCode("idle"));
});
