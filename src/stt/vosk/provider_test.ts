import assert from "@std/assert";
import { ConfigError, type SpeechToText, type SttEvent } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { collect, frames, say, sttErrorOf } from "../../../tests/contract/stt_contract.ts";
import { type FakeVoskOptions, FakeVoskServer } from "../../../tests/fakes/stt_vosk.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { toneSpeech } from "../../../tests/fakes/tones.ts";
import { vosk } from "./provider.ts";

const NEVER = new AbortController().signal;
const WORDS = ["red", "river", "train", "paper"];
const SPEECH = toneSpeech(WORDS, { sampleRateHz: 16_000 });

function start(options: FakeVoskOptions = {}, listed?: string) {
  const server = FakeVoskServer.start(options);
  const env = { LT_VOSK_SERVER_URL: server.url, ...listed !== undefined && { VOSK_LANGUAGES: listed } };
  const stt = vosk.create(vosk.settings(env), { meter: new FakeMeter(), clock: systemClock });
  return { server, stt };
}

async function transcribed(stt: SpeechToText, languageId: string) {
  await using session = await stt.open({ languageId }, NEVER);
  const reading = collect(session);
  reading.catch(() => {}); // a failed session rejects the writer too, with the same error
  await say(session, SPEECH);
  await session.finish();
  return await reading;
}

Deno.test("It has Nextcloud's languages, or those that are listed", () => {
  const languagesOf = (listed?: string) => {
    const env = {
      LT_VOSK_SERVER_URL: "ws://vosk:2700",
      ...listed !== undefined && { VOSK_LANGUAGES: listed },
    };
    const { languages } = vosk.create(vosk.settings(env), { meter: new FakeMeter(), clock: systemClock });
    return languages;
  };
  assert.equal(languagesOf().length, 27);
  assert.deepEqual(languagesOf("ko"), [
    { id: "ko", name: "한국어", metadata: { separator: " ", rtl: false } },
  ]);
  assert.deepEqual(languagesOf("sv, fa").map(({ id, metadata: { rtl } }) => [id, rtl]), [
    ["sv", false],
    ["fa", true],
  ]);
});

Deno.test("Without an address, or with a list that is none, the configuration has a fault", () => {
  assert.throws(() => vosk.settings({}), ConfigError);
  const env = { LT_VOSK_SERVER_URL: "ws://vosk:2700", VOSK_LANGUAGES: "Korean!" };
  const faulty = () => vosk.settings(env);
  assert.throws(
    faulty,
    (error: unknown) => error instanceof ConfigError && error.faults[0].variable === "VOSK_LANGUAGES",
  );
});

Deno.test("Each session has its own language, as when it changes in a call", async () => {
  const { server, stt } = start({ languages: ["en", "ar_TN"] });
  await using _server = server;
  const texts = await Promise.all(["en", "ar_TN"].map((languageId) => transcribed(stt, languageId)));
  assert.deepEqual(texts.map(({ text }) => text), [WORDS.join(" "), WORDS.join(" ")]);
  const config = { sample_rate: 16_000, words: true };
  assert.deepEqual(server.sessions.map(({ config }) => config), [
    { ...config, language: "en" },
    { ...config, language: "ar_TN" },
  ]);
  assert.ok(server.sessions.every(({ hasEnded }) => hasEnded), "the servers received the end");
});

Deno.test("A server without a model for the language fails the session for good, and says what to set", async () => {
  const { server, stt } = start({ languages: ["de"] });
  await using _server = server;
  const error = await sttErrorOf(transcribed(stt, "fr"));
  assert.deepEqual([error.code, error.retryable], ["stt_language", false]);
  assert.match(error.message, /VOSK_LANGUAGES/);
});

Deno.test("A server with one model does not answer the configuration, and takes audio all the same", async () => {
  const { server, stt } = start({ dialect: "stock" }, "ko");
  await using _server = server;
  const { text, events } = await transcribed(stt, "ko");
  assert.equal(text, WORDS.join(" "));
  const finals = events.filter(({ type }) => type === "final");
  assert.ok(finals.every((event) => "endMs" in event && event.endMs! <= SPEECH.samples.length / 16 + 20));
});

Deno.test("All audio is acknowledged, and none that was not sent", async () => {
  const { server, stt } = start({ behindMs: 500 });
  await using _server = server;
  const { events } = await transcribed(stt, "en");
  const marks = events.flatMap((event) => event.type === "progress" ? [event.processedMs] : []);
  assert.deepEqual(marks, marks.toSorted((a, b) => a - b));
  const [{ receivedMs, audioMessages, answers }] = server.sessions;
  assert.equal(marks.at(-1), receivedMs - 1_040, "all but the silence of the end");
  assert.equal(answers, audioMessages + 1);
});

Deno.test("What the English models recognise in silence is not passed on", async () => {
  const { server, stt } = start({ recognisedInSilence: "the" });
  await using _server = server;
  const { text, events } = await transcribed(stt, "en");
  assert.equal(text, WORDS.join(" "));
  assert.ok(events.every((event) => !("text" in event) || event.text !== "the"));
});

Deno.test("A connection that is cut fails the session, and what was not acknowledged can be sent again", async () => {
  const { server, stt } = start();
  await using _server = server;
  await using session = await stt.open({ languageId: "en" }, NEVER);
  const events: SttEvent[] = [];
  const reading = (async () => {
    for await (const event of session.events) {
      events.push(event);
      if (event.type === "partial") server.dropConnections();
    }
  })();
  for (const frame of frames(SPEECH)) await session.write(frame).catch(() => {});
  const error = await sttErrorOf(reading);
  assert.deepEqual([error.code, error.retryable], ["stt_closed", true]);
  const acknowledgedMs = events.reduce((ms, event) => event.type === "progress" ? event.processedMs : ms, 0);
  assert.ok(acknowledgedMs < SPEECH.samples.length / 16, `${acknowledgedMs} ms`);
});
