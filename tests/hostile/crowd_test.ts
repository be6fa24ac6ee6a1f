/**
 * Many guests of one call whose timestamps claim 1.1 s for each packet of 20 ms, and an honest call on the same media
 * worker: it is captioned without a loss, and speech-to-text gets no more audio than time passes.
 *
 * HOSTILE_GUESTS=500 for a machine of its own; a media worker takes 350, so that there are two of them then.
 */
import assert from "@std/assert";
import { FakeNextcloud } from "../fakes/nextcloud.ts";
import { encodeOpus, padded, readSpeech } from "../fakes/speech.ts";
import { FakeModalServer } from "../fakes/stt.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";
import { baseUrl, eventually, metric, post, serviceFor } from "../integration/world.ts";
import { CallHpb } from "../load/call_hpb.ts";
import { PUBLISHERS, TURN_MS, TURN_PACKETS, turnOf } from "../load/marks.ts";
import { OwnRoom } from "../load/own_room.ts";
import { ownAddress } from "../real/janus.ts";

const GUESTS = Number(Deno.env.get("HOSTILE_GUESTS") ?? 50);
const WORKERS = GUESTS < 350 ? 1 : 2;
const DEADLINE_MS = 60_000 + 300 * GUESTS;
/** What the honest speaker says again and again, a turn each; the words are all different. */
const PHRASE = TONE_WORDS.slice(0, 10);
const TURNS = 3;
/** Of the RTP clock, from packet to packet. */
const STEP = 48 * 1_100;
/** How far media time may be ahead, and silence that pushes words out, ms. */
const AHEAD_MS = 5_000 + 3_000;
const HONEST = 0;

async function packetsOfAll() {
  const recorded = await readSpeech("meeting_rms");
  const { sampleRateHz } = recorded;
  const speech = toneSpeech(PHRASE, { sampleRateHz });
  const spokenMs = speech.samples.length / sampleRateHz * 1_000;
  const said = await encodeOpus(padded(speech, 100, TURN_MS - spokenMs - 100));
  assert.equal(said.length, TURN_PACKETS);
  const noise = await encodeOpus(turnOf(1, recorded));
  return {
    talk: Array.from({ length: PUBLISHERS }, (_, publisher) => publisher === HONEST ? said : noise),
    pause: noise,
  };
}

async function canSend(options: ConstructorParameters<typeof OwnRoom>[0]): Promise<boolean> {
  try {
    await new OwnRoom(options)[Symbol.asyncDispose]();
    return true;
  } catch {
    return false;
  }
}

const sfuOptions = {
  hostAddress: ownAddress(),
  packets: await packetsOfAll(),
  talkPercent: 100,
  impairments: { loss: 0, reorder: 0, jitterMs: 0 },
  timestampSteps: Array.from(
    { length: PUBLISHERS },
    (_, publisher) => publisher === HONEST ? 48 * 20 : STEP,
  ),
};

Deno.test({
  name: `${GUESTS} guests send timestamps 1.1 s apart: a call on the same media worker loses no word`,
  ignore: !await canSend(sfuOptions),
  async fn() {
    await using sfu = new OwnRoom(sfuOptions);
    await using hpb = new CallHpb(sfu);
    await using nextcloud = await FakeNextcloud.start({ secret: "backend-secret-of-the-crowd" });
    await using stt = FakeModalServer.start();
    const stack = { hpbUrl: hpb.url, internalSecret: hpb.internalSecret, nextcloudUrl: nextcloud.url };
    await using service = await serviceFor(stack, {
      STT_STREAM_URL: stt.url,
      MEDIA_WORKERS: String(WORKERS),
    });
    const base = baseUrl(service);
    const [theirs, ours] = [hpb.addRoom(1), hpb.addRoom(1)];
    const heard = (speakers: number) =>
      eventually(
        `${speakers} heard`,
        async () => await metric(base, "tiro_speakers_heard") >= speakers,
        DEADLINE_MS,
      );
    for (const { token: roomToken, listeners: [{ ncSessionId }] } of [theirs, ours]) {
      const response = await post(base, "/api/v1/call/transcribe", {
        roomToken,
        ncSessionId,
        enable: true,
        langId: "en",
      });
      assert.equal(response.status, 200, await response.text());
    }
    sfu.publishers.start();
    const [{ sessionId }] = hpb.join(ours, [HONEST]);
    const words: string[] = [];
    hpb.onTranscript = (speaker, message, final) => {
      if (final && speaker === sessionId) words.push(...message.split(" "));
    };
    await heard(1);
    await eventually("the honest speaker is captioned", () => words.length > 0, DEADLINE_MS);

    const startMs = performance.now();
    const before = stt.connections.reduce((sum, { receivedMs }) => sum + receivedMs, 0);
    const guests = hpb.join(theirs, Array.from({ length: GUESTS }, (_, at) => 1 + at % (PUBLISHERS - 1)));
    await heard(1 + GUESTS);
    await stt.until(() => stt.connections.length > GUESTS, DEADLINE_MS);
    const enough = words.length + TURNS * PHRASE.length;
    await eventually("the honest speaker's turns are read", () => words.length >= enough, DEADLINE_MS);

    const first = PHRASE.findIndex((word) => word === words[0]);
    const said = words.map((_, at) => PHRASE[(first + at) % PHRASE.length]);
    assert.deepEqual(words, said, "all that was said since the first word");
    const sentMs = stt.connections.reduce((sum, { receivedMs }) => sum + receivedMs, 0) - before;
    const passedMs = performance.now() - startMs;
    const mostMs = (1 + GUESTS) * (passedMs * 1.01 + AHEAD_MS);
    assert.ok(sentMs <= mostMs, `${sentMs} ms were sent, ${mostMs} are the most`);
    assert.ok(await metric(base, 'tiro_audio_seconds_total{fate="skipped"}') > 0, "they do claim more");
    assert.equal(await metric(base, 'tiro_queue_dropped_total{queue="rtp_inbox"}'), 0);
    await Promise.all([hpb.leave(theirs, guests), hpb.leave(ours, [...ours.speakers.values()])]);
  },
});
