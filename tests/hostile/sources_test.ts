/**
 * A publisher whose packets have an SSRC each, behind an SFU that passes them on (a real Janus drops those that were
 * not signalled): the subscription stands, speech-to-text gets no more than time passes, who speaks beside them loses no
 * word, and neither do they once they speak as others do.
 */
import assert from "@std/assert";
import { SfuPublisher } from "../fakes/sfu.ts";
import { padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { callOf, eventually, finalText, startWorld } from "../integration/world.ts";

const DEADLINE_MS = 30_000;
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];
const AHEAD_MS = 5_000 + 3_000;
/** More than it takes for silence to count as trouble. */
const ROUNDS = 3;

Deno.test("A publisher sends a new SSRC with each packet: nothing more is sent or requested, and nobody loses a word", async () => {
  const publishers: SfuPublisher[] = [];
  await using world = await startWorld({
    publishers: async () => {
      const publisher = await SfuPublisher.start();
      publishers.push(publisher);
      return publisher;
    },
  });
  const { call, listener, speakers: [first, second] } = await callOf(world, 2);
  await using _call = call;
  const words = PHRASE.join(" ");
  const speech = padded(toneSpeech(PHRASE), 300, 300);
  /** Publishers and speakers may be in any order: who said it is seen. */
  const readOf = (count: number) => {
    const all = Array(count).fill(words).join(" ");
    return [first, second].filter(({ sessionId }) => finalText(listener.transcripts, sessionId) === all);
  };

  const startMs = performance.now();
  const [hostile, honest] = publishers;
  hostile.disguise((header, packet) => {
    header.ssrc = 1_000 + packet;
    header.timestamp = packet * 48 * 1_100 >>> 0;
  });
  for (let round = 1; round <= ROUNDS; round++) {
    await Promise.all([honest.say(speech), hostile.say(speech)]);
    await eventually("all words read", () => readOf(round).length === 1, DEADLINE_MS);
  }
  const [{ sessionId: honestId }] = readOf(ROUNDS);
  const sentMs = world.stt.connections.reduce((sum, { receivedMs }) => sum + receivedMs, 0);
  const passedMs = performance.now() - startMs;
  assert.ok(sentMs <= 2 * (passedMs * 1.01 + AHEAD_MS), `${sentMs} ms sent for two in ${passedMs} ms`);
  assert.ok(await world.metric('tiro_rtp_refused_total{reason="too_many_sources"}') > 100);
  assert.equal(
    await world.metric('tiro_offers_requested_total{reason="rtp_silent"}'),
    0,
    "none is asked for",
  );

  hostile.disguise(undefined);
  const guest = [first, second].find(({ sessionId }) => sessionId !== honestId)!;
  const before = finalText(listener.transcripts, guest.sessionId);
  await hostile.say(speech);
  const read = () => finalText(listener.transcripts, guest.sessionId);
  await eventually("their words are read", () => read().endsWith(words), DEADLINE_MS)
    .catch(() => assert.equal(read(), `${before} ${words}`));
});
