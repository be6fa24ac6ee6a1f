/** Speech that is taken as it comes, late, or again: always the same audio, each piece once. */
import assert from "@std/assert";
import { AudioLedger, type PcmFrame } from "../domain/mod.ts";
import { seededRandom } from "../audio/testing_test.ts";
import { encodeOpus, padded } from "../../tests/fakes/speech.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { TONE_WORDS, ToneRecogniser, toneSpeech } from "../../tests/fakes/tones.ts";
import { RtpVoice } from "./rtp_voice.ts";

const RATE = 16_000;
const WORDS = TONE_WORDS.slice(0, 10);
const PACKETS = await encodeOpus(padded(toneSpeech(WORDS), 500, 1_500));

function setup({ chunkMs = 200 } = {}) {
  const ledger = new AudioLedger();
  const meter = new FakeMeter();
  const speech = new RtpVoice({ sampleRateHz: RATE, chunkMs, ledger, meter, takeDropped: () => 0 });
  let sequence = 0;
  let mark = 0;
  const chunks: PcmFrame[] = [];
  return {
    ledger,
    meter,
    speech,
    chunks,
    /** The next packet comes, 20 ms after the one before. */
    receive: (payload: Uint8Array) => {
      ledger.add("received");
      const arrivedMs = 20 * sequence;
      speech.receive({ sequence, timestamp: 960 * sequence++, ssrc: 1, payload, arrivedMs }, arrivedMs);
    },
    /** The next packet never comes. */
    skip: () => void sequence++,
    /** Takes all there is, or so many chunks. */
    take: (most = Infinity) => {
      for (let taken = 0; taken < most; taken++) {
        const chunk = speech.chunks.take(() => ++mark);
        if (!chunk) return;
        chunks.push({ ...chunk, samples: chunk.samples.slice() });
      }
    },
    newestMark: () => mark,
    [Symbol.dispose]: () => speech[Symbol.dispose](),
  };
}

/** All that is said, taken as it comes. */
function undisturbed(chunkMs?: number): PcmFrame[] {
  using world = setup({ chunkMs });
  for (const packet of PACKETS) {
    world.receive(packet);
    world.take();
  }
  world.speech.flush();
  world.take();
  return world.chunks;
}

function wordsOf(chunks: readonly PcmFrame[]): string[] {
  const recogniser = new ToneRecogniser(RATE);
  return chunks.flatMap(({ samples }) => recogniser.receive(samples)).map(({ word }) => word);
}

function lengthMs(chunks: readonly PcmFrame[]): number {
  return chunks.reduce((sum, { samples }) => sum + samples.length, 0) / RATE * 1_000;
}

/** No hole and no overlap: each chunk begins where the one before ended. */
function assertContinuous(chunks: readonly PcmFrame[]): void {
  for (const [index, { startMs }] of chunks.slice(1).entries()) {
    const { startMs: beforeMs, samples } = chunks[index];
    assert.ok(Math.abs(startMs - beforeMs - samples.length / RATE * 1_000) < 0.1, `at ${startMs} ms`);
  }
}

Deno.test("Chunks that are taken as they come are decoded once, and say all words", () => {
  const chunks = undisturbed();
  assert.deepEqual(wordsOf(chunks), WORDS);
  assertContinuous(chunks);
  assert.ok(chunks.slice(0, -1).every(({ samples }) => samples.length === RATE / 5));
  assert.equal(chunks.at(-1)?.endOfVoice, true);
});

Deno.test("Chunks that are taken at the end, all at once, are the same audio", () => {
  using world = setup();
  for (const packet of PACKETS) world.receive(packet);
  assert.ok(world.speech.chunks.hasSpeech(0));
  world.take();
  world.speech.flush();
  world.take();
  const expected = undisturbed();
  assert.deepEqual(
    world.chunks.map(({ startMs, samples, voiced, endOfVoice, receivedAtMs }) => [
      startMs,
      samples.length,
      voiced,
      endOfVoice,
      receivedAtMs,
    ]),
    expected.map(({ startMs, samples, voiced, endOfVoice, receivedAtMs }) => [
      startMs,
      samples.length,
      voiced,
      endOfVoice,
      receivedAtMs,
    ]),
  );
  assert.deepEqual(wordsOf(world.chunks), WORDS);
  assert.equal(world.ledger.sentMs, lengthMs(world.chunks));
  assert.equal(world.speech.chunks.hasSpeech(0), false);
});

Deno.test("A reader that has caught up takes audio as it is decoded, without a pause in the speech", () => {
  using world = setup();
  const { speech } = world;
  const endless = [1, 2, 3].flatMap(() => PACKETS.slice(30, 190));
  let next = 0;
  while (next < 200) world.receive(endless[next++]);
  assert.equal(speech.chunks.isLive, false);
  /** As the feed does: as many packets as are wanted, then all that they made. */
  while (next < 300) {
    for (let wanted = speech.inputsWanted; wanted > 0; wanted--) world.receive(endless[next++]);
    while (speech.chunks.hasSpeech(20 * next)) world.take(1);
  }
  assert.equal(speech.chunks.isLive, true);
  assertContinuous(world.chunks);
});

Deno.test("However a taker comes and goes, each piece of the speech is taken once and in its place", () => {
  const expected = undisturbed();
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const chunkMs = seed % 2 === 0 ? 200 : 130; // no whole number of packets
    using world = setup({ chunkMs });
    let stallPackets = 0;
    for (const packet of PACKETS) {
      world.receive(packet);
      if (random() < 0.03) stallPackets = Math.floor(random() * 100);
      if (stallPackets-- > 0) continue;
      world.take(random() < 0.5 ? 1 : Infinity);
    }
    world.speech.flush();
    world.take();
    assertContinuous(world.chunks);
    assert.equal(lengthMs(world.chunks), lengthMs(expected), `seed ${seed}`);
    assert.deepEqual(wordsOf(world.chunks), WORDS, `seed ${seed}`);
    const { ledger } = world;
    assert.equal(ledger.sentMs, lengthMs(world.chunks));
    assert.deepEqual([ledger.droppedMs, ledger.lost, ledger.late], [0, 0, 0]);
    assert.equal(ledger.decodedMs, ledger.sentMs + ledger.gatedMs);
  }
});

Deno.test("What was not acknowledged is taken again after the session has ended, and counted once", () => {
  using world = setup();
  let acknowledged = 0;
  for (const [index, packet] of PACKETS.entries()) {
    world.receive(packet);
    world.take();
    if (index === 100) {
      acknowledged = world.chunks.length - 4;
      world.speech.chunks.acknowledge(world.newestMark() - 4);
      world.speech.chunks.rewind();
      world.chunks.length = acknowledged;
    }
  }
  world.speech.flush();
  world.take();
  assertContinuous(world.chunks);
  assert.deepEqual(wordsOf(world.chunks), WORDS);
  assert.equal(world.ledger.sentMs, lengthMs(world.chunks));
});

Deno.test("What was acknowledged, and silence after a voice, is not taken again", () => {
  using world = setup();
  for (const packet of PACKETS) {
    world.receive(packet);
    world.take();
  }
  world.speech.chunks.acknowledge(world.newestMark() - 5); // a second of the silence after the voice is left
  world.speech.chunks.rewind();
  assert.equal(world.speech.chunks.hasSpeech(0), false);
});

Deno.test("Of a long speech that is not taken the newest ten seconds are left, whole words after the first", () => {
  using world = setup();
  let packets = 0;
  for (let round = 0; round < 5; round++) {
    for (const packet of PACKETS.slice(25, -75)) {
      world.receive(packet);
      packets++;
    }
  }
  assert.equal(
    world.ledger.droppedMs,
    20 * packets - 10_000 - (20 * packets - world.ledger.decodedMs) - world.ledger.gatedMs,
  );
  world.take();
  world.speech.flush();
  world.take();
  const words = wordsOf(world.chunks);
  assert.ok(lengthMs(world.chunks) === 10_000);
  const all = Array.from({ length: 5 }, () => WORDS).flat();
  assert.ok(words.length >= 28, `${words.length} words`);
  assert.deepEqual(words.slice(1), all.slice(-words.length + 1));
});

Deno.test("Speech that has waited for minutes is dropped, and the reader is not called for it", () => {
  using world = setup();
  for (const packet of PACKETS) world.receive(packet);
  assert.equal(world.speech.chunks.hasSpeech(100_000), true);
  assert.equal(world.speech.chunks.hasSpeech(200_000), false);
  world.take();
  assert.equal(world.chunks.length, 0);
  assert.equal(world.ledger.decodedMs, world.ledger.gatedMs + world.ledger.droppedMs);
});

Deno.test("A taker that keeps up is called for each chunk once", () => {
  using world = setup();
  let calls = 0;
  world.speech.chunks.onSpeech = () => calls++;
  for (const packet of PACKETS) {
    world.receive(packet);
    world.take();
  }
  assert.ok(calls <= world.chunks.length, `${calls} calls for ${world.chunks.length} chunks`);
});

Deno.test("Packets held for one that is missing when it ends at once are in the ledger", () => {
  const { speech, ledger, receive, skip } = setup();
  for (const packet of PACKETS.slice(0, 60)) receive(packet);
  skip();
  for (const packet of PACKETS.slice(61, 64)) receive(packet);
  speech[Symbol.dispose]();
  const { received, decoded, silent, late, dropped } = ledger;
  assert.deepEqual([received, dropped], [63, 3]);
  assert.equal(decoded + silent + late + dropped, received);
});
