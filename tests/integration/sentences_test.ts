/**
 * Recognisers that get speech a sentence at a time, or return it so: a Whisper over HTTP, and OpenAI's Realtime API with
 * whole transcripts. Each spoken word becomes a caption, once and in order, also through their faults.
 */
import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import { padded } from "../fakes/speech.ts";
import { FakeRealtimeServer } from "../fakes/stt_realtime.ts";
import { FakeWhisperServer } from "../fakes/stt_whisper.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { assertWellFormed, callOf, finalText, isFinal, startWorld } from "./world.ts";

const SENTENCES = [
  "morning coffee window red north music river seven garden train".split(" "),
  "paper evening window meeting red river north music coffee weather".split(" "),
];
const WORD_MS = 340;

interface Spoken {
  /** What is shown. */
  text: () => string;
  partials: number;
}

/** Two sentences with a pause between, and `meanwhile` after some words of the first. */
async function caption(
  environment: Record<string, string>,
  after = 0,
  meanwhile: () => void = () => {},
): Promise<Spoken> {
  await using world = await startWorld({ environment });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const saying = (async () => {
    for (const words of SENTENCES) await speaker.say(padded(toneSpeech(words), 300, 900));
  })();
  await delay(300 + after * WORD_MS, new AbortController().signal);
  meanwhile();
  await saying;
  const last = SENTENCES[1].slice(-1);
  await listener.until(isFinal(last), 20_000);
  assertWellFormed(listener.transcripts);
  assert.equal(await world.metric('tiro_audio_seconds_total{fate="dropped"}'), 0);
  return {
    text: () => finalText(listener.transcripts),
    partials: listener.transcripts.filter(({ final }) => !final).length,
  };
}

const ALL = SENTENCES.flat().join(" ");

const whisperAt = (url: string) => ({ STT_PROVIDER: "whisper", WHISPER_SERVICE_URL: url });
const realtimeAt = (url: string, model: string) => ({
  STT_PROVIDER: "openai-realtime",
  OPENAI_REALTIME_URL: url,
  OPENAI_REALTIME_MODEL: model,
});

Deno.test("A Whisper over HTTP: every word, with partials before the sentence ends", async () => {
  await using server = FakeWhisperServer.start();
  const { text, partials } = await caption(whisperAt(server.url));
  assert.equal(text(), ALL);
  assert.ok(partials >= 4, `${partials} partials`);
  assert.ok(server.asked.every(({ isSilent }) => !isSilent));
});

Deno.test("A Whisper that takes 1.5 s for a request: every word, a sentence at a time", async () => {
  await using server = FakeWhisperServer.start();
  server.delayMs = 1_500;
  assert.equal((await caption(whisperAt(server.url))).text(), ALL);
});

Deno.test("A Whisper that is full for a second in the middle of a sentence: every word, once", async () => {
  await using server = FakeWhisperServer.start();
  const { text } = await caption(whisperAt(server.url), 6, () => {
    server.mood = { status: 503 };
    setTimeout(() => server.mood = "well", 1_000);
  });
  assert.equal(text(), ALL);
});

for (const model of ["gpt-4o-transcribe", "gpt-live-transcribe"]) {
  Deno.test(`OpenAI's Realtime API with ${model}, whose connection is lost in the middle of a sentence: every word`, async () => {
    await using server = FakeRealtimeServer.start({ model });
    const { text } = await caption(realtimeAt(server.url, model), 6.5, () => server.dropConnections());
    assert.equal(text(), ALL);
    assert.equal(server.sessions.length, 2);
  });
}

Deno.test("Items of OpenAI's Realtime API that complete in reverse are shown in order", async () => {
  await using server = FakeRealtimeServer.start({ dialect: "speaches", model: "whisper" });
  server.reverses = true;
  assert.equal((await caption(realtimeAt(server.url, "whisper"))).text(), ALL);
});
