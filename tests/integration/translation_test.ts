/** Captions in each listener's own language, end to end: real WebSockets, real WebRTC, translators on loopback. */
import assert from "@std/assert";
import { InvalidRequestError, TranslationError } from "../../src/domain/mod.ts";
import { systemClock } from "../../src/flow/mod.ts";
import { createOcs } from "../../src/nextcloud/mod.ts";
import type { TestParticipant, TestSpeaker, Transcript } from "../fakes/call.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { toneSpeech } from "../fakes/tones.ts";
import {
  FakeDeepl,
  FakeLibreTranslate,
  FakeTaskProcessing,
  type FakeTranslationServer,
  inOtherWords,
} from "../fakes/translators.ts";
import { startTranslating, type TranslatingOptions, type TranslatingService } from "./translating.ts";
import { assertWellFormed, eventually, finals } from "./world.ts";

const DEADLINE_MS = 20_000;
const PHRASE = ["morning", "coffee", "window", "red"];
const SPOKEN = PHRASE.join(" ");
const GERMAN = inOtherWords(SPOKEN, "de");
const ARABIC = inOtherWords(SPOKEN, "ar");

interface Translating extends TranslatingService {
  server: FakeTranslationServer;
  roomToken: string;
  speaker: TestSpeaker;
  join(targetId?: string): Promise<TestParticipant>;
}

/** A call with one speaker who is heard, and a translator. */
async function translating(
  test: (world: Translating) => Promise<void>,
  provider: ProviderName = "libretranslate",
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const hpb = stack.use(await FakeHpb.start({ publishers: weriftPublisherFactory }));
  const stt = stack.use(FakeKyutaiServer.start());
  const { server, ...translator } = startServer(provider);
  stack.use(server);
  const service = stack.use(await startTranslating(hpb, { sttUrl: stt.url, ...translator }));
  const call = stack.use(await hpb.startCall());
  const join = async (targetId?: string) => {
    const listener = await call.addListener();
    service.enable(call.roomToken, listener, targetId);
    return listener;
  };
  await join(); // somebody always reads the originals
  const speaker = await call.addSpeaker();
  await service.heard(1);
  await test({ ...service, server, roomToken: call.roomToken, speaker, join });
}

type ProviderName = "libretranslate" | "deepl" | "nextcloud";

function startServer(
  provider: ProviderName,
): { server: FakeTranslationServer } & Pick<TranslatingOptions, "choice" | "nextcloud"> {
  if (provider === "deepl") {
    const server = new FakeDeepl("key");
    return { server, choice: { provider, settings: { url: server.url, key: "key" } } };
  }
  if (provider === "nextcloud") {
    const server = new FakeTaskProcessing("secret");
    const exApp = { id: "live_transcription", secret: "secret", version: "1.0.0", aaVersion: "32.0.0" };
    const ocs = createOcs({
      nextcloudUrl: server.url,
      exApp,
      clock: systemClock,
      log: new FakeLog(),
      meter: new FakeMeter(),
    });
    return { server, choice: { provider, settings: {} }, nextcloud: { ocs, appId: "live_transcription" } };
  }
  const server = new FakeLibreTranslate();
  return { server, choice: { provider, settings: { url: server.url } } };
}

const say = (speaker: TestSpeaker, words: readonly string[] = PHRASE) =>
  speaker.say(padded(toneSpeech(words), 300, 300));

/** The final with this text, which may be the one before it is said again. */
const reads = (text: string) => ({ message, final }: Transcript) => final && message === text;

const languagesOf = (
  { transcripts }: TestParticipant,
) => [...new Set(transcripts.map(({ langId }) => langId))];

for (const provider of ["libretranslate", "deepl", "nextcloud"] as const) {
  Deno.test(`${provider}: three listeners, each in their own language alone, at one request a language`, () =>
    translating(async ({ join, server, speaker }) => {
      const original = await join();
      const german = [await join("de"), await join("de")];
      const arabic = await join("ar");
      await say(speaker);
      await original.until(reads(SPOKEN), DEADLINE_MS);
      for (const listener of german) await listener.until(reads(GERMAN), DEADLINE_MS);
      await arabic.until(reads(ARABIC), DEADLINE_MS);

      assert.deepEqual(finals(original.transcripts), [SPOKEN]);
      assert.ok(original.transcripts.length > 1, "the original grows");
      for (const listener of german) assert.deepEqual(finals(listener.transcripts), [GERMAN]);
      assert.deepEqual(finals(arabic.transcripts), [ARABIC]);
      for (const listener of [...german, arabic]) {
        assert.equal(listener.transcripts.length, 1, "translations are finals only");
        assert.equal(listener.transcripts[0].speakerSessionId, speaker.sessionId);
      }
      assert.deepEqual([original, ...german, arabic].map(languagesOf), [["en"], ["de"], ["de"], ["ar"]]);
      assert.equal(server.asked.length, 2);
      assertWellFormed(original.transcripts);
    }, provider));
}

for (const provider of ["libretranslate", "deepl", "nextcloud"] as const) {
  Deno.test(`${provider}: a language is found however Talk's users have it written, and sent as the provider has it`, () =>
    translating(async ({ join, server, speaker }) => {
      const german = [await join("de_DE"), await join("DE")];
      const chinese = await join("zh_CN");
      await say(speaker, ["red"]);
      for (const listener of german) await listener.until(reads("rot"), DEADLINE_MS);
      const [offered] = CHINESE[provider];
      await chinese.until(reads(`[${offered.toLowerCase()}] red`), DEADLINE_MS);
      assert.deepEqual([...german, chinese].map(languagesOf), [["de"], ["de"], [offered]]);
      assert.deepEqual(server.asked.map(({ targetId }) => targetId).toSorted(), CHINESE[provider][1]);
    }, provider));
}

/** Simplified Chinese as each lists it, and the targets each is asked for. */
const CHINESE: Record<ProviderName, [listed: string, asked: string[]]> = {
  libretranslate: ["zh-Hans", ["de", "zh-Hans"]],
  deepl: ["zh-hans", ["DE", "ZH-HANS"]],
  nextcloud: ["zh_CN", ["de", "zh_CN"]],
};

Deno.test("A slow translator delays no original, and its translations keep their order", () =>
  translating(async ({ join, server, speaker }) => {
    const slow = Promise.withResolvers<void>();
    server.held = slow.promise;
    const [original, german] = [await join(), await join("de")];
    await say(speaker, ["red", "river"]);
    await original.until(reads("red river"), DEADLINE_MS);
    await eventually("it is being translated", () => server.underWay === 1);
    server.held = undefined;
    await say(speaker, ["train"]);
    await original.until(reads("train"), DEADLINE_MS);
    await eventually("the second is translated", () => server.asked.length === 2 && server.underWay === 1);
    assert.deepEqual(german.transcripts, []);
    slow.resolve();
    await german.until(reads("Zug"), DEADLINE_MS);
    assert.deepEqual(finals(german.transcripts), ["rot Fluss", "Zug"]);
    assert.deepEqual(finals(original.transcripts), ["red river", "train"]);
  }));

Deno.test("A translator that dies leaves the originals untouched, and its listeners with them", () =>
  translating(async ({ join, server, speaker, meter }) => {
    const [original, german] = [await join(), await join("de")];
    await say(speaker, ["red"]);
    await german.until(reads("rot"), DEADLINE_MS);
    server.mood = "silent";
    await say(speaker, ["river"]);
    await german.until(reads("river"), DEADLINE_MS);
    await server.stop();
    await say(speaker, ["train"]);
    await german.until(reads("train"), DEADLINE_MS);
    await original.until(reads("train"), DEADLINE_MS);
    assert.deepEqual(finals(original.transcripts), ["red", "river", "train"]);
    assertWellFormed(original.transcripts);
    assert.deepEqual(german.transcripts.map(({ message, langId, final }) => [message, langId, final]), [
      ["rot", "de", true],
      ["river", "en", true],
      ["train", "en", true],
    ]);
    assert.equal(meter.counted("tiro_translations_total", "timeout"), 1);
    assert.equal(meter.counted("tiro_translations_total", "failed"), 1);
  }));

const NO_KEY = "Visit https://portal.libretranslate.com to get an API key";
for (const mood of [{ status: 403 }, { status: 400, said: NO_KEY }, { status: 200, said: NO_KEY }]) {
  const what = `A provider that refuses us (${mood.status}) is off`;
  Deno.test(`${what}: no more languages can be asked for, and captions go on as said`, () =>
    translating(async ({ join, server, speaker, rooms, roomToken, translations, log }) => {
      const german = await join("de");
      server.mood = mood;
      await say(speaker, ["red"]);
      await german.until(reads("red"), DEADLINE_MS);
      assert.equal(translations.isAvailable, false);
      const other = await join();
      assert.throws(
        () => rooms.setTranslationTarget(roomToken, other.ncSessionId, "ar"),
        (error: unknown) => error instanceof TranslationError && !error.retryable,
      );
      const asked = server.addresses.length;
      await say(speaker, ["river"]);
      await german.until(reads("river"), DEADLINE_MS);
      assert.equal(server.addresses.length, asked, "the provider is left alone");
      assert.ok(!JSON.stringify(log.lines).match(/\b(red|river)\b/), "nothing said is in the log");
    }));
}

Deno.test("Translation turned off brings the originals back at once, while they grow", () =>
  translating(async ({ join, speaker, rooms, roomToken }) => {
    const listener = await join("de");
    await say(speaker, ["red"]);
    await listener.until(reads("rot"), DEADLINE_MS);
    rooms.setTranslationTarget(roomToken, listener.ncSessionId, null);
    await say(speaker);
    await listener.until(reads(SPOKEN), DEADLINE_MS);
    assert.deepEqual(finals(listener.transcripts), ["rot", SPOKEN]);
    assert.ok(listener.transcripts.some(({ final }) => !final));
    assertWellFormed(listener.transcripts);
  }));

Deno.test("A pair the provider cannot translate is refused, and changes nothing", () =>
  translating(async ({ join, speaker, rooms, roomToken }) => {
    const listener = await join("de");
    for (const targetId of ["en", "tlh"]) {
      assert.throws(
        () => rooms.setTranslationTarget(roomToken, listener.ncSessionId, targetId),
        InvalidRequestError,
      );
    }
    await say(speaker, ["red"]);
    await listener.until(reads("rot"), DEADLINE_MS);
  }));
