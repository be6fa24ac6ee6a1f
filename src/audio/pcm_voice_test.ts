/** PCM in every form a door may have it, with pauses, bursts and nonsense: the same words, at the time they were spoken. */
import assert from "@std/assert";
import { AudioLedger, InvalidRequestError, LIMITS, type PcmFormat, type PcmFrame } from "../domain/mod.ts";
import { padded } from "../../tests/fakes/speech.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { TONE_WORDS, toneSpeech } from "../../tests/fakes/tones.ts";
import { PcmVoice } from "./pcm_voice.ts";
import { wordsOf } from "./testing_test.ts";

const RATE = 16_000;
const WORDS = TONE_WORDS.slice(0, 10);
const NATIVE: PcmFormat = { encoding: "s16le", sampleRateHz: RATE, channels: 1 };
const LEAD_MS = 500;

/** What is said, as a door would have it. */
function said(format: PcmFormat, words: readonly string[] = WORDS): Uint8Array<ArrayBuffer> {
  const { encoding, sampleRateHz, channels } = format;
  const { samples } = padded(toneSpeech(words, { sampleRateHz }), LEAD_MS, 1_500);
  const bytes = encoding === "s16le" ? 2 : 4;
  const view = new DataView(new ArrayBuffer(samples.length * channels * bytes));
  samples.forEach((sample, at) => {
    for (let channel = 0; channel < channels; channel++) {
      const offset = (at * channels + channel) * bytes;
      if (encoding === "s16le") view.setInt16(offset, Math.round(sample * 32_767), true);
      else view.setFloat32(offset, sample, true);
    }
  });
  return new Uint8Array(view.buffer);
}

function setup(format: PcmFormat = NATIVE) {
  const ledger = new AudioLedger();
  const meter = new FakeMeter();
  const voice = new PcmVoice({ format, sampleRateHz: RATE, chunkMs: 200, ledger, meter });
  const chunks: PcmFrame[] = [];
  let mark = 0;
  const take = () => {
    for (let chunk = voice.chunks.take(() => ++mark); chunk; chunk = voice.chunks.take(() => ++mark)) {
      chunks.push(chunk);
    }
  };
  const bytesPerMs = format.sampleRateHz * format.channels * (format.encoding === "s16le" ? 2 : 4) / 1_000;
  let nowMs = 1_000;
  return {
    ledger,
    meter,
    voice,
    chunks,
    take,
    /** Sends audio in messages of this length, as it is spoken. */
    send(bytes: Uint8Array, { everyMs = 20, timestampMs }: { everyMs?: number; timestampMs?: number } = {}) {
      const length = bytesPerMs * everyMs;
      for (let at = 0, index = 0; at < bytes.length; at += length, index++) {
        const message = bytes.slice(at, at + length);
        nowMs += message.length / bytesPerMs;
        voice.receive({
          bytes: message,
          ...timestampMs !== undefined && { timestampMs: timestampMs + index * everyMs },
        }, nowMs);
        take();
      }
    },
    wait: (ms: number) => void (nowMs += ms),
    now: () => nowMs,
    end() {
      voice.flush();
      take();
      voice[Symbol.dispose]();
      ledger.cut();
      assert.equal(ledger.received, ledger.decoded + ledger.silent + ledger.dropped, "blocks add up");
      const { decodedMs, sentMs, gatedMs, droppedMs, cutMs } = ledger;
      assert.ok(Math.abs(decodedMs - sentMs - gatedMs - droppedMs - cutMs) < 0.1, "and so does time");
    },
  };
}

for (const encoding of ["s16le", "f32le"] as const) {
  for (const sampleRateHz of [8_000, 16_000, 22_050, 44_100, 48_000]) {
    for (const channels of [1, 2] as const) {
      const name = `${encoding} at ${sampleRateHz} Hz, ${channels === 1 ? "mono" : "stereo"}`;
      Deno.test(`${name}: every word comes out where it was spoken`, () => {
        const format = { encoding, sampleRateHz, channels };
        const world = setup(format);
        world.send(said(format));
        world.end();
        const words = wordsOf(world.chunks);
        assert.deepEqual(words.map(({ word }) => word), WORDS);
        const { wordEndsMs } = toneSpeech(WORDS, { sampleRateHz });
        words.forEach(({ atMs }, index) => {
          const offMs = atMs - LEAD_MS - wordEndsMs[index];
          assert.ok(Math.abs(offMs) <= 80, `${words[index].word} is ${offMs} ms off`);
        });
        assert.ok(world.ledger.gatedMs > 0, "silence is not sent");
        assert.equal(world.ledger.dropped + world.ledger.late + world.ledger.lost, 0);
      });
    }
  }
}

Deno.test("Messages of any length say the same, down to one sample", () => {
  for (const everyMs of [0.0625, 1, 7, 100, 1_000]) {
    const world = setup();
    world.send(said(NATIVE, WORDS.slice(0, 3)), { everyMs });
    world.end();
    assert.deepEqual(wordsOf(world.chunks).map(({ word }) => word), WORDS.slice(0, 3), `${everyMs} ms each`);
  }
});

Deno.test("Half a sample is refused by its field, and what comes after is received", () => {
  const world = setup({ ...NATIVE, channels: 2 });
  const isRefused = (error: unknown) => error instanceof InvalidRequestError && error.field === "bytes";
  for (const length of [1, 2, 3, 5]) {
    assert.throws(() => world.voice.receive({ bytes: new Uint8Array(length) }, 0), isRefused);
  }
  world.voice.receive({ bytes: new Uint8Array() }, 0);
  world.send(said({ ...NATIVE, channels: 2 }, ["red"]));
  world.end();
  assert.deepEqual(wordsOf(world.chunks).map(({ word }) => word), ["red"]);
});

Deno.test("Floats that are no numbers are silence, and loud ones as loud as can be", () => {
  const format: PcmFormat = { ...NATIVE, encoding: "f32le" };
  const world = setup(format);
  const noise = new Float32Array(RATE).map((_, at) => [NaN, Infinity, -Infinity, 1e30, -5][at % 5]);
  world.send(new Uint8Array(noise.buffer));
  world.send(said(format, ["red"]));
  world.end();
  assert.ok(world.chunks.every(({ samples }) => samples.every((sample) => Math.abs(sample) <= 1)));
  assert.ok(wordsOf(world.chunks).some(({ word }) => word === "red"));
});

Deno.test("A pause in which nothing is sent is silence of its length, by the clock or by timestamps", () => {
  for (const hasTimestamps of [false, true]) {
    const world = setup();
    const bytes = said(NATIVE, ["red"]);
    const lengthMs = bytes.length / 32;
    world.send(bytes, hasTimestamps ? { timestampMs: 5_000 } : {});
    world.wait(60_000);
    world.send(bytes, hasTimestamps ? { timestampMs: 5_000 + lengthMs + 60_000 } : {});
    world.end();
    const [first, second] = wordsOf(world.chunks);
    const apartMs = second.atMs - first.atMs;
    assert.ok(Math.abs(apartMs - lengthMs - 60_000) <= 100, `${apartMs} ms apart`);
    assert.ok(world.ledger.sentMs < 2 * lengthMs, "the pause itself is not sent");
  }
});

Deno.test("A network that stalls loses nothing: a burst is taken, and media time goes on", () => {
  const world = setup();
  const bytes = said(NATIVE);
  world.send(bytes.subarray(0, 32 * 1_000));
  world.wait(900); // less than a pause
  const messages = bytes.slice(32 * 1_000);
  world.send(messages, { everyMs: 20 });
  world.end();
  assert.deepEqual(wordsOf(world.chunks).map(({ word }) => word), WORDS);
});

Deno.test("A sender that stops in mid-speech: what is held is passed on soon, and nothing is said twice when it goes on", () => {
  for (const timestampMs of [undefined, 7_000]) {
    const world = setup();
    const bytes = said(NATIVE, ["red", "river"]);
    const cutMs = LEAD_MS + 130; // in the first word, and in a block and a chunk
    const send = (part: Uint8Array, atMs: number) =>
      world.send(part, { everyMs: 15, ...timestampMs && { timestampMs: timestampMs + atMs } });
    send(bytes.subarray(0, 32 * cutMs), 0);
    const endMs = () => {
      const last = world.chunks.at(-1)!;
      return last.startMs + last.samples.length / 16;
    };
    assert.ok(endMs() < cutMs, "a part of a chunk is held");
    const dueMs = world.voice.nextDeadline()!;
    assert.equal(dueMs, world.now() + 15 + 300);
    world.voice.due();
    world.take();
    assert.ok(Math.abs(endMs() - cutMs) < 0.1, `${endMs()} of ${cutMs} ms`);
    assert.equal(world.voice.nextDeadline(), undefined, "nothing more is held");
    world.wait(600); // a stalled network
    send(bytes.subarray(32 * cutMs), cutMs);
    world.end();
    assert.deepEqual(wordsOf(world.chunks).map(({ word }) => word), ["red", "river"]);
    assert.ok(world.chunks.every((chunk, at) => at === 0 || chunk.startMs >= world.chunks[at - 1].startMs));
  }
});

Deno.test("Nothing is due while nobody speaks, and for rare messages as much later as they are long", () => {
  const world = setup();
  world.send(new Uint8Array(32 * 1_000));
  assert.equal(world.voice.nextDeadline(), undefined);
  world.send(said(NATIVE, ["red"]).subarray(0, 32 * (LEAD_MS + 200)), { everyMs: LEAD_MS + 200 });
  assert.equal(world.voice.nextDeadline(), world.now() + LEAD_MS + 200 + 300);
  world.end();
  assert.equal(world.voice.nextDeadline(), undefined);
});

Deno.test("A timestamp that is no finite number is refused by its field", () => {
  const world = setup();
  for (const timestampMs of [NaN, Infinity, -Infinity]) {
    assert.throws(
      () => world.voice.receive({ bytes: new Uint8Array(640), timestampMs }, 0),
      (error: unknown) => error instanceof InvalidRequestError && error.field === "timestampMs",
    );
  }
  world.send(said(NATIVE, ["red"]), { timestampMs: 0 });
  world.end();
  assert.deepEqual(wordsOf(world.chunks).map(({ word }) => word), ["red"]);
});

Deno.test("A clock that is set back, or runs ahead of real time, is followed from its new value", () => {
  for (const jumpMs of [-3_600_000, 3_600_000]) {
    const world = setup();
    const bytes = said(NATIVE, ["red"]);
    world.send(bytes, { timestampMs: 10_000_000 });
    world.send(bytes, { timestampMs: 10_000_000 + jumpMs });
    world.end();
    const [first, second] = wordsOf(world.chunks);
    assert.ok(second.atMs - first.atMs <= bytes.length / 32 + 3_100, `${second.atMs - first.atMs} ms apart`);
  }
});

Deno.test("A sender faster than real time gets the time that passed; the rest is dropped and counted", () => {
  const world = setup();
  const bytes = said(NATIVE);
  for (let round = 0; round < 20; round++) {
    world.voice.receive({ bytes }, 1_000 + round);
    world.take();
  }
  assert.ok(world.ledger.sentMs + world.ledger.gatedMs <= 10_000, `${world.ledger.sentMs} ms sent`);
  assert.ok(world.ledger.dropped > 0);
  assert.equal(world.meter.counted("tiro_queue_dropped_total", "pcm"), world.ledger.dropped);
  world.end();
});

Deno.test("Speech that is not taken waits, the newest ten seconds of it, and is taken again after a rewind", () => {
  const ledger = new AudioLedger();
  const voice = new PcmVoice({
    format: NATIVE,
    sampleRateHz: RATE,
    chunkMs: 200,
    ledger,
    meter: new FakeMeter(),
  });
  const tone = toneSpeech(["red"], { wordMs: 30_000, gapMs: 0 }).samples;
  const bytes = new Uint8Array(Int16Array.from(tone, (sample) => Math.round(sample * 32_767)).buffer);
  for (let at = 0; at < bytes.length; at += 640) {
    voice.receive({ bytes: bytes.slice(at, at + 640) }, at / 32);
  }
  const takeAll = () => {
    let ms = 0;
    for (let chunk = voice.chunks.take(() => 1); chunk; chunk = voice.chunks.take(() => 1)) {
      ms += chunk.samples.length / 16;
    }
    return ms;
  };
  const takenMs = takeAll();
  assert.ok(takenMs <= LIMITS.speechMs && takenMs >= LIMITS.speechMs - 400, `${takenMs} ms`);
  assert.ok(ledger.droppedMs >= 19_000, `${ledger.droppedMs} ms dropped`);
  voice.chunks.rewind();
  assert.ok(Math.abs(takeAll() - takenMs) <= 400);
  voice[Symbol.dispose]();
});
