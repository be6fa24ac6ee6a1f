/** A participant sends offers in the SFU's place as fast as they can: what is kept of them, and what others receive. */
import assert from "@std/assert";
import { createSocket } from "node:dgram";
import type { PublisherFactory } from "../fakes/hpb_hub.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { forgedOffer, Stranger } from "../hostile/forged_offers.ts";
import { callOf, eventually, finalText, isFinal, say, startWorld } from "./world.ts";

/** Twenty seconds of 300 a second. */
const OFFERS = 6_000;
/** Nearly as long as an offer may be. */
const BYTES = 32_000;
/** Of an address that does not answer, over 3 s. */
const CHECKS = 7;
const WORDS = ["red", "river", "morning", "train"];

Deno.test("A flood of offers beside a silent STUN server: two of a request are kept, and the speaker beside it loses no word", async () => {
  let isSilent = false;
  const over = Promise.withResolvers<string>();
  const publishers: PublisherFactory = async (id) => {
    const publisher = await weriftPublisherFactory(id);
    // The SFU's own offer never comes.
    const offer = publisher.offer.bind(publisher);
    publisher.offer = (...subscription) => isSilent ? over.promise : offer(...subscription);
    return publisher;
  };
  const stun = createSocket("udp4");
  await new Promise<void>((resolve) => stun.bind(0, "127.0.0.1", resolve));
  {
    await using world = await startWorld({ publishers });
    const { hpb, metric } = world;
    hpb.nextcloud.settings.stunservers = [{ urls: [`stun:127.0.0.1:${stun.address().port}`] }];
    await using ends = new AsyncDisposableStack();
    const { call, listener, speaker } = await callOf(world);
    ends.use(call);
    ends.defer(() => over.reject(new Error("Cannot offer: the test is over")));
    isSilent = true;
    const guest = await call.addSpeaker();
    await eventually("the guest is asked for", () => hpb.hub.offersRequested.includes(guest.sessionId));
    using stranger = new Stranger("127.0.0.1");
    const text = JSON.stringify({
      type: "message",
      message: {
        sender: { type: "session", sessionid: guest.sessionId },
        data: forgedOffer({ from: guest.sessionId, stranger, bytes: BYTES }),
      },
    });
    const spoken = say(speaker, WORDS);
    for (let sent = 0; sent < OFFERS; sent++) {
      hpb.hub.sendToInternal(call.roomToken, text);
      // The HPB's socket sends, and the service's receives.
      if (sent % 50 === 49) await new Promise((resolve) => setTimeout(resolve));
    }
    await spoken;
    await listener.until(isFinal(WORDS), 20_000);
    const dropped = async () =>
      await metric('tiro_queue_dropped_total{queue="offers"}') +
      await metric('tiro_signaling_ignored_total{reason="unasked"}');
    // Of each request the first is under way, and one waits.
    const kept = () => 2 * hpb.hub.offersRequested.filter((id) => id === guest.sessionId).length;
    await eventually(
      "all other offers are counted as dropped",
      async () => await dropped() >= OFFERS - kept(),
    );
    assert.ok(kept() < 20, "who is refused is asked for ever more slowly");
    await eventually(
      "the answer is refused",
      async () => await metric('transcription_errors_total{type="answer_refused"}') >= 1,
    );
    assert.equal(await metric("tiro_speakers_heard"), 1);
    assert.equal(await metric('tiro_signaling_reconnects_total{kind="rejoined"}'), 0);
  }
  await new Promise<void>((resolve) => stun.close(resolve));
});

Deno.test("Who forges the offer that is asked for is left once the HPB refuses the answer, on a worker too", async () => {
  let isSilent = false;
  const over = Promise.withResolvers<string>();
  const publishers: PublisherFactory = async (id) => {
    const publisher = await weriftPublisherFactory(id);
    const offer = publisher.offer.bind(publisher);
    publisher.offer = (...subscription) => isSilent ? over.promise : offer(...subscription);
    return publisher;
  };
  await using world = await startWorld({ publishers, environment: { MEDIA_WORKERS: "1" } });
  const { hpb, metric } = world;
  await using ends = new AsyncDisposableStack();
  const { call, listener, speaker } = await callOf(world);
  ends.use(call);
  ends.defer(() => over.reject(new Error("Cannot offer: the test is over")));
  isSilent = true;
  const { sessionId: from } = await call.addSpeaker();
  await eventually("the guest is asked for", () => hpb.hub.offersRequested.includes(from));
  using stranger = new Stranger("127.0.0.1");
  const message = { sender: { type: "session", sessionid: from }, data: forgedOffer({ from, stranger }) };
  hpb.hub.sendToInternal(call.roomToken, JSON.stringify({ type: "message", message }));
  const refused = () => metric('transcription_errors_total{type="answer_refused"}');
  await eventually("the answer is refused", async () => await refused() === 1);
  const asked = () => hpb.hub.offersRequested.filter((id) => id === from).length;
  await eventually("the guest is asked for again", () => asked() === 2);
  // As long as it takes to send all checks of a connection that is kept.
  for (let time = 0; time < 3; time++) {
    await say(speaker, WORDS);
    await eventually(
      "all words read",
      () =>
        finalText(listener.transcripts, speaker.sessionId) ===
          Array(time + 1).fill(WORDS.join(" ")).join(" "),
    );
  }
  assert.ok(stranger.received < CHECKS, `${stranger.received} checks were sent`);
});

Deno.test("What a participant writes in the place of a text costs that message, not the room", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const odd = { length: { toString: 1, valueOf: 1 } };
  for (const data of [{ type: "offer", sid: odd }, { type: "offer", sid: "1", payload: { sdp: odd } }]) {
    const message = { sender: { type: "session", sessionid: speaker.sessionId }, data };
    world.hpb.hub.sendToInternal(call.roomToken, JSON.stringify({ type: "message", message }));
  }
  await say(speaker, WORDS);
  await listener.until(isFinal(WORDS), 10_000);
  assert.equal(await world.metric('tiro_signaling_ignored_total{reason="invalid"}'), 2);
});
