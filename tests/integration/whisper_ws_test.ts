/** A recogniser whose server closes each connection after a pause: no word is lost or doubled between two sessions. */
import assert from "@std/assert";
import { padded } from "../fakes/speech.ts";
import { FakeWhisperWsServer } from "../fakes/stt_whisper_ws.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { assertWellFormed, callOf, finals, finalText, isFinal, startWorld } from "./world.ts";

const FIRST = ["red", "river", "train", "meeting", "seven", "music", "garden", "paper"];
const SECOND = ["window", "coffee", "north", "window", "evening"];

/** From the end of the first voice to the second: within the session, while the server closes, and after it has. */
for (const pauseMs of [700, 1_800, 4_500]) {
  Deno.test(`Whisper's WebSocket captions each word once over a pause of ${pauseMs} ms`, async () => {
    await using server = FakeWhisperWsServer.start({ transcriptionMs: 600 });
    await using world = await startWorld({
      environment: { STT_PROVIDER: "whisper-ws", WHISPER_SERVICE_URL: server.url },
    });
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    await speaker.say(padded(toneSpeech(FIRST), 300, pauseMs));
    await speaker.say(padded(toneSpeech(SECOND), 0, 300));
    await listener.until(isFinal(["evening"]), 15_000);
    assert.equal(finalText(listener.transcripts), [...FIRST, ...SECOND].join(" "));
    assertWellFormed(listener.transcripts);
    assert.ok(finals(listener.transcripts).length <= 5, finals(listener.transcripts).join(" | "));
    assert.equal(await world.metric('tiro_audio_seconds_total{fate="dropped"}'), 0);
    assert.equal(await world.metric('tiro_stt_sessions_total{outcome="failed"}'), 0);
    if (pauseMs > 1_200) assert.ok(server.connections.length > 1, "the server closed after the pause");
  });
}

Deno.test("A connection of Whisper's WebSocket that is lost in the middle of a sentence costs and doubles no word", async () => {
  await using server = FakeWhisperWsServer.start();
  await using world = await startWorld({
    environment: { STT_PROVIDER: "whisper-ws", WHISPER_SERVICE_URL: server.url },
  });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const said = [...FIRST, ...SECOND];
  const saying = speaker.say(padded(toneSpeech(said), 300, 700));
  await listener.until(({ message }) => message.includes("meeting"), 10_000);
  server.dropConnections();
  await saying;
  await listener.until(isFinal(["evening"]), 15_000);
  assert.equal(finalText(listener.transcripts), said.join(" "));
  assertWellFormed(listener.transcripts);
});
