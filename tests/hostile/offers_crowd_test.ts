/**
 * Many guests of one call who write the offers that are asked for in the SFU's place, again and again, and an honest call
 * on the same media worker, which loses no word.
 *
 * HOSTILE_GUESTS=500 for a machine of its own; a media worker takes 350, so that there are two of them then.
 */
import assert from "@std/assert";
import type { PublisherFactory } from "../fakes/hpb_hub.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { callOf, eventually, finalText, say, startWorld } from "../integration/world.ts";
import { forgedOffer, Stranger } from "./forged_offers.ts";

const GUESTS = Number(Deno.env.get("HOSTILE_GUESTS") ?? 50);
const DEADLINE_MS = 60_000 + 300 * GUESTS;
/** For each time that they are asked. */
const OFFERS = 10;
const BYTES = 20_000;
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];

Deno.test(`${GUESTS} guests forge the offers they are asked for: a call on the same media worker loses no word`, async () => {
  let isHonest = true;
  const over = Promise.withResolvers<string>();
  over.promise.catch(() => {});
  const publishers: PublisherFactory = async (id) => {
    if (isHonest) return await weriftPublisherFactory(id);
    // The SFU's own offers never come.
    const nothing = () => Promise.resolve();
    return { offer: () => over.promise, answer: nothing, candidate: nothing, say: nothing, close: nothing };
  };
  const environment = { MEDIA_WORKERS: GUESTS < 350 ? "1" : "2" };
  await using world = await startWorld({ publishers, environment });
  const { hpb, metric } = world;
  await using ends = new AsyncDisposableStack();
  const { call, listener, speaker } = await callOf(world);
  ends.use(call);
  const theirs = ends.use(await hpb.startCall());
  ends.defer(() => over.reject(new Error("Cannot offer: the test is over")));
  const theirListener = await theirs.addListener();
  await world.enable(theirs.roomToken, theirListener);
  isHonest = false;
  using stranger = new Stranger("127.0.0.1");
  const guests = new Set<string>();
  let asked = hpb.hub.offersRequested.length;
  const forging = setInterval(() => {
    for (const from of hpb.hub.offersRequested.slice(asked)) {
      if (!guests.has(from)) continue;
      const data = forgedOffer({ from, sid: `sid${++sids}`, stranger, bytes: BYTES });
      const message = { sender: { type: "session", sessionid: from }, data };
      const text = JSON.stringify({ type: "message", message });
      for (let i = 0; i < OFFERS; i++) hpb.hub.sendToInternal(theirs.roomToken, text);
    }
    asked = hpb.hub.offersRequested.length;
  }, 50);
  let sids = 0;
  ends.defer(() => clearInterval(forging));

  const refused = () => metric('transcription_errors_total{type="answer_refused"}');
  for (let guest = 0; guest < GUESTS; guest++) guests.add((await theirs.addSpeaker()).sessionId);
  let rounds = 0;
  const endMs = performance.now() + DEADLINE_MS;
  while (rounds < 3 || await refused() < 2 * GUESTS) {
    assert.ok(performance.now() < endMs, "each guest's answer is refused twice");
    await say(speaker, PHRASE);
    const all = Array(++rounds).fill(PHRASE.join(" ")).join(" ");
    const read = () => finalText(listener.transcripts, speaker.sessionId);
    await eventually("all words read", () => read() === all, DEADLINE_MS)
      .catch(() => assert.equal(read(), all));
  }
  assert.equal(await metric('tiro_queue_dropped_total{queue="rtp_inbox"}'), 0);
  assert.equal(await metric("tiro_speakers_heard"), 1);
  // Those that came after the refusal, and all but the newest of those before.
  const dropped = await metric('tiro_queue_dropped_total{queue="offers"}') +
    await metric('tiro_signaling_ignored_total{reason="unasked"}');
  assert.ok(dropped > await refused(), `${dropped} were not answered`);
});
