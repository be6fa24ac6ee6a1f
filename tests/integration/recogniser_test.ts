/** A recogniser that is dead, refuses, or speaks another protocol: it shows, and captions come once it is mended. */
import assert from "@std/assert";
import { DEGRADED_HEADER } from "../../src/http/mod.ts";
import { padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { baseUrl, callOf, eventually, PHRASE, say, startWorld, type World } from "./world.ts";

/** What /healthz names. */
async function troublesOf(world: World): Promise<string[]> {
  const response = await fetch(`${baseUrl(world.service)}/healthz`);
  const { status } = await response.json();
  const header = response.headers.get(DEGRADED_HEADER);
  assert.equal(status, header === null ? "healthy" : "degraded");
  return header?.split(", ") ?? [];
}

for (const foreign of ["vosk", "moshi", "echo"]) {
  Deno.test(`A server that answers as "${foreign}" does is reported within ten seconds of voice`, async () => {
    await using world = await startWorld({ stt: { foreign } });
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    assert.deepEqual(await troublesOf(world), []);
    const talking = speaker.say(
      toneSpeech([...PHRASE, ...PHRASE]),
    );
    await eventually(
      "an error",
      async () => await world.metric('transcription_errors_total{type="stt_foreign"}') === 1,
    );
    assert.deepEqual(await troublesOf(world), ["recogniser_foreign"]);
    assert.equal(await world.metric('tiro_speakers_in_trouble{reason="recogniser_foreign"}'), 1);
    await talking;
    assert.equal(world.stt.handshakes, 1, "it is left alone for a while");
    assert.deepEqual(listener.transcripts, []);
  });
}

Deno.test("A recogniser out of reach is reported, and no longer once it is there", async () => {
  await using world = await startWorld();
  world.stt.refuseConnections = true;
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, PHRASE);
  await eventually("an error", async () => (await troublesOf(world)).length > 0);
  assert.deepEqual(await troublesOf(world), ["recogniser_unreachable"]);
  world.stt.refuseConnections = false;
  await speaker.say(padded(toneSpeech(["weather", "evening"]), 0, 2_000));
  await listener.until(({ message }) => message.includes("evening"), 20_000);
  await eventually("healthy", async () => (await troublesOf(world)).length === 0);
});

Deno.test("Refused credentials are reported", async () => {
  await using world = await startWorld({ stt: { requireHeaders: { key: "right", secret: "right" } } });
  const { call, speaker } = await callOf(world);
  await using _call = call;
  await say(speaker, PHRASE);
  await eventually("an error", async () => (await troublesOf(world)).length > 0);
  assert.deepEqual(await troublesOf(world), ["recogniser_refused"]);
});
