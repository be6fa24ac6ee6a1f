/** The 27 languages of the Python app, each in a call of its own: what viewers read is what people write. */
import assert from "@std/assert";
import { separatorOf } from "../../src/domain/mod.ts";
import { SENTENCES, wordsOf } from "../fakes/sentences.ts";
import { padded } from "../fakes/speech.ts";
import { FakeVoskServer } from "../fakes/stt_vosk.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { assertWellFormed, baseUrl, eventually, finals, startWorld } from "./world.ts";

const LANGUAGES = "ar ar_TN br ca cs de en eo es fa fr hi it ja kk ko nl pl pt ru te tg tr uk uz vi zh".split(
  " ",
);
/** What clients send for some of them. */
const SENT: Readonly<Record<string, string>> = {
  ar_TN: "ar-tn",
  de: "de_DE",
  en: "EN-us",
  pt: "pt_BR",
  uz: "uz_UZ.UTF-8",
  zh: "zh-Hans-CN",
};
/** Of the fake's script: a word for so much voice. */
const WORD_MS = 330;

const wordsIn = (languageId: string) => wordsOf(languageId, SENTENCES[languageId]);
const letters = (text: string) => text.replaceAll(" ", "");

Deno.test("Each of the 27 languages is offered with its metadata, and captioned exactly as it is written", async () => {
  await using vosk = FakeVoskServer.start({ languages: LANGUAGES, script: wordsIn });
  await using world = await startWorld({
    environment: { STT_PROVIDER: "vosk", LT_VOSK_SERVER_URL: vosk.url },
  });
  const get = async (path: string) => await (await fetch(baseUrl(world.service) + path)).json();
  const offered = await get("/api/v1/languages");
  assert.deepEqual(Object.keys(offered).sort(), [...LANGUAGES].sort());
  for (const [id, { name, metadata }] of Object.entries<{ name: string; metadata: unknown }>(offered)) {
    assert.notEqual(name, id);
    const rtl = ["ar", "ar_TN", "fa"].includes(id);
    assert.deepEqual(metadata, { separator: ["ja", "zh"].includes(id) ? "" : " ", rtl }, id);
  }
  const { live_transcription: capabilities } = await get("/capabilities");
  assert.deepEqual(capabilities.live_transcription.supported_languages, offered);

  const calls = await Promise.all(LANGUAGES.map(async (languageId) => {
    const call = await world.hpb.startCall();
    const listener = await call.addListener();
    const langId = SENT[languageId] ?? languageId;
    const { roomToken } = call;
    const body = { roomToken, ncSessionId: listener.ncSessionId, langId };
    const response = await world.post("/api/v1/call/transcribe", body);
    assert.equal(response.status, 200, await response.text());
    return { languageId, call, listener, speaker: await call.addSpeaker() };
  }));
  await world.heard(LANGUAGES.length);
  await Promise.all(calls.map(async ({ languageId, listener, speaker }) => {
    const wordMs = (wordsIn(languageId).length + 0.5) * WORD_MS;
    await speaker.say(padded(toneSpeech(["music"], { wordMs, gapMs: 0 }), 300, 500));
    const text = SENTENCES[languageId];
    await eventually(
      languageId,
      () => letters(finals(listener.transcripts).join("")).length >= letters(text).length,
      20_000,
    );
  }));
  for (const { languageId, call, listener } of calls) {
    const { transcripts } = listener;
    assertWellFormed(transcripts);
    assert.equal(finals(transcripts).join(separatorOf(languageId)), SENTENCES[languageId], languageId);
    assert.ok(transcripts.some(({ final }) => !final), "partials");
    assert.ok(transcripts.every(({ langId }) => langId === languageId));
    await call[Symbol.asyncDispose]();
  }
  const configured = vosk.sessions.map(({ config }) => (config as { language: string }).language);
  assert.deepEqual(configured.sort(), [...LANGUAGES].sort());
});
