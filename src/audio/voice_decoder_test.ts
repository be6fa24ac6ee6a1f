import assert from "@std/assert";
import { encodeOpus, padded, readSpeech, type Speech } from "../../tests/fakes/speech.ts";
import { AudioLedger, type PcmFrame } from "../domain/mod.ts";
import { Playout } from "./playout.ts";
import { Resampler } from "./resampler.ts";
import { joined, levelDb, seededRandom } from "./testing_test.ts";
import { VoiceDecoder } from "./voice_decoder.ts";
import {
  assertContiguous,
  endMs,
  lost,
  opened,
  RATE,
  recorder,
  scripted,
  silence,
  timeline,
} from "./voice_decoder_testing_test.ts";

const quiet = (seconds: number, rateHz = 16_000): Speech => ({
  samples: new Float32Array(seconds * rateHz),
  sampleRateHz: rateHz,
});

/** Steady noise under speech, at a level in dBFS. */
function noisy(speech: Speech, noiseDb: number): Speech {
  const random = seededRandom(7);
  const amplitude = Math.sqrt(3) * 10 ** (noiseDb / 20);
  return { ...speech, samples: speech.samples.map((sample) => sample + amplitude * (2 * random() - 1)) };
}

function scaledTo(speech: Speech, rmsDb: number): Speech {
  const gain = 10 ** ((rmsDb - levelDb(speech.samples)) / 20);
  return { ...speech, samples: speech.samples.map((sample) => sample * gain) };
}

function atRate(speech: Speech, toHz: number): Speech {
  const resampler = new Resampler({ fromHz: speech.sampleRateHz, toHz });
  return { samples: joined([resampler.process(speech.samples), resampler.flush()]), sampleRateHz: toHz };
}

/** The frames laid out on the media timeline, zeros where none was passed on. */
function onTimeline(frames: readonly PcmFrame[], lengthMs: number): Float32Array {
  const samples = new Float32Array(Math.ceil((lengthMs + 20) * RATE / 1_000));
  for (const frame of frames) samples.set(frame.samples, Math.round(frame.startMs * RATE / 1_000));
  return samples;
}

/** RMS of each 10 ms. */
function envelope(samples: Float32Array): number[] {
  const step = RATE / 100;
  return Array.from(
    { length: Math.floor(samples.length / step) },
    (_, i) => 10 ** (Math.max(-100, levelDb(samples.subarray(i * step, (i + 1) * step))) / 20),
  );
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const count = Math.min(a.length, b.length);
  const mean = (x: readonly number[]) => x.slice(0, count).reduce((sum, value) => sum + value, 0) / count;
  const [meanA, meanB] = [mean(a), mean(b)];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    ab += (a[i] - meanA) * (b[i] - meanB);
    aa += (a[i] - meanA) ** 2;
    bb += (b[i] - meanB) ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** Where speech begins: the first 10 ms within 30 dB of its level. */
function onsetMs(speech: Speech): number {
  const step = speech.sampleRateHz / 100;
  const level = levelDb(speech.samples);
  for (let at = 0; at < speech.samples.length; at += step) {
    if (levelDb(speech.samples.subarray(at, at + step)) > level - 30) return at * 1_000 / speech.sampleRateHz;
  }
  throw new Error("Cannot find speech: all is quiet");
}

Deno.test("Ten seconds of digital silence never reach the main decoder and cost one probe in five", async () => {
  // At 48 kHz and 32 kbit/s libopus makes 35 bytes of a silent packet, as a muted Chromium sends.
  for (const [rateHz, bytes] of [[16_000, 8], [48_000, 35]]) {
    using l = opened();
    const packets = await encodeOpus(quiet(10, rateHz));
    assert.equal(packets[100].length, bytes);
    assert.deepEqual(l.receive(timeline(packets)), []);
    assert.equal(l.main.decoded + l.main.concealed, 0);
    assert.ok(l.probe.decoded <= 105, `${l.probe.decoded} probes`);
    assert.equal(l.ledger.silent, 480);
    assert.deepEqual(l.flushed(), []);
    assert.equal(l.ledger.silent, 500);
  }
});

Deno.test("Discontinuous transmission and lost packets in silence cost nothing", async () => {
  using l = opened();
  const packets = await encodeOpus(quiet(10), { dtx: true });
  const frames = timeline(packets).map((frame, i) => i > 100 && i % 3 === 0 ? lost(frame) : frame);
  assert.deepEqual(l.receive(frames), []);
  assert.deepEqual(l.receive([silence(10_000, 7_200_000)]), []);
  assert.equal(l.main.decoded + l.main.concealed, 0);
  assert.ok(l.probe.decoded < 40, `${l.probe.decoded} probes`);
  assert.equal(l.ledger.silent, frames.filter((f) => f.kind === "coded").length);
});

Deno.test("Steady noise of a room closes the gate again and keeps it closed", async () => {
  using l = opened();
  const out = l.receive(timeline(await encodeOpus(noisy(quiet(15), -55))));
  assert.ok(endMs(out.at(-1)!) < 7_000, `received until ${endMs(out.at(-1)!)} ms`);
  assert.equal(out.at(-1)!.endOfVoice, true);
});

Deno.test("The onset of a voice after silence is not clipped", async () => {
  const speech = await readSpeech("train_slt");
  const before = 2_000 + onsetMs(speech);
  for (const rateHz of [16_000, 48_000]) {
    for (const noiseDb of [-Infinity, -70]) {
      // Phases: the probe may look at any of five packets.
      for (let phase = 0; phase < 5; phase++) {
        using l = opened();
        const source = padded(speech, 2_000 + 20 * phase, 0);
        const said = atRate(noiseDb === -Infinity ? source : noisy(source, noiseDb), rateHz);
        const out = l.receive(timeline(await encodeOpus(said)));
        const onset = before + 20 * phase;
        assert.ok(out[0].startMs <= onset - 100, `first received at ${out[0].startMs}, spoken at ${onset}`);
        assert.ok(out[0].startMs >= onset - 800, "no more than the breath before and its pre-roll");

        const received = onTimeline(out, said.samples.length * 1_000 / rateHz);
        const wanted = atRate(source, RATE).samples;
        // Opus delays by up to 6.5 ms: 100 ms of envelope from 10 ms on.
        const from = Math.round(onset / 10);
        const [a, b] = [received, wanted].map((s) => envelope(s).slice(from, from + 11));
        assert.ok(correlation(a, b) > 0.9, `first 100 ms: ${correlation(a, b)}`);
        const energy = (x: number[]) => 10 * Math.log10(x.reduce((sum, value) => sum + value * value, 0));
        assert.ok(Math.abs(energy(a) - energy(b)) < 3, "level of the first 100 ms");
      }
    }
  }
});

Deno.test("Pre-roll is not voiced, the packet that was recognised is, and times are the packets' own", async () => {
  using l = opened();
  const frames = timeline(await encodeOpus(padded(await readSpeech("train_slt"), 2_000, 0)));
  let first: readonly PcmFrame[] = [];
  let at = 0;
  while (first.length === 0) first = l.receive([frames[at++]]);
  assert.ok(first.length >= 20, `${first.length} frames of pre-roll`);
  assert.deepEqual(first.map((f) => f.voiced), first.map((_, i) => i === first.length - 1));
  const source = frames.slice(at - first.length, at);
  assert.deepEqual(
    first.map((f) => [f.startMs, f.receivedAtMs]),
    source.map((f) => [f.startMs, f.receivedAtMs]),
  );
  for (const frame of first) assert.deepEqual([frame.samples.length, frame.sampleRateHz], [480, RATE]);
});

Deno.test("A quiet speaker is a voice, in a quiet room and in a noisy one", async () => {
  const speech = scaledTo(await readSpeech("river_rms"), -45);
  for (const noiseDb of [-75, -62]) {
    using l = opened();
    const said = noisy(padded(speech, 6_000, 0), noiseDb);
    const out = l.receive(timeline(await encodeOpus(said)));
    const received = onTimeline(out, said.samples.length / 16);
    const source = envelope(atRate(padded(speech, 6_000, 0), RATE).samples);
    const loud = source.map((value, i) => value > 10 ** (-55 / 20) ? i : -1).filter((i) => i >= 0);
    const passed = envelope(received);
    const missing = loud.filter((i) => passed[i] < 1e-5);
    assert.deepEqual(missing, [], `speech over noise of ${noiseDb} dBFS`);
  }
});

Deno.test("After a voice its tail of decoded audio goes on for 1.2 s, then ends once", async () => {
  using l = opened();
  const speech = await readSpeech("train_slt");
  const frames = timeline(await encodeOpus(noisy(padded(speech, 1_000, 3_000), -75)));
  const out = l.receive(frames);
  assertContiguous(out);
  assert.deepEqual(out.filter((f) => f.endOfVoice).map((f) => f.startMs), [out.at(-1)!.startMs]);
  const lastVoiced = out.findLastIndex((f) => f.voiced);
  const tail = out.slice(lastVoiced + 1);
  assert.equal(tail.length, 60);
  assert.ok(tail.every((f) => levelDb(f.samples) > -90), "the tail is what was received, not zeros");
  assert.ok(endMs(out.at(-1)!) < 1_000 + speech.samples.length / 16 + 1_300);

  const again = l.receive(timeline(await encodeOpus(padded(speech, 1_000, 3_000)), 20 * frames.length));
  assert.equal(again.filter((f) => f.endOfVoice).length, 1);
  l.flushed();
  assert.equal(l.ledger.decoded + l.ledger.silent, 2 * frames.length);
  assert.equal(l.main.decoded, l.ledger.decoded);
});

Deno.test("A short pause in a voice is zeros, a long one ends the voice after the tail and allocates no more", async () => {
  using l = opened();
  const frames = timeline(await encodeOpus(await readSpeech("meeting_rms"))).slice(0, 100);
  l.receive(frames);
  const [short] = l.receive([silence(2_000, 500)]);
  assert.deepEqual([short.startMs, short.samples.length, short.voiced, short.endOfVoice], [
    2_000,
    12_000,
    false,
    false,
  ]);
  const [long] = l.receive([silence(2_500, 86_400_000)]);
  assert.deepEqual([long.startMs, long.endOfVoice], [2_500, true]);
  assert.ok(long.samples.length <= 0.7 * RATE);
  assert.deepEqual(l.receive([silence(86_402_500, 1_000)]), []);
});

Deno.test("A voice cut off in a word does not click into the next one", async () => {
  const speech = await readSpeech("meeting_rms");
  const packets = await encodeOpus(speech);
  const loudest = packets.map((_, i) => levelDb(speech.samples.subarray(320 * i, 320 * (i + 1))))
    .reduce((best, level, i, all) => i > 30 && level > all[best] ? i : best, 31);
  using l = opened();
  l.receive(timeline(packets.slice(0, loudest)));
  l.receive([silence(20 * loudest, 60_000)]);
  const next = l.receive(timeline(await encodeOpus(padded(speech, 1_000, 0)), 20 * loudest + 60_000));
  assert.equal(next[0].voiced, false);
  assert.ok(levelDb(next[0].samples) < -45, `${levelDb(next[0].samples)} dBFS`);
});

Deno.test("A tail shorter than the pre-roll ends no voice before it began", () => {
  const { receive } = scripted({ voiceTailMs: 60 });
  const out = receive(...new Array(30).fill(-90), -20, -20, -20, -20, -20, -90, -90, -90, -90);
  assert.deepEqual(out.filter((f) => f.endOfVoice).map((f) => f.startMs), [740]);
  assert.deepEqual(out.filter((f) => f.voiced).at(-1)!.startMs, 680);
  assertContiguous(out);
});

Deno.test("Disposing twice is safe, and a rate Opus has not is refused", async () => {
  const ledger = new AudioLedger();
  const decoder = VoiceDecoder.create({ sampleRateHz: 16_000, ledger });
  recorder(decoder).received(timeline(await encodeOpus(quiet(0.02)))[0]);
  decoder[Symbol.dispose]();
  decoder[Symbol.dispose]();
  assert.equal(ledger.silent, 1);
  const { decoder: other, main, probe } = scripted();
  other[Symbol.dispose]();
  assert.deepEqual([main.calls, probe.calls], [["dispose"], ["dispose"]]);
  assert.throws(() => VoiceDecoder.create({ sampleRateHz: 44_100, ledger }), RangeError);
});

Deno.test("Speech through Opus, playout and the gate is the speech that went in", async () => {
  for (const rateHz of [16_000, 48_000]) {
    const speech = await readSpeech("meeting_rms");
    const said = atRate(padded(speech, 1_500, 2_500), rateHz);
    const ledger = new AudioLedger();
    const playout = new Playout({ ledger, takeDropped: () => 0 });
    using decoder = VoiceDecoder.create({ sampleRateHz: RATE, ledger });
    const { received, flushed } = recorder(decoder);
    const payloads = await encodeOpus(said);
    const out = payloads.flatMap((payload, i) => {
      ledger.add("received");
      const packet = { sequence: i, timestamp: 960 * i, ssrc: 9, payload, arrivedMs: 20 * i };
      return playout.receive(packet, packet.arrivedMs).flatMap(received);
    });
    assertContiguous(out);

    const [startMs, stopMs] = [out[0].startMs, endMs(out.at(-1)!)];
    const samples = joined(out.map((f) => f.samples));
    assert.ok(Math.abs(samples.length * 1_000 / RATE - (stopMs - startMs)) <= 0.01 * (stopMs - startMs));
    const spokenMs = speech.samples.length / 16;
    const firstMs = 1_500 + onsetMs(speech);
    assert.ok(firstMs - startMs >= 300 && firstMs - startMs <= 800, `pre-roll of ${firstMs - startMs} ms`);
    const tailMs = stopMs - (1_500 + spokenMs);
    assert.ok(tailMs >= 700 && tailMs <= 1_300, `tail of ${tailMs} ms`);

    const wanted = atRate(padded(speech, 1_500, 2_500), RATE).samples;
    const region = wanted.subarray(Math.round(startMs * RATE / 1_000), Math.round(stopMs * RATE / 1_000));
    const likeness = correlation(envelope(samples), envelope(region));
    assert.ok(likeness >= 0.97, `envelope correlation ${likeness}`);

    playout.flush();
    flushed();
    assert.deepEqual(
      [ledger.decoded + ledger.silent, ledger.late, ledger.lost],
      [ledger.received, 0, 0],
    );
  }
});
