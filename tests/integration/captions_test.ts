/** What users see, end to end: real WebSockets, real WebRTC, real Opus; speech is the toy language of tones. */
import assert from "@std/assert";
import { padded, readSpeech } from "../fakes/speech.ts";
import { assertWellFormed, callOf, finals, finalText, isFinal, PHRASE, say, startWorld } from "./world.ts";
import { bestCorrelation, envelope, soundingMs } from "../fakes/envelope.ts";

Deno.test("A spoken phrase arrives as growing partials and one final, with language and speaker", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, PHRASE);
  await listener.until(isFinal(PHRASE), 10_000);
  const { transcripts } = listener;
  assertWellFormed(transcripts);
  assert.deepEqual(finals(transcripts), [PHRASE.join(" ")]);
  const partials = transcripts.filter(({ final }) => !final).map(({ message }) => message);
  assert.ok(partials.length >= 3, `${partials.length} partials`);
  for (const [index, partial] of partials.entries()) {
    assert.ok(PHRASE.join(" ").startsWith(partial));
    assert.ok(index === 0 || partial.length > partials[index - 1].length, "partials grow");
  }
  assert.ok(transcripts.every(({ langId }) => langId === "en"));
  assert.ok(transcripts.every(({ speakerSessionId }) => speakerSessionId === speaker.sessionId));
});

Deno.test("The audio that reaches speech-to-text is the audio spoken", async () => {
  await using world = await startWorld({ stt: { recogniser: { script: ["word"] } } });
  const { call, speaker } = await callOf(world);
  await using _call = call;
  const speech = await readSpeech("train_slt");
  await speaker.say(padded(speech, 500, 1_800));
  const [connection] = world.stt.connections;
  const received = concatenated(connection.samples);
  assert.ok(connection.frameBytes.every((bytes) => bytes % 4 === 0));
  assert.ok(received.every((sample) => sample >= -1 && sample <= 1));
  const heard = { samples: received, sampleRateHz: 24_000 };
  const correlation = bestCorrelation(envelope(speech), envelope(heard));
  assert.ok(correlation >= 0.97, `envelope correlation ${correlation}`);
  const ratio = soundingMs(heard) / soundingMs(speech);
  assert.ok(Math.abs(ratio - 1) <= 0.01, `duration ratio ${ratio}`);
});

Deno.test("Two rooms with three speakers each: every caption has its speaker, no text crosses rooms", async () => {
  await using world = await startWorld();
  const vocabulary = [
    ["red", "river", "train"],
    ["meeting", "morning", "seven"],
    ["north", "paper", "window"],
    ["garden", "music", "coffee"],
    ["weather", "evening", "red"],
    ["river", "seven", "garden"],
  ];
  const calls = await Promise.all([world.hpb.startCall(), world.hpb.startCall()]);
  const rooms = await Promise.all(calls.map(async (call, index) => {
    const listener = await call.addListener();
    await world.enable(call.roomToken, listener);
    const speakers = [await call.addSpeaker(), await call.addSpeaker(), await call.addSpeaker()];
    return { listener, speakers, phrases: vocabulary.slice(index * 3, index * 3 + 3) };
  }));
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
  for (const call of calls) await call[Symbol.asyncDispose]();
});

Deno.test("With CAPTION_PARTIALS=off only finals are sent", async () => {
  await using world = await startWorld({ environment: { CAPTION_PARTIALS: "off" } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, PHRASE);
  await listener.until(isFinal(PHRASE), 10_000);
  assert.deepEqual(listener.transcripts.map(({ message, final }) => [message, final]), [[
    PHRASE.join(" "),
    true,
  ]]);
});

Deno.test("The design's wire shape works as the deployed one does", async () => {
  await using world = await startWorld({ stt: { shape: "design" } });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, PHRASE);
  await listener.until(isFinal(PHRASE), 10_000);
  assertWellFormed(listener.transcripts);
  assert.deepEqual(finals(listener.transcripts), [PHRASE.join(" ")]);
});

Deno.test("Pieces of words that bring their own spaces are captioned as the text they are of", async () => {
  for (const shape of ["deployed", "design"] as const) {
    const script = [" Hello", ",", " we", "'ll", " trans", "crib", "e", " it", "."];
    await using world = await startWorld({ stt: { shape, design: "words", recogniser: { script } } });
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    await say(speaker, Array.from({ length: script.length + 3 }, () => "river")); // a piece takes about a word
    const final = await listener.until(({ final }) => final, 10_000);
    assertWellFormed(listener.transcripts);
    assert.ok("Hello, we'll transcribe it. Hello, we'll".startsWith(final.message), final.message);
    assert.ok(final.message.startsWith("Hello, we'll transcribe"), final.message);
  }
});

Deno.test("The ledger adds up: received = decoded + silent + late + dropped, and what is still held", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, PHRASE);
  await listener.until(isFinal(PHRASE), 10_000);
  const of = (fate: string) => world.metric(`tiro_audio_packets_total{fate="${fate}"}`);
  await call.end();
  await world.stt.until(() => world.stt.live === 0, 10_000);
  const [received, decoded, silent, late, dropped] = await Promise.all(
    ["received", "decoded", "silent", "late", "dropped"].map(of),
  );
  assert.ok(decoded > 100, `${decoded} decoded`);
  assert.equal(dropped, 0);
  // Opus held for its pre-roll when the speaker left: 400 ms at most, and one packet on its way.
  const held = received - decoded - silent - late - dropped;
  assert.ok(held >= 0 && held <= 21, `${held} held`);
});

function concatenated(chunks: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
