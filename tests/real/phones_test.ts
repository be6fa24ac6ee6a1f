/**
 * People who dial in, through a real HPB: an internal client publishes their mixed audio and adds a virtual session
 * for each. The HPB's lists name these as `virtual`, with the flags it was given, and Nextcloud's lists may name them too.
 */
import assert from "@std/assert";
import type { TestParticipant } from "../fakes/call.ts";
import { type Caller, SipBridge } from "../fakes/sip_bridge.ts";
import { encodeOpus, padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import {
  assertWellFormed,
  baseUrl,
  enable,
  eventually,
  finals,
  isFinal,
  metric,
  serviceFor,
} from "../integration/world.ts";
import { installedHpbVersions, onRealStack, type RealCall, type RealStack } from "./stack.ts";
import { WeriftPublisher } from "./werift_speaker.ts";

const DEADLINE_MS = 30_000;

for (const hpbVersion of installedHpbVersions()) {
  const onService = (name: string, test: (stack: RealStack, base: string) => Promise<void>) =>
    Deno.test(`HPB ${hpbVersion}: ${name}`, () =>
      onRealStack({ hpbVersion }, async (stack) => {
        await using stt = FakeKyutaiServer.start();
        await using service = await serviceFor(stack, {
          STT_PROVIDER: "modal",
          STT_STREAM_URL: stt.url,
          MEDIA_WORKERS: "", // as operators run it
        });
        await test(stack, baseUrl(service));
      }));

  onService(
    "Who dials in is captioned under their own session, two of them under the bridge's",
    async (stack, base) => {
      await using call = await stack.startCall();
      const listener = await call.addListener();
      await enable(base, call.roomToken, listener);
      await using bridge = await join(stack, call);
      const publisher = await WeriftPublisher.publish(bridge.participant);
      await using _closing = { [Symbol.asyncDispose]: () => publisher.close() };
      const first = await bridge.addCaller();
      await heard(base, 1);
      const say = async (words: readonly string[]) =>
        await publisher.play(await encodeOpus(padded(toneSpeech(words), 300, 300)));

      await say(["red", "river"]);
      await assertFinal(listener, first.sessionId, ["red", "river"]);

      const second = await bridge.addCaller(11);
      await announce(stack, call, listener, [first, second]);
      await say(["north", "paper"]);
      await assertFinal(listener, bridge.sessionId, ["north", "paper"]);

      await first.hangUp();
      await say(["garden", "music"]);
      await assertFinal(listener, second.sessionId, ["garden", "music"]);
      assertWellFormed(listener.transcripts);
      assert.equal(
        await metric(base, "transcription_speakers_active"),
        1,
        "callers have no audio of their own",
      );
      assert.equal(await metric(base, 'tiro_offers_requested_total{reason="refused"}'), 0);
    },
  );

  onService("A recorder, and another service like this one, are asked for nothing", async (stack, base) => {
    await using call = await stack.startCall();
    const listener = await call.addListener();
    await enable(base, call.roomToken, listener);
    await using recorder = await join(stack, call, ["internal-incall"]);
    recorder.participant.send({ type: "internal", internal: { type: "incall", incall: { incall: 1 } } });
    await using stt = FakeKyutaiServer.start();
    await using other = await serviceFor(stack, { STT_PROVIDER: "modal", STT_STREAM_URL: stt.url });
    await enable(baseUrl(other), call.roomToken, listener);
    await using _speaker = await call.addSpeaker();
    for (const each of [base, baseUrl(other)]) {
      await heard(each, 1);
      assert.equal(await metric(each, "transcription_speakers_active"), 1);
      assert.equal(await metric(each, 'tiro_offers_requested_total{reason="joined"}'), 1);
    }
  });
}

function join(
  { directHpbUrl: hpbUrl, nextcloudUrl, internalSecret }: RealStack,
  { roomToken }: RealCall,
  features?: string[],
): Promise<SipBridge> {
  return SipBridge.join({ hpbUrl, nextcloudUrl, internalSecret, roomToken, features });
}

/** Talk lists callers as well, by the id the HPB sent: the virtual session's. */
function announce(
  { nextcloud, directHpbUrl }: RealStack,
  { roomToken }: RealCall,
  { ncSessionId }: TestParticipant,
  callers: readonly Caller[],
): Promise<void> {
  const named = callers.map(({ sessionId }) => ({ ncSessionId: sessionId, inCall: 9 }));
  return nextcloud.setInCall(directHpbUrl, roomToken, [{ ncSessionId, inCall: 1 }, ...named]);
}

async function heard(base: string, speakers: number): Promise<void> {
  await eventually(
    "speakers heard",
    async () => await metric(base, "tiro_speakers_heard") === speakers,
    DEADLINE_MS,
  );
}

async function assertFinal(
  listener: TestParticipant,
  sessionId: string,
  words: readonly string[],
): Promise<void> {
  await listener.until(isFinal(words), DEADLINE_MS);
  assert.deepEqual(finals(listener.transcripts, sessionId), [words.join(" ")]);
}
