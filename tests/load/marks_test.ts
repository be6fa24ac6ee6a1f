import assert from "@std/assert";
import { createDecoder } from "libopus-wasm";
import { PACKET_MS, readSpeech } from "../fakes/speech.ts";
import {
  ageOfWord,
  isTalking,
  MARK_AT_MS,
  MarkFinder,
  PUBLISHERS,
  TURN_PACKETS,
  turnPackets,
  wordAt,
} from "./marks.ts";

const SAMPLE_RATE_HZ = 24_000;
const CHUNK_PACKETS = 10;

Deno.test("Every publisher's mark is found through Opus wherever chunks begin, and its packets counted", async () => {
  const { talk } = await turnPackets(await readSpeech("meeting_rms"));
  for (let publisher = 0; publisher < PUBLISHERS; publisher++) {
    using decoder = await createDecoder({ sampleRate: SAMPLE_RATE_HZ, channels: 1 });
    const packets = talk[publisher].map((packet) => decoder.decodeFloat(packet).slice());
    assert.equal(packets.length, TURN_PACKETS);
    let found = 0;
    for (let first = 0; first < CHUNK_PACKETS; first++) {
      const finder = new MarkFinder(SAMPLE_RATE_HZ);
      for (let at = first; at + CHUNK_PACKETS <= packets.length; at += CHUNK_PACKETS) {
        const chunk = Float32Array.from(packets.slice(at, at + CHUNK_PACKETS).flatMap((pcm) => [...pcm]));
        const mark = finder.receive(chunk);
        if (!mark) continue;
        found++;
        const expected = at + CHUNK_PACKETS - MARK_AT_MS / PACKET_MS;
        assert.deepEqual(mark, { publisher, packets: expected }, `chunks from packet ${first}`);
      }
    }
    assert.ok(found >= CHUNK_PACKETS - 2, `publisher ${publisher}: ${found} marks`); // at a chunk's end the pitch is not known
  }
});

Deno.test("Speech without a mark holds none", async () => {
  const { talk } = await turnPackets(await readSpeech("meeting_rms"));
  using decoder = await createDecoder({ sampleRate: SAMPLE_RATE_HZ, channels: 1 });
  const finder = new MarkFinder(SAMPLE_RATE_HZ);
  for (const packet of talk[3].slice(60)) {
    assert.equal(finder.receive(decoder.decodeFloat(packet).slice()), undefined);
  }
});

Deno.test("At any time as many publishers talk as were asked for, and each talks that share of its time", () => {
  for (const [percent, talking] of [[0, 0], [30, 3], [50, 5], [100, 10]]) {
    for (let turn = 0; turn < PUBLISHERS; turn++) {
      const all = Array.from({ length: PUBLISHERS }, (_, index) => isTalking(index, turn, percent));
      assert.equal(all.filter(Boolean).length, talking);
      const one = Array.from({ length: PUBLISHERS }, (_, later) => isTalking(turn, later, percent));
      assert.equal(one.filter(Boolean).length, talking);
    }
  }
});

Deno.test("A word contains how long ago it was spoken, also across the end of its cycle", () => {
  assert.equal(ageOfWord(wordAt(1_700_000_000_000.4), 1_700_000_000_012.9), 12.5);
  const end = 36 ** 6 / 10;
  assert.equal(ageOfWord(wordAt(end - 1), end + 2), 3);
  assert.equal(ageOfWord("hello", 5), undefined);
  assert.equal(ageOfWord("", 5), undefined);
});
