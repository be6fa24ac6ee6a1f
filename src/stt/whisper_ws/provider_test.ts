import assert from "@std/assert";
import { ConfigError, type SttEvent } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { collect, frames, say, sttErrorOf } from "../../../tests/contract/stt_contract.ts";
import { type FakeWhisperWsOptions, FakeWhisperWsServer } from "../../../tests/fakes/stt_whisper_ws.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { toneSpeech } from "../../../tests/fakes/tones.ts";
import { whisper } from "../whisper/provider.ts";
import { whisperWs } from "./provider.ts";

const NEVER = new AbortController().signal;
const WORDS = ["red", "river", "train", "paper", "seven", "music", "garden"];
const SPEECH = toneSpeech(WORDS, { sampleRateHz: 16_000 });

function start(options: FakeWhisperWsOptions = {}, env: Record<string, string> = {}) {
  const server = FakeWhisperWsServer.start({ noDataMs: 200, ...options });
  const settings = whisperWs.settings({ WHISPER_SERVICE_URL: server.url, ...env });
  return { server, stt: whisperWs.create(settings, { meter: new FakeMeter(), clock: systemClock }) };
}

Deno.test("The model, the language and the key are sent; without a model it is the server's own", async () => {
  const { server, stt } = start({ key: "key" }, { WHISPER_API_KEY: "key", WHISPER_MODEL: "small" });
  await using _server = server;
  await (await stt.open({ languageId: "de" }, NEVER))[Symbol.asyncDispose]();
  assert.deepEqual(server.connections[0].query, {
    model: "small",
    language: "de",
    response_format: "verbose_json",
    temperature: "0",
    vad_filter: "true",
  });
  const settings = whisperWs.settings({ WHISPER_SERVICE_URL: server.url });
  assert.deepEqual(settings, { url: server.url, key: undefined, model: "whisper-1" });
});

Deno.test("A Whisper server has the same variables, whichever way it is used", () => {
  assert.equal(whisperWs.variables, whisper.variables);
  assert.throws(() => whisperWs.settings({}), ConfigError);
});

Deno.test("A model for English alone has no other language", () => {
  const settings = whisperWs.settings({
    WHISPER_SERVICE_URL: "http://w",
    WHISPER_MODEL: "faster-whisper-tiny.en",
  });
  const { languages } = whisperWs.create(settings, { meter: new FakeMeter(), clock: systemClock });
  assert.deepEqual(languages.map(({ id }) => id), ["en"]);
});

Deno.test("After a voice the server closes with its last words; what was not sent is not acknowledged", async () => {
  const { server, stt } = start({ transcriptionMs: 100 });
  await using _server = server;
  await using session = await stt.open({ languageId: "en" }, NEVER);
  const events: SttEvent[] = [];
  const reading = (async () => {
    for await (const event of session.events) events.push(event);
  })();
  await say(session, SPEECH);
  const pause = { ...frames(SPEECH)[0], samples: new Float32Array(16 * 600), voiced: false };
  await session.write(pause);
  for (const frame of frames(SPEECH)) await session.write(frame); // the next voice, while the server closes
  await reading;
  const final = events.find(({ type }) => type === "final");
  assert.equal(final?.type === "final" && final.text.trim(), WORDS.join(" "));
  const [{ readMs, unreadMs }] = server.connections;
  assert.equal(unreadMs, 0);
  const acknowledged = events.flatMap((event) => event.type === "progress" ? [event.processedMs] : []);
  assert.equal(acknowledged.at(-1), readMs);
});

Deno.test("A connection that is cut fails the session, which has acknowledged only what was confirmed", async () => {
  const { server, stt } = start();
  await using _server = server;
  await using session = await stt.open({ languageId: "en" }, NEVER);
  let acknowledgedMs = 0;
  const reading = collect(session, (event) => {
    if (event.type === "partial") server.dropConnections();
    if (event.type === "progress") acknowledgedMs = event.processedMs;
  });
  reading.catch(() => {});
  for (const frame of frames(SPEECH)) await session.write(frame).catch(() => {});
  const error = await sttErrorOf(reading);
  assert.deepEqual([error.code, error.retryable], ["stt_closed", true]);
  assert.ok(acknowledgedMs > 0 && acknowledgedMs < SPEECH.samples.length / 16, `${acknowledgedMs} ms`);
});
