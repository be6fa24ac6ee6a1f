/** People who dial in: a SIP bridge publishes what they all say, and each of them is a virtual session without audio. */
import assert from "@std/assert";
import { SipBridge } from "../fakes/sip_bridge.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { assertWellFormed, callOf, eventually, finals, isFinal, startWorld, type World } from "./world.ts";

/** A call with a listener, nobody at a microphone, and a bridge in it. */
async function dialIn(world: World) {
  const { call, listener } = await callOf(world, 0);
  const { hpbUrl, nextcloudUrl, internalSecret } = world.hpb;
  const bridge = await SipBridge.join({ hpbUrl, nextcloudUrl, internalSecret, roomToken: call.roomToken });
  const publisher = await weriftPublisherFactory(bridge.sessionId);
  return {
    call,
    listener,
    bridge,
    publish: () => world.hpb.hub.publish(bridge.sessionId, publisher),
    say: (words: readonly string[]) => publisher.say(padded(toneSpeech(words), 300, 300)),
    async [Symbol.asyncDispose]() {
      await bridge[Symbol.asyncDispose]();
      await call[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Who dials in is captioned under their own session, two of them under the bridge's", async () => {
  await using world = await startWorld();
  await using room = await dialIn(world);
  const { bridge, listener } = room;
  const first = await bridge.addCaller();
  room.publish();
  await world.heard(1);
  await room.say(["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  assert.deepEqual(finals(listener.transcripts, first.sessionId), ["red river"]);

  const second = await bridge.addCaller(11);
  await room.say(["north", "paper"]);
  await listener.until(isFinal(["paper"]), 10_000);
  assert.deepEqual(finals(listener.transcripts, bridge.sessionId), ["north paper"]);

  await first.hangUp();
  await room.say(["garden", "music"]);
  await listener.until(isFinal(["music"]), 10_000);
  assert.deepEqual(finals(listener.transcripts, second.sessionId), ["garden music"]);
  assertWellFormed(listener.transcripts);
  const asked = new Set(world.hpb.hub.offersRequested);
  assert.deepEqual([...asked], [bridge.sessionId], "callers have no audio of their own");
  assert.equal(await world.metric("transcription_speakers_active"), 1);
});

Deno.test("A recorder is asked for nothing", async () => {
  await using world = await startWorld();
  const { call } = await callOf(world, 0);
  await using _call = call;
  const { hpbUrl, nextcloudUrl, internalSecret } = world.hpb;
  await using recorder = await SipBridge.join({
    hpbUrl,
    nextcloudUrl,
    internalSecret,
    roomToken: call.roomToken,
    features: ["internal-incall"],
  });
  recorder.participant.send({ type: "internal", internal: { type: "incall", incall: { incall: 1 } } });
  await using speaker = await call.addSpeaker();
  await eventually("the speaker is heard", async () => await world.metric("tiro_speakers_heard") === 1);
  assert.deepEqual(world.hpb.hub.offersRequested, [speaker.sessionId]);
});
