/** Vosk in a call whose language changes, as people have it from the Python app. */
import assert from "@std/assert";
import { padded } from "../fakes/speech.ts";
import { FakeVoskServer } from "../fakes/stt_vosk.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { assertWellFormed, callOf, finalText, isFinal, startWorld, type World } from "./world.ts";

const ENGLISH = ["one", "two", "three", "four", "five", "six"];
const FRENCH = ["un", "deux", "trois", "quatre", "cinq", "sept"];
/** Of the fake's script: a word for so much voice. */
const WORD_MS = 330;

const voice = (words: number) =>
  padded(toneSpeech(["music"], { wordMs: (words + 0.5) * WORD_MS, gapMs: 0 }), 300, 700);

async function assertNothingLost(world: World): Promise<void> {
  assert.equal(await world.metric('tiro_audio_seconds_total{fate="dropped"}'), 0);
  assert.equal(await world.metric('tiro_stt_sessions_total{outcome="failed"}'), 0);
}

Deno.test("The language changes in a call: the words before are in the one, those after in the other", async () => {
  await using vosk = FakeVoskServer.start({
    languages: ["en", "fr"],
    script: (language) => language === "fr" ? FRENCH : ENGLISH,
  });
  await using world = await startWorld({
    environment: { STT_PROVIDER: "vosk", LT_VOSK_SERVER_URL: vosk.url },
  });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await speaker.say(voice(ENGLISH.length));
  await listener.until(isFinal(ENGLISH), 10_000);
  const body = { roomToken: call.roomToken, langId: "fr" };
  const response = await world.post("/api/v1/call/set-language", body);
  assert.equal(response.status, 200, await response.text());
  await speaker.say(voice(FRENCH.length));
  await listener.until(isFinal(FRENCH), 10_000);
  const inLanguage = (id: string) => listener.transcripts.filter(({ langId }) => langId === id);
  assert.equal(finalText(inLanguage("en")), ENGLISH.join(" "));
  assert.equal(finalText(inLanguage("fr")), FRENCH.join(" "));
  assertWellFormed(listener.transcripts);
  const languages = vosk.sessions.map(({ config }) => (config as { language: string }).language);
  assert.deepEqual(languages, ["en", "fr"]);
  await assertNothingLost(world);
});

Deno.test("A connection that is lost in the middle of an utterance costs none of its words", async () => {
  await using vosk = FakeVoskServer.start({ behindMs: 500 });
  await using world = await startWorld({
    environment: { STT_PROVIDER: "vosk", LT_VOSK_SERVER_URL: vosk.url },
  });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const said = ["red", "river", "train", "meeting", "seven", "music", "paper", "window", "coffee", "garden"];
  const saying = speaker.say(padded(toneSpeech([...said, "north"]), 300, 700));
  await listener.until(({ message }) => message.includes("music"), 10_000);
  vosk.dropConnections();
  await saying;
  await listener.until(({ final, message }) => final && message.endsWith("north"), 10_000);
  assert.equal(finalText(listener.transcripts), [...said, "north"].join(" "));
  assertWellFormed(listener.transcripts);
});
