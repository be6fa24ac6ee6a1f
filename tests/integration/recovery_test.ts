/** Captions come back by themselves after what cuts them off, and end where the call does. */
import assert from "@std/assert";
import type { TestSpeaker } from "../fakes/call.ts";
import {
  assertWellFormed,
  callOf,
  finals,
  finalText,
  isFinal,
  PHRASE,
  say,
  startWorld,
  type World,
} from "./world.ts";

Deno.test("The HPB's socket is cut and resumed: captions come back, the wait's included", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  const saying = say(speaker, PHRASE);
  await world.hpb.dropConnections({ resumable: true });
  await saying;
  await listener.until(isFinal(PHRASE), 15_000);
  assert.equal(finalText(listener.transcripts), ["red", "river", ...PHRASE].join(" "));
  assert.equal(await world.metric('tiro_signaling_reconnects_total{kind="resumed"}'), 1);
});

Deno.test("The HPB forgot our session: a full re-join subscribes again and captions come back", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  await world.hpb.dropConnections({ resumable: false });
  await captionsComeBack(world, listener, speaker);
});

Deno.test("A speaker who leaves and rejoins is captioned under the new session", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  const before = speaker.sessionId;
  await speaker.rejoin();
  assert.notEqual(speaker.sessionId, before);
  await captionsComeBack(world, listener, speaker);
  assert.ok(listener.transcripts.some(({ speakerSessionId }) => speakerSessionId === speaker.sessionId));
});

Deno.test("The STT socket is dropped mid-utterance: the words so far become a final, the rest follows", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const saying = say(speaker, PHRASE);
  await listener.until(({ message }) => message.includes("coffee"), 10_000);
  world.stt.dropConnections();
  await saying;
  await listener.until(isFinal(PHRASE), 15_000);
  assertWellFormed(listener.transcripts);
  const words = finalText(listener.transcripts).split(" ");
  assert.deepEqual(words.slice(-3), PHRASE.slice(-3));
  assert.ok(finals(listener.transcripts).length >= 2);
  assert.equal(new Set(words).size, words.length, "nothing is said twice");
});

Deno.test("Draining mid-utterance delivers the words recognised so far as a final and sends bye, within its time", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const saying = say(speaker, PHRASE);
  await listener.until(({ message }) => message.includes("window"), 10_000);
  await world.service.drain();
  await world.service[Symbol.asyncDispose]();
  await saying;
  const final = await listener.until(({ final }) => final, 10_000);
  assert.ok(final.message.startsWith("morning coffee window"), "the words heard are there");
  assert.deepEqual(world.hpb.hub.internalSessions(call.roomToken), [], "the service has left the room");
});

Deno.test("Ending the call closes every session and the room", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, ["red"]);
  await listener.until(({ final }) => final, 10_000);
  await call.end();
  await world.stt.until(() => world.stt.live === 0, 10_000);
  assert.equal(await world.metric("transcription_rooms_active"), 0);
  assert.equal(await world.metric("transcription_speakers_active"), 0);
});

/** Says words until captions come, as people would; fails after half a minute. */
async function captionsComeBack(
  world: World,
  listener: { transcripts: readonly { message: string }[] },
  speaker: TestSpeaker,
): Promise<void> {
  const seen = listener.transcripts.length;
  for (let attempt = 0; attempt < 20; attempt++) {
    await say(speaker, ["weather", "evening"]);
    if (listener.transcripts.slice(seen).some(({ message }) => message.includes("evening"))) return;
  }
  assert.fail(`no captions; ${await world.metric("transcription_speakers_active")} speakers`);
}
