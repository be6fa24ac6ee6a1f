/** What users see with MEDIA_WORKERS set: the same as without. */
import assert from "@std/assert";
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

const VOCABULARY = [
  ["red", "river", "train"],
  ["meeting", "morning", "seven"],
  ["north", "paper", "window"],
  ["garden", "music", "coffee"],
  ["weather", "evening", "red"],
  ["river", "seven", "garden"],
];

const withWorkers = (workers: number) => startWorld({ environment: { MEDIA_WORKERS: String(workers) } });

Deno.test("In a worker a phrase arrives as in the service's process; delays are by one clock; the ledger adds up", async () => {
  await using world = await withWorkers(1);
  assert.equal(await world.metric("tiro_media_workers"), 1);
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, PHRASE);
  await listener.until(isFinal(PHRASE), 10_000);
  const { transcripts } = listener;
  assertWellFormed(transcripts);
  assert.deepEqual(finals(transcripts), [PHRASE.join(" ")]);
  assert.ok(transcripts.filter(({ final }) => !final).length >= 3);
  assert.ok(transcripts.every(({ langId }) => langId === "en"));
  assert.ok(transcripts.every(({ speakerSessionId }) => speakerSessionId === speaker.sessionId));
  const delays = await world.metric("transcription_latency_ms_count");
  assert.equal(delays, transcripts.length);
  const averageMs = await world.metric("transcription_latency_ms_sum") / delays;
  assert.ok(averageMs > 0 && averageMs < 5_000, `${averageMs} ms`);
  await call.end();
  await world.stt.until(() => world.stt.live === 0, 10_000);
  await assertLedger(world);
});

Deno.test("Two rooms with three speakers each on two workers: every caption has its speaker, and it all adds up", async () => {
  await using world = await withWorkers(2);
  const rooms = await Promise.all([0, 3].map(async (first) => ({
    ...await callOf(world, 3),
    phrases: VOCABULARY.slice(first, first + 3),
  })));
  await world.heard(6);
  await Promise.all(
    rooms.flatMap(({ speakers, phrases }) => speakers.map((speaker, index) => say(speaker, phrases[index]))),
  );
  for (const { listener, speakers, phrases } of rooms) {
    for (const [index, { sessionId }] of speakers.entries()) {
      await listener.until((t) => t.speakerSessionId === sessionId && t.final, 10_000);
      assert.equal(finalText(listener.transcripts, sessionId), phrases[index].join(" "));
    }
    const known = new Set(speakers.map(({ sessionId }) => sessionId));
    assert.ok(listener.transcripts.every(({ speakerSessionId }) => known.has(speakerSessionId)));
    assertWellFormed(listener.transcripts);
  }
  for (const { call } of rooms) await call[Symbol.asyncDispose]();
  await world.stt.until(() => world.stt.live === 0, 10_000);
  await assertLedger(world);
  assert.equal(await world.metric("tiro_stt_open_ms_count"), 6, "what workers count is on this page");
});

Deno.test("A language switched in mid-call holds on a worker from the next sentence on", async () => {
  await using world = await withWorkers(1);
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  const { roomToken } = call;
  const response = await world.post("/api/v1/call/set-language", { roomToken, langId: "fr" });
  assert.equal(response.status, 200, await response.text());
  await say(speaker, ["garden", "music"]);
  await listener.until(isFinal(["music"]), 10_000);
  assertWellFormed(listener.transcripts);
  const shown = listener.transcripts.filter(({ final }) => final).map((
    { langId, message },
  ) => [langId, message]);
  assert.deepEqual(shown, [["en", "red river"], ["fr", "garden music"]]);
});

Deno.test("A worker's speech-to-text is disconnected in mid-sentence: the words so far become a final, the rest follows", async () => {
  await using world = await withWorkers(1);
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
  assert.equal(new Set(words).size, words.length, "nothing is said twice");
});

Deno.test("Draining delivers what workers recognised, leaves the room, and ends the workers", async () => {
  await using world = await withWorkers(2);
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

async function assertLedger(world: World): Promise<void> {
  const of = (fate: string) => world.metric(`tiro_audio_packets_total{fate="${fate}"}`);
  const [received, decoded, silent, late, dropped] = await Promise.all(
    ["received", "decoded", "silent", "late", "dropped"].map(of),
  );
  assert.ok(decoded > 100, `${decoded} decoded`);
  assert.equal(dropped, 0);
  const held = received - decoded - silent - late - dropped;
  assert.ok(held >= 0 && held <= 21 * 6, `${held} held`);
  const seconds = (fate: string) => world.metric(`tiro_audio_seconds_total{fate="${fate}"}`);
  const [heard, sent, gated, cut] = await Promise.all(["decoded", "sent", "gated", "cut"].map(seconds));
  assert.ok(sent > 1, `${sent} s sent`);
  assert.ok(Math.abs(heard - sent - gated - cut) < 0.001, `${heard} = ${sent} + ${gated} + ${cut}`);
}
