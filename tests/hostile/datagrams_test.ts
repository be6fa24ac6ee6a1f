/**
 * Garbage at a speaker's UDP port on real servers, from strangers and in the SFU's name: every word of theirs and of the
 * others arrives, and the subscription stands. Words are those of the fake recogniser's toy language.
 */
import assert from "@std/assert";
import type { TestParticipant, TestSpeaker } from "../fakes/call.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { baseUrl, enable, eventually, finalText, metric, serviceFor } from "../integration/world.ts";
import { type MediaPath, mediaPaths } from "../real/janus_admin.ts";
import { installedHpbVersions, onRealStack } from "../real/stack.ts";
import { Flooding } from "./flooding.ts";
import { GARBAGE, type Garbage } from "./garbage.ts";
import { RawUdp } from "./raw_udp.ts";

const DEADLINE_MS = 30_000;
const BITS_PER_SECOND = 10_000_000;
/** Who writes the SFU's address into datagrams is not kept out by the kernel, and fills the buffer above this. */
const IN_THE_SFUS_NAME_BITS_PER_SECOND = 1_000_000;
/** Of the sum of a counter. */
const REFUSED = "tiro_datagrams_refused_total";
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];
const OTHER_PHRASE = PHRASE.toReversed();

/** A call with two speakers, the first of whom is attacked. */
interface Attacked {
  path: MediaPath;
  /** Both say all they have to say, and all of it is read. */
  bothSpeak(): Promise<void>;
  refused(): Promise<number>;
}

const [hpbVersion = "none"] = installedHpbVersions().toReversed();

function onCall(name: string, test: (attacked: Attacked) => Promise<void>, ignore = false): void {
  Deno.test({ name, ignore }, () =>
    onRealStack({ hpbVersion }, async (stack) => {
      await using server = FakeKyutaiServer.start();
      await using service = await serviceFor(stack, {
        STT_PROVIDER: "modal",
        STT_STREAM_URL: server.url,
        MEDIA_WORKERS: "2",
      });
      const base = baseUrl(service);
      const heard = (count: number) =>
        eventually("speakers heard", async () =>
          await metric(base, "tiro_speakers_heard") === count, DEADLINE_MS);
      await using call = await stack.startCall();
      const listener = await call.addListener();
      const speaker = await call.addSpeaker();
      await enable(base, call.roomToken, listener);
      await heard(1);
      const [path] = await mediaPaths(stack.janusAdmin);
      const other = await call.addSpeaker();
      await heard(2);
      let rounds = 0;
      await test({
        path,
        refused: () =>
          sumOf(base, REFUSED),
        bothSpeak: async () => {
          rounds++;
          await Promise.all([
            assertRead(listener, speaker, PHRASE, rounds),
            assertRead(listener, other, OTHER_PHRASE, rounds),
          ]);
        },
      });
      assert.equal(await sumOf(base, "tiro_offers_requested_total"), 2, "each subscription is the first");
      assert.equal(await metric(base, "tiro_speakers_heard"), 2);
    }));
}

async function sumOf(base: string, counter: string): Promise<number> {
  const text = await (await fetch(`${base}/metrics`)).text();
  const values = [...text.matchAll(new RegExp(`^${counter}(?:\\{.*\\})? (\\d+)$`, "gm"))];
  return values.reduce((sum, [, value]) => sum + Number(value), 0);
}

async function assertRead(
  listener: TestParticipant,
  speaker: TestSpeaker,
  words: readonly string[],
  rounds: number,
): Promise<void> {
  await speaker.say(padded(toneSpeech(words), 300, 300));
  const all = Array(rounds).fill(words.join(" ")).join(" ");
  const read = () => finalText(listener.transcripts, speaker.sessionId);
  await eventually("all words read", () => read() === all, DEADLINE_MS)
    .catch(() => assert.equal(read(), all));
}

const kinds = Object.keys(GARBAGE) as Garbage[];

for (const kind of kinds) {
  onCall(
    `10 Mbit/s of ${kind} from strangers: every word of everybody arrives`,
    async ({ path, ...call }) => {
      await call.bothSpeak();
      await using flooding = await Flooding.start({
        kind,
        to: path.subscriber,
        bitsPerSecond: BITS_PER_SECOND,
      });
      await call.bothSpeak();
      await call.bothSpeak();
      const sent = await flooding.stop();
      await eventually("refusals counted", async () => await call.refused() > sent / 2, DEADLINE_MS);
    },
  );
}

onCall("Each kind of garbage once, in the SFU's name: every word of everybody arrives", async (attacked) => {
  using raw = new RawUdp();
  await attacked.bothSpeak();
  for (const kind of kinds) {
    for (let i = 0; i < 5; i++) raw.send(GARBAGE[kind](), attacked.path.janus, attacked.path.subscriber);
  }
  await attacked.bothSpeak();
  // RTP is counted elsewhere, and random bytes may look like it.
  await eventually("refusals counted", async () => await attacked.refused() >= 5 * (kinds.length - 2));
}, !RawUdp.isAllowed);

onCall(
  "1 Mbit/s of all kinds in the SFU's name: every word of everybody arrives",
  async ({ path, ...call }) => {
    await using floods = new AsyncDisposableStack();
    for (const kind of kinds) {
      const bitsPerSecond = IN_THE_SFUS_NAME_BITS_PER_SECOND / kinds.length;
      floods.use(await Flooding.start({ kind, to: path.subscriber, from: path.janus, bitsPerSecond }));
    }
    await call.bothSpeak();
    await call.bothSpeak();
  },
  !RawUdp.isAllowed,
);
