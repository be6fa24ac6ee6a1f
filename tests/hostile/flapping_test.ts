/**
 * Participants of a real call who change everything again and again, while two speak: the language of the call, who
 * listens, in which language, and who is in the call. Every word of those who speak arrives.
 */
import assert from "@std/assert";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { baseUrl, enable, eventually, finalText, metric, post, serviceFor } from "../integration/world.ts";
import { installedHpbVersions, onRealStack } from "../real/stack.ts";

const DEADLINE_MS = 30_000;
const ROUNDS = 4;
const APART_MS = 100;
const PHRASES = [["morning", "coffee", "window", "red", "north"], [
  "music",
  "river",
  "seven",
  "garden",
  "train",
]];
const [hpbVersion = "none"] = installedHpbVersions().toReversed();

Deno.test("A call whose language, listeners and guests change all the time: every word of its speakers arrives", () =>
  onRealStack({ hpbVersion }, async (stack) => {
    await using server = FakeKyutaiServer.start();
    await using service = await serviceFor(stack, {
      STT_PROVIDER: "modal",
      STT_STREAM_URL: server.url,
      MEDIA_WORKERS: "1",
    });
    const base = baseUrl(service);
    await using call = await stack.startCall();
    const { roomToken } = call;
    const listener = await call.addListener();
    const speakers = [await call.addSpeaker(), await call.addSpeaker()];
    await enable(base, roomToken, listener);
    await eventually(
      "speakers heard",
      async () => await metric(base, "tiro_speakers_heard") === 2,
      DEADLINE_MS,
    );
    const [guest, fickle] = [await call.addSpeaker(), await call.addListener()];
    let spoken = false;
    const speaking = Promise.all(speakers.map(async (speaker, index) => {
      for (let round = 0; round < ROUNDS; round++) {
        await speaker.say(padded(toneSpeech(PHRASES[index]), 300, 300));
      }
    })).finally(() => spoken = true);
    const again = async (change: (at: number) => Promise<unknown>) => {
      for (let at = 0; !spoken; at++) {
        await change(at);
        await new Promise((resolve) => setTimeout(resolve, APART_MS));
      }
    };
    const asked = async (path: string, body: Record<string, unknown>) => {
      const response = await post(base, path, { roomToken, ...body });
      const answer = await response.text();
      assert.ok(response.status < 500, `${response.status} ${answer}`);
    };
    const { ncSessionId } = fickle;
    await Promise.all([
      speaking,
      again((at) => asked("/api/v1/call/set-language", { langId: ["fr", "en"][at % 2] })),
      again((at) => asked("/api/v1/call/transcribe", { ncSessionId, enable: at % 2 === 0, langId: "en" })),
      again(() => guest.rejoin()),
    ]);
    for (const [index, { sessionId }] of speakers.entries()) {
      const all = Array.from({ length: ROUNDS }, () => PHRASES[index]).flat().join(" ");
      const read = () => finalText(listener.transcripts, sessionId);
      await eventually("all words read", () => read() === all, DEADLINE_MS)
        .catch(() => assert.equal(read(), all));
    }
    assert.equal(await metric(base, 'tiro_audio_seconds_total{fate="dropped"}'), 0, "no speech was dropped");
  }));
