/** A speaker whose connection is never made is seen from outside, while all others are captioned. */
import assert from "@std/assert";
import type { PublisherFactory } from "../fakes/hpb_hub.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { baseUrl, callOf, eventually, say, startWorld, type World } from "./world.ts";

/** Three attempts of 3 s and the waits between them; a busy machine takes longer. */
const REPORTED_MS = 40_000;

const troubled = (world: World) => world.metric('tiro_speakers_in_trouble{reason="not_connected"}');

async function health(world: World): Promise<[string, string | null]> {
  const response = await fetch(`${baseUrl(world.service)}/healthz`);
  return [(await response.json()).status, response.headers.get("x-tiro-degraded")];
}

Deno.test("A speaker whose SFU answers no check is counted and makes the service degraded, until it answers", async () => {
  let isDeaf = false;
  const publishers: PublisherFactory = async (id) => {
    const publisher = await weriftPublisherFactory(id);
    const answer = publisher.answer.bind(publisher);
    // It does not answer an offer it never gets.
    publisher.answer = async (sid, sdp) => isDeaf ? undefined : await answer(sid, sdp);
    return publisher;
  };
  await using world = await startWorld({ publishers });
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  isDeaf = true;
  await call.addSpeaker();
  assert.deepEqual(await health(world), ["healthy", null]);
  await eventually("reported", async () => await troubled(world) === 1, REPORTED_MS);
  assert.deepEqual(await health(world), ["degraded", "not_connected"]);
  assert.equal(await world.metric('transcription_errors_total{type="not_connected"}'), 1);
  assert.equal(await world.metric('tiro_offers_requested_total{reason="no_pair"}'), 2);
  await say(speaker, ["red", "river"]);
  await listener.until(({ message, final }) => final && message.endsWith("river"), 10_000);

  isDeaf = false;
  await world.heard(2);
  assert.deepEqual(await health(world), ["healthy", null]);
  assert.equal(await troubled(world), 0);
  assert.equal(await world.metric('transcription_errors_total{type="not_connected"}'), 1);
});
