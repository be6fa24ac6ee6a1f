/**
 * The whole way on real servers: someone speaks into a browser or a werift publisher, Janus and the HPB carry it, the
 * service in this process hears it, and captions arrive at a listener's socket. Words are recognised by PocketSphinx
 * where the words are the point, by the fake server's toy language where who, where and when are.
 */
import assert from "@std/assert";
import type { TestParticipant, TestSpeaker, Transcript } from "../fakes/call.ts";
import { HpbParticipant } from "../fakes/participant.ts";
import { padded, readSpeech, SPOKEN } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import {
  assertWellFormed,
  baseUrl,
  enable,
  eventually,
  finals,
  finalText,
  metric,
  serviceFor,
} from "../integration/world.ts";
import { installedHpbVersions, onRealStack, type RealCall, type RealStack } from "./stack.ts";
import { utterancesOf, wordErrorRate, wordsOf } from "./word_errors.ts";

/** Words come within a second or two; a machine with other work needs longer. */
const DEADLINE_MS = 30_000;
/** A tenth of the words may be wrong. */
const WORD_ERROR_RATE_MAX = 0.1;
/** Four seconds of the toy language, no word twice. */
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];

/** A stack and the service joined to it. */
interface Captioned {
  stack: RealStack;
  enable(call: RealCall, listener: TestParticipant): Promise<void>;
  metric(line: string): Promise<number>;
  /** Resolves once audio of so many speakers arrives: what is said before is not received. */
  heard(speakers: number): Promise<void>;
}

for (const hpbVersion of installedHpbVersions()) {
  const onService = (name: string, test: (world: Captioned) => Promise<void>, stt: "speech" | "tones") =>
    Deno.test(`HPB ${hpbVersion}: ${name}`, () =>
      onRealStack({ hpbVersion }, async (stack) => {
        await using server = FakeKyutaiServer.start();
        const environment: Record<string, string> = stt === "speech"
          ? { STT_PROVIDER: "pocketsphinx" }
          : { STT_PROVIDER: "modal", STT_STREAM_URL: server.url };
        await using service = await serviceFor(stack, { ...environment, MEDIA_WORKERS: "" }); // as operators run it
        const base = baseUrl(service);
        await test({
          stack,
          enable: (call, listener) => enable(base, call.roomToken, listener),
          metric: (line) => metric(base, line),
          heard: (speakers) =>
            eventually(
              `${speakers} speakers heard`,
              async () => await metric(base, "tiro_speakers_heard") === speakers,
              DEADLINE_MS,
            ),
        });
      }));

  onService("A speaker's words arrive as they are spoken, nine in ten of them right", async (world) => {
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    await speaker.say(padded(await readSpeech("meeting_rms"), 300, 1_000));
    await assertRead(listener, speaker, "meeting_rms");
    assertWellFormed(listener.transcripts);
    assert.ok(listener.transcripts.every(({ speakerSessionId }) => speakerSessionId === speaker.sessionId));
  }, "speech");

  onService("A browser and another speaker in one call are both read", async (world) => {
    await using call = await world.stack.startCall();
    const listener = await call.addListener();
    await world.enable(call, listener);
    const other = await call.addSpeaker();
    const lead = 2_000; // on top of the four seconds a browser's microphone is silent at first
    const browser = await call.addChromiumSpeaker(padded(await readSpeech("meeting_rms"), lead, 0));
    await world.heard(2);
    await Promise.all([browser.said, other.say(padded(await readSpeech("river_rms"), 300, 1_000))]);
    await assertRead(listener, browser, "meeting_rms");
    await assertRead(listener, other, "river_rms");
    assertWellFormed(listener.transcripts);
  }, "speech");

  onService(
    "Two rooms with three speakers each: every caption has its speaker, none crosses rooms",
    async (world) => {
      const phrases = [
        [["red", "river", "train"], ["meeting", "morning", "seven"], ["north", "paper", "window"]],
        [["garden", "music", "coffee"], ["weather", "evening", "red"], ["river", "seven", "garden"]],
      ];
      await using calls = new AsyncDisposableStack();
      const rooms = await Promise.all(phrases.map(async (phrases) => {
        const call = calls.use(await world.stack.startCall());
        const listener = await call.addListener();
        await world.enable(call, listener);
        // One after the other: Nextcloud sends whole lists, and the last one counts.
        const speakers = [await call.addSpeaker(), await call.addSpeaker(), await call.addSpeaker()];
        return { listener, speakers, phrases };
      }));
      await world.heard(6);
      await Promise.all(
        rooms.flatMap(({ speakers, phrases }) => speakers.map((speaker, i) => say(speaker, phrases[i]))),
      );
      for (const { listener, speakers, phrases } of rooms) {
        for (const [i, { sessionId }] of speakers.entries()) {
          await listener.until((t) => t.speakerSessionId === sessionId && isLast(phrases[i])(t), DEADLINE_MS);
          assert.equal(finalText(listener.transcripts, sessionId), phrases[i].join(" "));
        }
        const here = new Set(speakers.map(({ sessionId }) => sessionId));
        assert.ok(listener.transcripts.every(({ speakerSessionId }) => here.has(speakerSessionId)));
        assertWellFormed(listener.transcripts);
      }
    },
    "tones",
  );

  onService(
    "The HPB's socket is cut, then the HPB out of reach, mid-speech: no word is missing",
    async (world) => {
      const { call, listener, speaker } = await callOf(world);
      await using _call = call;
      const beginning = ({ message }: Transcript) => message.startsWith(PHRASE[0]);
      let saying = say(speaker, PHRASE);
      await listener.until(beginning, DEADLINE_MS);
      assert.equal(world.stack.dropHpbConnections(), 1);
      await saying;
      await listener.until(isLast(PHRASE), DEADLINE_MS);
      assert.deepEqual(finalText(listener.transcripts), PHRASE.join(" "));

      const backwards = PHRASE.toReversed();
      saying = say(speaker, backwards);
      await listener.until(({ message }) => message.startsWith(backwards[0]), DEADLINE_MS);
      world.stack.hpbReachable = false;
      await saying;
      world.stack.hpbReachable = true;
      await listener.until(isLast(backwards), DEADLINE_MS);
      assert.deepEqual(finalText(listener.transcripts), [...PHRASE, ...backwards].join(" "));
      assertWellFormed(listener.transcripts);
      assert.equal(await world.metric('tiro_signaling_reconnects_total{kind="resumed"}'), 2);
      assert.equal(await world.metric('tiro_signaling_reconnects_total{kind="rejoined"}'), 0);
      assert.equal(
        await world.metric('tiro_offers_requested_total{reason="joined"}'),
        1,
        "the audio never stopped",
      );
    },
    "tones",
  );

  onService("A room gets another name mid-speech: no word is missing", async (world) => {
    const { stack } = world;
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    const saying = say(speaker, PHRASE);
    await listener.until(({ message }) => message.startsWith(PHRASE[0]), DEADLINE_MS);
    await stack.nextcloud.changeRoom(stack.directHpbUrl, call.roomToken, { name: "another name" });
    await saying;
    await listener.until(isLast(PHRASE), DEADLINE_MS).catch(() =>
      assert.fail(`read only "${finalText(listener.transcripts)}"`)
    );
    assert.equal(finalText(listener.transcripts), PHRASE.join(" "));
    assert.equal(await world.metric('tiro_offers_requested_total{reason="joined"}'), 1);
  }, "tones");

  onService(
    "Who has left and stands in Nextcloud's list with an old sign of life is not asked for",
    async (world) => {
      const { stack } = world;
      await using call = await stack.startCall();
      const listener = await call.addListener();
      const speaker = await call.addSpeaker();
      const ghost = await call.addListener();
      const lastPing = Math.floor(Date.now() / 1_000) - 3_600; // Nextcloud's clock is not ours
      const users = [
        { ncSessionId: listener.ncSessionId, inCall: 1, lastPing },
        { ncSessionId: speaker.ncSessionId, inCall: 3, lastPing },
        { ncSessionId: ghost.ncSessionId, inCall: 3, lastPing: lastPing - 300 },
      ];
      await stack.nextcloud.setInCall(stack.directHpbUrl, call.roomToken, users);
      await ghost[Symbol.asyncDispose]();
      await world.enable(call, listener);
      await world.heard(1);
      assert.equal(await world.metric("transcription_speakers_active"), 1);
      assert.equal(await world.metric('tiro_offers_requested_total{reason="joined"}'), 1);
      assert.equal(
        await world.metric('tiro_signaling_ignored_total{reason="ghost"}'),
        1,
        "it stands in the list",
      );
    },
    "tones",
  );

  onService("The HPB is restarted: once its participants are back, so are the captions", async (world) => {
    const { stack } = world;
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    await say(speaker, ["red", "river"]);
    await listener.until(isLast(["river"]), DEADLINE_MS);
    await stack.restartHpb();
    await speaker.rejoin();
    await using back = await HpbParticipant.join({
      hpbUrl: stack.directHpbUrl,
      nextcloudUrl: stack.nextcloudUrl,
      roomToken: call.roomToken,
      ncSessionId: listener.ncSessionId,
    });
    await call.announce();
    await captionsComeBack(world, back, speaker);
    assert.equal(await world.metric('tiro_signaling_reconnects_total{kind="rejoined"}'), 1);
  }, "tones");

  onService(
    "Janus is killed and restarted: once a speaker is back, so are the captions",
    async (world) => {
      const { call, listener, speaker } = await callOf(world);
      await using _call = call;
      await say(speaker, ["red", "river"]);
      await listener.until(isLast(["river"]), DEADLINE_MS);
      await world.stack.killJanus();
      await world.stack.startJanus();
      await speaker.rejoin(); // in their old session the HPB would let nobody subscribe to them again
      await captionsComeBack(world, listener, speaker);
      assertWellFormed(listener.transcripts);
    },
    "tones",
  );

  onService("A speaker leaves and comes back: their words come under the new session", async (world) => {
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    await say(speaker, ["red", "river"]);
    await listener.until(isLast(["river"]), DEADLINE_MS);
    const before = speaker.sessionId;
    await speaker.rejoin();
    await captionsComeBack(world, listener, speaker);
    assert.deepEqual(finals(listener.transcripts, before), ["red river"]);
    assertWellFormed(listener.transcripts);
  }, "tones");
}

/** A call with a listener who requested captions, and one speaker who is received. */
async function callOf(world: Captioned) {
  const call = await world.stack.startCall();
  try {
    const listener = await call.addListener();
    await world.enable(call, listener);
    const speaker = await call.addSpeaker();
    await world.heard(1);
    return { call, listener, speaker };
  } catch (error) {
    await call[Symbol.asyncDispose]();
    throw error;
  }
}

async function say(speaker: TestSpeaker, words: readonly string[]): Promise<void> {
  await speaker.say(padded(toneSpeech(words), 300, 300));
}

/** Whether a caption is the final that holds the last of these words. */
function isLast(words: readonly string[]): (transcript: Transcript) => boolean {
  return ({ final, message }) => final && message.endsWith(words.at(-1)!);
}

/** Waits for the end of what was said, then looks at words, partials, finals and language. */
async function assertRead(
  listener: TestParticipant,
  { sessionId }: TestParticipant,
  spoken: keyof typeof SPOKEN,
): Promise<void> {
  const said = SPOKEN[spoken];
  const ofSpeaker = (t: Transcript) => t.speakerSessionId === sessionId;
  const heard = () => finalText(listener.transcripts, sessionId);
  await listener.until((t) => ofSpeaker(t) && isLast(wordsOf(said))(t), DEADLINE_MS)
    .catch(() => assert.fail(`heard only "${heard()}"`));
  const rate = wordErrorRate(said, heard());
  assert.ok(rate <= WORD_ERROR_RATE_MAX, `word error rate ${rate}: "${heard()}"`);
  assert.ok(listener.transcripts.every(({ langId }) => langId === "en"));
  const utterances = utterancesOf(listener.transcripts, sessionId);
  for (const { partials, final } of utterances) {
    assert.ok(partials.length >= 3, `${partials.length} partials before "${final}"`);
    assertGrowing(partials);
  }
}

/** A recogniser takes words back now and then: two at a time at most, and there are more in the end. */
function assertGrowing(partials: readonly string[]): void {
  const counts = partials.map((partial) => wordsOf(partial).length);
  assert.ok(counts.at(-1)! > counts[0], `words of the partials: ${counts}`);
  for (const [i, count] of counts.entries()) {
    assert.ok(i === 0 || count >= counts[i - 1] - 2, `words of the partials: ${counts}`);
  }
}

/** Says words until they are captioned, as people would. */
async function captionsComeBack(
  world: Captioned,
  listener: TestParticipant,
  speaker: TestSpeaker,
): Promise<void> {
  const words = ["weather", "evening"];
  const isBack = (t: Transcript) => t.speakerSessionId === speaker.sessionId && isLast(words)(t);
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  while (!deadline.aborted) {
    await say(speaker, words);
    if (await listener.until(isBack, 1_500).then(() => true, () => false)) return;
  }
  assert.fail(`no captions; ${await world.metric("tiro_speakers_heard")} speakers are heard`);
}
