/**
 * A crowd whose clients say that they send audio, and who publish nothing: each is asked for again and again. Who comes
 * to speak goes before them, in another call and in theirs. Words are those of the fake recogniser's toy language.
 */
import assert from "@std/assert";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { baseUrl, enable, eventually, finalText, metric, serviceFor } from "../integration/world.ts";
import { installedHpbVersions, onRealStack } from "../real/stack.ts";

const DEADLINE_MS = 20_000;
/** Their turns take 19 s, so a slow machine has time. HOSTILE_GUESTS=500 for as many as may be in a room. */
const CROWD = Number(Deno.env.get("HOSTILE_GUESTS") ?? 250);
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];

const [hpbVersion = "none"] = installedHpbVersions().toReversed();

Deno.test(`${CROWD} who publish nothing: who comes to speak goes before them, and every word is read`, () =>
  onRealStack({ hpbVersion }, async (stack) => {
    await using server = FakeKyutaiServer.start();
    await using service = await serviceFor(stack, { STT_PROVIDER: "modal", STT_STREAM_URL: server.url });
    const base = baseUrl(service);
    await using other = await stack.startCall();
    await using crowded = await stack.startCall();
    for (let i = 0; i < CROWD; i++) await crowded.addMute();
    const calls = [crowded, other];
    const listeners = await Promise.all(calls.map((call) => call.addListener()));
    const asked = () => metric(base, `tiro_offers_requested_total{reason="joined"}`);
    await enable(base, crowded.roomToken, listeners[0]);
    await eventually("the crowd is asked for", async () => await asked() > 0, DEADLINE_MS);
    const speakers = await Promise.all(calls.map((call) => call.addSpeaker()));
    await enable(base, other.roomToken, listeners[1]);
    await eventually("both heard", async () => await metric(base, "tiro_speakers_heard") === 2, DEADLINE_MS);
    assert.ok(await asked() < CROWD, "some of the crowd have not had a turn yet");
    await Promise.all(speakers.map(async (speaker, at) => {
      const words = at === 0 ? PHRASE : PHRASE.toReversed();
      await speaker.say(padded(toneSpeech(words), 300, 300));
      const read = () => finalText(listeners[at].transcripts, speaker.sessionId);
      await eventually("all words read", () => read() === words.join(" "), DEADLINE_MS)
        .catch(() => assert.equal(read(), words.join(" ")));
    }));
  }));
