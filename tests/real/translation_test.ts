/**
 * Captions in each listener's own language through real HPB and Janus: three listeners, one speaker, and a translator
 * on loopback that dies in the middle.
 */
import assert from "@std/assert";
import type { TestParticipant, TestSpeaker, Transcript } from "../fakes/call.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { FakeLibreTranslate, inOtherWords } from "../fakes/translators.ts";
import { startTranslating } from "../integration/translating.ts";
import { assertWellFormed, finals } from "../integration/world.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";

const DEADLINE_MS = 30_000;
const FIRST = ["morning", "coffee", "window", "red"];
const SECOND = ["north", "music", "river", "seven"];
const THIRD = ["garden", "train", "paper"];

for (const hpbVersion of installedHpbVersions()) {
  Deno.test(
    `HPB ${hpbVersion}: Three listeners read the original, German and Arabic, each nothing else, until the translator dies`,
    () =>
      onRealStack({ hpbVersion }, async (stack) => {
        await using stt = FakeKyutaiServer.start();
        await using translator = new FakeLibreTranslate();
        await using service = await startTranslating(stack, {
          sttUrl: stt.url,
          choice: { provider: "libretranslate", settings: { url: translator.url } },
        });
        await using call = await stack.startCall();
        const [original, german, arabic] = await Promise.all([
          call.addListener(),
          call.addListener(),
          call.addListener(),
        ]);
        service.enable(call.roomToken, original);
        service.enable(call.roomToken, german, "de");
        service.enable(call.roomToken, arabic, "ar");
        const speaker = await call.addSpeaker();
        await service.heard(1);

        await say(speaker, FIRST);
        await Promise.all([
          original.until(isFinal(FIRST), DEADLINE_MS),
          german.until(isFinal(FIRST, "de"), DEADLINE_MS),
          arabic.until(isFinal(FIRST, "ar"), DEADLINE_MS),
        ]);
        assert.deepEqual([original, german, arabic].map(languagesOf), [["en"], ["de"], ["ar"]]);
        assert.ok(original.transcripts.length > 1, "the original grows");
        for (const { transcripts } of [german, arabic]) {
          assert.equal(transcripts.length, 1, "translations are finals only");
          assert.equal(transcripts[0].speakerSessionId, speaker.sessionId);
        }

        await translator.stop();
        await say(speaker, SECOND);
        await Promise.all([original, german, arabic].map((each) => each.until(isFinal(SECOND), DEADLINE_MS)));
        service.rooms.setTranslationTarget(call.roomToken, german.ncSessionId, null);
        await say(speaker, THIRD);
        await Promise.all([original, german, arabic].map((each) => each.until(isFinal(THIRD), DEADLINE_MS)));

        const spoken = [FIRST, SECOND, THIRD].map((words) => words.join(" "));
        assert.deepEqual(finals(original.transcripts), spoken, "the originals are untouched");
        assert.deepEqual(languagesOf(original), ["en"]);
        assertWellFormed(original.transcripts);
        assert.deepEqual(finals(german.transcripts), [inOtherWords(spoken[0], "de"), ...spoken.slice(1)]);
        assert.deepEqual(finals(arabic.transcripts), [inOtherWords(spoken[0], "ar"), ...spoken.slice(1)]);
        assert.equal(arabic.transcripts.length, 3, "finals only, each once");
        assert.ok(german.transcripts.some(({ final }) => !final), "turned off, captions grow again");
        assert.equal(translator.asked.length, 2, "one request a language");
      }),
  );
}

async function say(speaker: TestSpeaker, words: readonly string[]): Promise<void> {
  await speaker.say(padded(toneSpeech(words), 300, 300));
}

/** The final of these words in a language, which may be the one spoken. */
function isFinal(words: readonly string[], languageId = "en") {
  const text = languageId === "en" ? words.join(" ") : inOtherWords(words.join(" "), languageId);
  return ({ message, final, langId }: Transcript) => final && langId === languageId && message === text;
}

function languagesOf({ transcripts }: TestParticipant): string[] {
  return [...new Set(transcripts.map(({ langId }) => langId))];
}
