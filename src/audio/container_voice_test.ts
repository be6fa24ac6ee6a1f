/** Recordings in containers as a door gets them: the same words, at the time they were spoken. */
import assert from "@std/assert";
import { AudioLedger, InvalidRequestError, joinBytes, LIMITS, type PcmFrame } from "../domain/mod.ts";
import { clusterHead, ogg, simpleBlock, timed, webm, webmHead } from "../../tests/fakes/containers.ts";
import { encodeOpus, packedOpus, PACKET_MS, padded } from "../../tests/fakes/speech.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { TONE_WORDS, toneSpeech } from "../../tests/fakes/tones.ts";
import { ContainerVoice } from "./container_voice.ts";
import { seededRandom, wordsOf } from "./testing_test.ts";

const RATE = 16_000;
const WORDS = TONE_WORDS.slice(0, 8);
const LEAD_MS = 500;
const CONTAINERS = ["webm", "ogg"] as const;
type Container = typeof CONTAINERS[number];

async function said(words: readonly string[] = WORDS, bitrate = 32_000): Promise<Uint8Array[]> {
  return await encodeOpus(padded(toneSpeech(words, { sampleRateHz: RATE }), LEAD_MS, 1_500), { bitrate });
}

interface Part {
  bytes: Uint8Array;
  atMs: number;
}

/** What a recorder sends, in parts as it sends them. */
function recorded(
  container: Container,
  packets: readonly Uint8Array[],
  { packetMs = PACKET_MS, everyMs = 100 } = {},
): Part[] {
  const inPart = Math.round(everyMs / packetMs);
  const write = (count: number) =>
    container === "webm"
      ? webm(timed(packets.slice(0, count), packetMs), { inCluster: inPart })
      : ogg(packets.slice(0, count), { packetMs, segmentsPerPage: 8 });
  const whole = write(packets.length);
  const parts: Part[] = [];
  let sent = 0;
  for (let count = inPart; sent < whole.length; count += inPart) {
    const isLast = count >= packets.length;
    const here = write(count).length;
    const end = isLast ? whole.length : container === "ogg" ? pageStart(whole, here) : here;
    parts.push({ bytes: whole.slice(sent, end), atMs: Math.min(count, packets.length) * packetMs });
    sent = end;
  }
  return parts;
}

/** The page that is being written when there are so many bytes is not sent yet. */
function pageStart(bytes: Uint8Array, before: number): number {
  let at = 0;
  for (;;) {
    const lacing = bytes.subarray(at + 27, at + 27 + bytes[at + 26]);
    const next = at + 27 + lacing.length + lacing.reduce((sum, value) => sum + value, 0);
    if (next > before) return at;
    at = next;
  }
}

function setup(container: Container = "webm") {
  const ledger = new AudioLedger();
  const meter = new FakeMeter();
  const voice = new ContainerVoice({ container, sampleRateHz: RATE, chunkMs: 200, ledger, meter });
  const chunks: PcmFrame[] = [];
  let mark = 0;
  let nowMs = 1_000;
  const take = () => {
    for (let chunk = voice.chunks.take(() => ++mark); chunk; chunk = voice.chunks.take(() => ++mark)) {
      chunks.push(chunk);
    }
  };
  return {
    ...{ ledger, meter, voice, chunks, take },
    send(parts: readonly Part[], { lateMs = 0 } = {}) {
      const startMs = nowMs;
      for (const { bytes, atMs } of parts) {
        nowMs = Math.max(nowMs, startMs + atMs + lateMs);
        voice.receive({ bytes }, nowMs);
        take();
      }
      nowMs = Math.max(nowMs, startMs + (parts.at(-1)?.atMs ?? 0));
    },
    wait: (ms: number) => void (nowMs += ms),
    now: () => nowMs,
    end() {
      voice.flush();
      take();
      voice[Symbol.dispose]();
      ledger.cut();
      assert.equal(ledger.received, ledger.decoded + ledger.silent + ledger.dropped + ledger.lost, "packets");
      const { decodedMs, sentMs, gatedMs, droppedMs, cutMs } = ledger;
      assert.ok(Math.abs(decodedMs - sentMs - gatedMs - droppedMs - cutMs) < 0.1, "time");
    },
  };
}

const spoken = (chunks: readonly PcmFrame[]) => wordsOf(chunks).map(({ word }) => word);

for (const container of CONTAINERS) {
  for (const everyMs of [20, 60, 100, 1_000]) {
    Deno.test(`${container} in parts of ${everyMs} ms: every word comes out where it was spoken`, async () => {
      const world = setup(container);
      world.send(recorded(container, await said(), { everyMs }));
      world.end();
      const words = wordsOf(world.chunks);
      assert.deepEqual(words.map(({ word }) => word), WORDS);
      const { wordEndsMs } = toneSpeech(WORDS, { sampleRateHz: RATE });
      words.forEach(({ word, atMs }, index) => {
        const offMs = atMs - LEAD_MS - wordEndsMs[index];
        assert.ok(Math.abs(offMs) <= 80, `${word} is ${offMs} ms off`);
      });
      assert.ok(world.ledger.gatedMs > 0, "silence is not sent");
      assert.equal(world.ledger.dropped + world.ledger.lost, 0);
    });
  }

  Deno.test(`${container}: packets of 60 ms at 256 kbit/s, as a recorder may be set to make them`, async () => {
    const packets = await said(["red", "river", "train"], 256_000);
    const long: Uint8Array[] = [];
    for (let at = 0; at + 3 <= packets.length; at += 3) long.push(packedOpus(packets.slice(at, at + 3)));
    assert.ok(Math.max(...long.map(({ length }) => length)) > 1_536);
    const world = setup(container);
    world.send(recorded(container, long, { packetMs: 60, everyMs: 120 }));
    world.end();
    assert.deepEqual(spoken(world.chunks), ["red", "river", "train"]);
    assert.equal(world.ledger.lost, 0);
  });

  Deno.test(`${container}: cut anywhere, also within one call, the words are the same`, async () => {
    const packets = await said(["red", "river"]);
    const bytes = joinBytes(recorded(container, packets).map((part) => part.bytes));
    const random = seededRandom(3);
    for (const most of [1, 50, 3_000]) {
      const world = setup(container);
      const parts: Part[] = [];
      for (let at = 0; at < bytes.length;) {
        const length = 1 + Math.floor(random() * most);
        at += length;
        parts.push({
          bytes: bytes.slice(at - length, at),
          atMs: Math.min(at / bytes.length, 1) * packets.length * 20,
        });
      }
      world.send(parts);
      world.end();
      assert.deepEqual(spoken(world.chunks), ["red", "river"]);
    }
  });

  Deno.test(`${container}: a paused recorder, whose timestamps stand still, is silent for as long`, async () => {
    const packets = await said(["red"]);
    const parts = recorded(container, [...packets, ...packets]);
    const half = parts.findIndex(({ atMs }) => atMs >= packets.length * 20);
    const world = setup(container);
    world.send(parts.slice(0, half + 1));
    const [pausedMs, lastMs] = [60_000, parts[half].atMs];
    world.wait(pausedMs);
    world.send(parts.slice(half + 1).map(({ bytes, atMs }) => ({ bytes, atMs: atMs - lastMs })));
    world.end();
    const [first, second] = wordsOf(world.chunks);
    const apartMs = second.atMs - first.atMs;
    assert.ok(Math.abs(apartMs - pausedMs - packets.length * 20) <= 120, `${apartMs} ms apart`);
  });

  Deno.test(`${container}: a network that stalls for less than a pause loses nothing and moves nothing`, async () => {
    const world = setup(container);
    const parts = recorded(container, await said());
    world.send(
      parts.map(({ bytes, atMs }) => ({ bytes, atMs: atMs > 1_000 ? Math.max(atMs, 1_900) : atMs })),
    );
    world.end();
    const words = wordsOf(world.chunks);
    assert.deepEqual(words.map(({ word }) => word), WORDS);
    const { wordEndsMs } = toneSpeech(WORDS, { sampleRateHz: RATE });
    words.forEach(({ atMs }, index) => assert.ok(Math.abs(atMs - LEAD_MS - wordEndsMs[index]) <= 80));
  });
}

for (const stallMs of [1_500, 4_000, 9_000]) {
  Deno.test(`A stall of ${stallMs / 1_000} s is taken for a pause: no word is lost, and what follows is not late`, async () => {
    const words = [...WORDS, ...WORDS, ...WORDS, ...WORDS];
    const world = setup();
    const parts = recorded("webm", await said(words));
    const stalled = ({ bytes, atMs }: Part) => ({
      bytes,
      atMs: atMs > 800 ? Math.max(atMs, 800 + stallMs) : atMs,
    });
    world.send(parts.map(stalled));
    assert.ok(world.voice.aheadMs < 200, `${world.voice.aheadMs} ms ahead`);
    world.end();
    assert.deepEqual(spoken(world.chunks), words);
    assert.equal(world.ledger.dropped, 0);
  });
}

Deno.test("Pauses and bursts by turns give no more than the time that passed, and no time twice", async () => {
  const world = setup();
  const packets = await said(["red"]);
  const parts = recorded("webm", Array.from({ length: 20 }, () => packets).flat(), {
    everyMs: packets.length * 20,
  });
  for (const { bytes } of parts) {
    world.wait(packets.length * 20);
    world.voice.receive({ bytes }, world.now());
    world.take();
  }
  const last = world.chunks.at(-1)!;
  assert.ok(last.startMs <= world.now() - 1_000 + 2_000, `${last.startMs} ms at ${world.now()}`);
  world.end();
  assert.equal(world.ledger.dropped, 0);
});

Deno.test("Time for which the encoder sent nothing is silence by the timestamps", async () => {
  const packets = await said(["red"]);
  const apart = [...timed(packets, 20), ...timed(packets, 20, packets.length * 20 + 800)];
  const world = setup();
  const at = (count: number) => webm(apart.slice(0, count), { inCluster: 1 });
  const parts = apart.map(({ timestampMs }, index) => ({
    bytes: at(index + 1).slice(index === 0 ? 0 : at(index).length),
    atMs: timestampMs + 20,
  }));
  world.send(parts);
  world.end();
  const [first, second] = wordsOf(world.chunks);
  const apartMs = second.atMs - first.atMs;
  assert.ok(Math.abs(apartMs - packets.length * 20 - 800) <= 40, `${apartMs} ms apart`);
});

Deno.test("A recorder that begins again, with times from zero, is one speaker still", async () => {
  const packets = await said(["red"]);
  for (const container of CONTAINERS) {
    const world = setup(container);
    for (let round = 0; round < 3; round++) world.send(recorded(container, packets));
    world.end();
    assert.deepEqual(spoken(world.chunks), ["red", "red", "red"]);
  }
});

Deno.test("What is held when a recorder stops in mid-speech is passed on soon", async () => {
  const world = setup();
  const parts = recorded("webm", await said(["red"]), { everyMs: 20 });
  world.send(parts.slice(0, 32)); // 140 ms into the word
  const endMs = () => {
    const last = world.chunks.at(-1)!;
    return last.startMs + last.samples.length / 16;
  };
  assert.ok(endMs() < 640);
  assert.equal(world.voice.nextDeadline(), world.now() + 20 + 300);
  world.voice.due();
  world.take();
  assert.ok(Math.abs(endMs() - 640) < 0.1, `${endMs()} ms`);
  assert.equal(world.voice.nextDeadline(), undefined);
  world.end();
});

Deno.test("Of a recorder that sends once a second, nothing held is due before the next part may come", async () => {
  const world = setup();
  world.send(recorded("webm", await said(), { everyMs: 1_000 }).slice(0, 1));
  assert.equal(world.voice.nextDeadline(), world.now() + 1_000 + 300);
  world.end();
});

Deno.test("Faster than real time it gets the time that passed; the rest is dropped and counted", async () => {
  const world = setup();
  const packets = await said();
  for (let round = 0; round < 20; round++) {
    world.voice.receive({ bytes: webm(timed(packets, 20, round * packets.length * 20)) }, 1_000 + round);
    world.take();
  }
  assert.ok(world.ledger.sentMs + world.ledger.gatedMs <= 10_000, `${world.ledger.sentMs} ms sent`);
  assert.ok(world.ledger.dropped > 0);
  assert.equal(world.meter.counted("tiro_queue_dropped_total", "container"), world.ledger.dropped);
  world.end();
});

Deno.test("A sender that waits while it is ahead loses nothing, however fast it is", async () => {
  const words = [...WORDS, ...WORDS, ...WORDS];
  const packets = await said(words);
  for (const container of CONTAINERS) {
    const world = setup(container);
    const bytes = joinBytes(recorded(container, packets).map((part) => part.bytes));
    const startMs = world.now();
    for (let at = 0; at < bytes.length; at += 1_024) {
      world.voice.receive({ bytes: bytes.slice(at, at + 1_024) }, world.now());
      world.take();
      world.wait(Math.max(0, world.voice.aheadMs - 3_000));
    }
    const [tookMs, lastsMs] = [world.now() - startMs, packets.length * 20];
    assert.ok(tookMs < lastsMs - 2_500 && tookMs > lastsMs - 5_000, `${tookMs} of ${lastsMs} ms`);
    world.end();
    assert.deepEqual(spoken(world.chunks), words);
    assert.equal(world.ledger.dropped, 0);
  }
});

Deno.test("Speech that is not taken waits encoded, the newest ten seconds of it", async () => {
  const packets = await encodeOpus(toneSpeech(["red"], { wordMs: 30_000, gapMs: 0 }), { bitrate: 128_000 });
  const ledger = new AudioLedger();
  using voice = new ContainerVoice({
    ...{ container: "webm", sampleRateHz: RATE, chunkMs: 200, ledger, meter: new FakeMeter() },
  });
  for (const { bytes, atMs } of recorded("webm", packets)) voice.receive({ bytes }, atMs);
  let takenMs = 0;
  for (let chunk = voice.chunks.take(() => 1); chunk; chunk = voice.chunks.take(() => 1)) {
    takenMs += chunk.samples.length / 16;
  }
  assert.ok(takenMs <= LIMITS.speechMs && takenMs >= LIMITS.speechMs - 400, `${takenMs} ms`);
});

Deno.test("Packets that are no Opus are counted lost, and those after them are decoded", async () => {
  const packets = await said(["red"]);
  packets.splice(3, 2, new Uint8Array(2_000).fill(0xff), Uint8Array.of(0xf9, 1));
  const world = setup();
  world.send(recorded("webm", packets));
  world.end();
  assert.deepEqual(spoken(world.chunks), ["red"]);
  assert.equal(world.ledger.lost, 2);
});

Deno.test("Without Opus in 256 KiB, or in a megabyte later, it is refused, and so is all that follows", async () => {
  const isRefused = (error: unknown) => error instanceof InvalidRequestError && error.field === "bytes";
  const empty = new Uint8Array([0xec, 0x40, 0xfd, ...new Uint8Array(253)]);
  const good = webm(timed(await said(["red"]), 20));
  for (const [before, most] of [[joinBytes([webmHead(), clusterHead(0)]), 256], [good, 1_024]] as const) {
    const world = setup();
    world.voice.receive({ bytes: before }, 0);
    for (let kib = 1; kib < most; kib++) {
      world.voice.receive({ bytes: joinBytes(Array(4).fill(empty)) }, 0);
    }
    const more = () => world.voice.receive({ bytes: joinBytes(Array(8).fill(empty)) }, 0);
    assert.throws(more, isRefused);
    assert.throws(() => world.voice.receive({ bytes: good }, 0), isRefused);
    world.end();
  }
});

Deno.test("Bytes without Opus that come slowly are refused after 30 s, and a recorder that was paused is not", async () => {
  const bytes = webm(timed(await said(["red"]), 20));
  const world = setup();
  world.voice.receive({ bytes: bytes.slice(0, -1) }, world.now());
  world.wait(60_000);
  world.voice.receive({ bytes: bytes.slice(-1) }, world.now());
  const empty = Uint8Array.of(0xec, 0x80);
  for (let second = 0; second <= 30; second++) {
    world.voice.receive({ bytes: empty }, world.now());
    world.wait(1_000);
  }
  assert.throws(() => world.voice.receive({ bytes: empty }, world.now()), InvalidRequestError);
  world.end();
});

Deno.test("Bytes that are skipped are taken no faster than a video is recorded", async () => {
  const world = setup();
  const [packet] = await said(["red"]);
  const empty = new Uint8Array(1_024).map((_, at) => at % 2 === 0 ? 0xec : 0x80);
  const startMs = world.now();
  let bytes = 0;
  world.voice.receive({ bytes: joinBytes([webmHead(), clusterHead(0)]) }, world.now());
  for (let piece = 0; piece < 4_096; piece++) {
    const part = piece % 64 === 0 ? simpleBlock(packet, { relativeMs: piece / 64 * 20 }) : empty;
    world.voice.receive({ bytes: part }, world.now());
    bytes += part.length;
    world.wait(Math.max(0, world.voice.aheadMs - 3_000));
  }
  const tookMs = world.now() - startMs;
  assert.ok(Math.abs(tookMs - (bytes / 512 - 3_000)) < 100, `${bytes} bytes in ${tookMs} ms`);
  world.end();
});
