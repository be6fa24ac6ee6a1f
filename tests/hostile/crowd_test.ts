/**
 * Many guests of one call whose timestamps claim 1.1 s for each packet of 20 ms, and an honest call on the same media
 * worker: it is captioned without a loss, and speech-to-text gets no more audio than time passes. The service is a
 * process of its own, and so is the stand-in for speech-to-text.
 *
 * HOSTILE_GUESTS=500 for a machine of its own; a media worker takes 350, so that there are two of them then.
 */
import assert from "@std/assert";
import { encodeOpus, padded, readSpeech } from "../fakes/speech.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";
import { eventually, post } from "../integration/world.ts";
import type { LoadSpeaker } from "../load/call_hpb.ts";
import { LoadScene } from "../load/load_scene.ts";
import { PUBLISHERS, TURN_MS, TURN_PACKETS, turnOf } from "../load/marks.ts";
import { OwnRoom } from "../load/own_room.ts";

const GUESTS = Number(Deno.env.get("HOSTILE_GUESTS") ?? 50);
const WORKERS = GUESTS < 350 ? 1 : 2;
const DEADLINE_MS = 60_000 + 200 * GUESTS;
/** What the honest speaker repeats, in rotation; the words are all different. */
const PHRASE = TONE_WORDS.slice(0, 10);
const TURNS = 2;
/** Of the RTP clock, from packet to packet. */
const STEP = 48 * 1_100;
/** How far media time may be ahead, and silence that pushes words out, ms. */
const AHEAD_MS = 5_000 + 3_000;
/** Both ends' key exchanges are made on this machine. */
const JOIN_TOGETHER = 50;
/** A voice that the toy language's recogniser need not look into: hundreds of them would cost it a core. */
const QUIET = 0.1;
/**
 * Packets that are held back for longer, by a machine that is busy, may have silence put in their place: a word that is
 * cut in two by it is read twice.
 */
const HELD_BACK_MS = 300;
/** The publisher whose timestamps are right. */
const HONEST = 0;

async function saidByAll() {
  const recorded = await readSpeech("meeting_rms");
  const { sampleRateHz } = recorded;
  const speech = toneSpeech(PHRASE, { sampleRateHz });
  const spokenMs = speech.samples.length / sampleRateHz * 1_000;
  const said = await encodeOpus(padded(speech, 100, TURN_MS - spokenMs - 100));
  assert.equal(said.length, TURN_PACKETS);
  const voice = turnOf(1, recorded).samples.map((sample) => QUIET * sample);
  const theirs = await encodeOpus({ samples: voice, sampleRateHz });
  const each = Array.from({ length: PUBLISHERS }, (_, publisher) => publisher === HONEST);
  return {
    packets: { talk: each.map((isHonest) => isHonest ? said : theirs), pause: theirs },
    timestampSteps: each.map((isHonest) => isHonest ? 48 * TURN_MS / TURN_PACKETS : STEP),
  };
}

const sending = { talkPercent: 100, impairments: { loss: 0, reorder: 0, jitterMs: 0 } };
const said = await saidByAll();

async function canSend(): Promise<boolean> {
  try {
    await new OwnRoom({ hostAddress: "127.0.0.1", ...sending, ...said })[Symbol.asyncDispose]();
    return true;
  } catch {
    return false;
  }
}

Deno.test({
  name: `${GUESTS} guests send timestamps 1.1 s apart: a call on the same media worker loses no word`,
  ignore: !await canSend(),
  async fn() {
    await using scene = await LoadScene.start({
      ...sending,
      said,
      sfu: "own",
      rooms: 0,
      listenersPerRoom: 1,
      environment: { MEDIA_WORKERS: String(WORKERS) },
      denoArgs: [],
    });
    const { hpb, service } = scene;
    const [theirs, ours] = [hpb.addRoom(1), hpb.addRoom(1)];
    for (const { token: roomToken, listeners: [{ ncSessionId }] } of [theirs, ours]) {
      const body = { roomToken, ncSessionId, enable: true, langId: "en" };
      const response = await post(service.baseUrl, "/api/v1/call/transcribe", body);
      assert.equal(response.status, 200, await response.text());
    }
    const words: string[] = [];
    const speakers = hpb.join(ours, [HONEST]);
    hpb.onTranscript = (speaker, message, final) => {
      if (final && speaker === speakers[0].sessionId) words.push(...message.split(" "));
    };
    await eventually("the honest speaker is captioned", () => words.length > 0, DEADLINE_MS);

    const startMs = performance.now();
    const { audioMs } = await scene.sttNumbers();
    const guests: LoadSpeaker[] = [];
    while (guests.length < GUESTS) {
      const more = Array.from({ length: Math.min(JOIN_TOGETHER, GUESTS - guests.length) });
      guests.push(...hpb.join(theirs, more.map((_, at) => 1 + (guests.length + at) % (PUBLISHERS - 1))));
      await eventually(
        "all are heard",
        async () => (await scene.metrics()).value("tiro_speakers_heard") > guests.length,
        DEADLINE_MS,
      );
    }
    await eventually("a voice of each", async () => (await scene.sttNumbers()).live > GUESTS, DEADLINE_MS);
    const enough = words.length + TURNS * PHRASE.length;
    await eventually("the honest speaker's turns are read", () => words.length >= enough, DEADLINE_MS);

    const areHeldBack = scene.sfu.publishers.lateMs.some((lateMs) => lateMs > HELD_BACK_MS);
    const read = areHeldBack ? words.filter((word, at) => word !== words[at - 1]) : words;
    const first = PHRASE.findIndex((word) => word === read[0]);
    assert.deepEqual(
      read,
      read.map((_, at) => PHRASE[(first + at) % PHRASE.length]),
      "all that was said since the first word",
    );
    const sentMs = (await scene.sttNumbers()).audioMs - audioMs;
    const mostMs = (1 + GUESTS) * ((performance.now() - startMs) * 1.01 + AHEAD_MS);
    assert.ok(sentMs <= mostMs, `${sentMs} ms were sent, ${mostMs} are the most`);
    const metrics = await scene.metrics();
    assert.ok(metrics.value('tiro_audio_seconds_total{fate="skipped"}') > 0, "they do claim more");
    await Promise.all([hpb.leave(theirs, guests), hpb.leave(ours, speakers)]);
  },
});
