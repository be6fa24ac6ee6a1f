/**
 * Two nodes of a real HPB that are one through NATS: what one of them sends is not what the other knows, and nobody
 * loses a word by it. The service and the people in the call are on the first node: the HPB carries audio from one node
 * to another through a proxy of its own, which Debian does not have.
 */
import assert from "@std/assert";
import type { TestSpeaker, Transcript } from "../fakes/call.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import {
  assertWellFormed,
  baseUrl,
  enable,
  eventually,
  finalText,
  metric,
  serviceFor,
} from "../integration/world.ts";
import { InternalClient } from "./internal_client.ts";
import { natsPath } from "./nats.ts";
import { installedHpbVersions, onRealStack, type RealCall, type RealStack } from "./stack.ts";

const DEADLINE_MS = 30_000;
/** Some five seconds of the toy language, no word twice. */
const WORDS = [
  ...["morning", "coffee", "window", "red", "north", "music"],
  ...["river", "seven", "garden", "train", "weather", "evening"],
];
/** Releases before 2.0 do not ask each other for internal sessions. */
const [hpbVersion] = installedHpbVersions().filter((version) => !version.startsWith("1."));
const missing = natsPath() === undefined
  ? "Debian's package nats-server is not installed"
  : hpbVersion === undefined
  ? "no HPB 2 is installed (scripts/install-hpb)"
  : undefined;

interface Clustered {
  stack: RealStack;
  base: string;
}

function onCluster(name: string, test: (world: Clustered) => Promise<void>): void {
  Deno.test({
    name: `Two nodes of HPB ${hpbVersion}: ${name}${missing ? ` (left out: ${missing})` : ""}`,
    ignore: missing !== undefined,
    fn: () =>
      onRealStack({ hpbVersion, cluster: true }, async (stack) => {
        await using stt = FakeKyutaiServer.start();
        await using service = await serviceFor(stack, {
          STT_PROVIDER: "modal",
          STT_STREAM_URL: stt.url,
          MEDIA_WORKERS: "", // as operators run it
        });
        await test({ stack, base: baseUrl(service) });
      }),
  });
}

onCluster(
  "An internal client joins on the second node mid-speech: every word of the first arrives",
  async (world) => {
    const { stack } = world;
    await using call = await stack.startCall();
    const listener = await call.addListener();
    await enable(world.base, call.roomToken, listener);
    const speakers = [await call.addSpeaker(), await call.addSpeaker()];
    await heard(world, 2);
    const saying = speakers.map((speaker, i) => say(speaker, i === 0 ? WORDS : WORDS.toReversed()));
    await listener.until(({ message }) => message.length > 0, DEADLINE_MS);
    const seen: unknown[][] = [];
    await using _recorder = await joinSecondNode(stack, call, (users) => seen.push(users));
    await Promise.all(saying);
    for (const [i, speaker] of speakers.entries()) {
      const said = i === 0 ? WORDS : WORDS.toReversed();
      await listener.until(isLast(speaker, said), DEADLINE_MS).catch(() =>
        assert.fail(`read only "${finalText(listener.transcripts, speaker.sessionId)}"`)
      );
      assert.equal(finalText(listener.transcripts, speaker.sessionId), said.join(" "));
    }
    assertWellFormed(listener.transcripts);
    assert.equal(await metric(world.base, 'tiro_offers_requested_total{reason="joined"}'), 2);
    assert.ok(
      seen.some((users) => users.length > 0 && users.every((user) => (user as { internal?: true }).internal)),
      "a node listed internal sessions alone, or this tests nothing",
    );
  },
);

async function heard({ base }: Clustered, speakers: number): Promise<void> {
  await eventually(
    "speakers heard",
    async () => await metric(base, "tiro_speakers_heard") === speakers,
    DEADLINE_MS,
  );
}

async function joinSecondNode(
  { secondHpbUrl, nextcloudUrl, internalSecret }: RealStack,
  { roomToken }: RealCall,
  onList: (users: unknown[]) => void,
): Promise<InternalClient> {
  return await InternalClient.join({ hpbUrl: secondHpbUrl, nextcloudUrl, internalSecret, roomToken, onList });
}

async function say(speaker: TestSpeaker, words: readonly string[]): Promise<void> {
  await speaker.say(padded(toneSpeech(words), 300, 300));
}

function isLast({ sessionId }: TestSpeaker, words: readonly string[]): (transcript: Transcript) => boolean {
  return ({ final, message, speakerSessionId }) =>
    final && speakerSessionId === sessionId && message.endsWith(words.at(-1)!);
}
