/** Lost and empty packets: concealed, recovered or silent. */
import assert from "@std/assert";
import { Application, createEncoder } from "libopus-wasm";
import { encodeOpus, readSpeech } from "../../tests/fakes/speech.ts";
import { joined, levelDb } from "./testing_test.ts";
import {
  assertContiguous,
  endMs,
  lost,
  opened,
  scripted,
  silence,
  timeline,
} from "./voice_decoder_testing_test.ts";

Deno.test("Lost packets in a voice are concealed for 100 ms, then zeros; the timeline stays whole", async () => {
  using l = opened();
  const frames = timeline(await encodeOpus(await readSpeech("meeting_rms")));
  const hole = [60, 61, 62, 63, 64, 65, 66, 67, 68, 69];
  const out = l.receive(frames.map((frame, i) => hole.includes(i) ? lost(frame) : frame).slice(0, 90));
  assertContiguous(out);
  const received = hole.map((i) => out.find((f) => f.startMs === 20 * i)!);
  assert.equal(received.every((f) => f.samples.length === 480), true);
  assert.ok(received.slice(0, 5).every((f) => f.samples.some((sample) => sample !== 0)));
  assert.ok(received.slice(5).every((f) => f.samples.every((sample) => sample === 0) && !f.voiced));
  assert.deepEqual([l.main.concealed, l.main.recovered], [5, 0]);
  assert.equal(l.ledger.lost, 0, "playout counted them");
});

Deno.test("A lost packet is recovered from the copy in the next one", async () => {
  const speech = await readSpeech("meeting_rms");
  using encoder = await createEncoder({
    sampleRate: 16_000,
    channels: 1,
    frameSize: 320,
    application: Application.Voip,
    bitrate: 32_000,
    fec: true,
    packetLossPercent: 30,
  });
  const packets = Array.from(
    { length: 150 },
    (_, i) => encoder.encodeFloat(speech.samples.subarray(320 * i, 320 * (i + 1))),
  );
  using whole = opened();
  const wanted = whole.receive(timeline(packets));
  const errorWith = (copies: boolean) => {
    using l = opened();
    // Without copies: the packet after the lost one is one that has nothing to recover from.
    const receive = timeline(packets).flatMap((frame, i) =>
      i % 10 === 5 && i > 50
        ? (copies ? [lost(frame)] : [lost(frame), silence(frame.startMs + 20, 0)])
        : [frame]
    );
    const out = l.receive(receive).filter((f) => f.samples.length > 0);
    assert.equal(l.main.recovered > 0, copies);
    const places = out.map((f, i) => ({ f, i })).filter(({ f }) =>
      f.startMs / 20 % 10 === 5 && f.startMs > 1_000
    );
    assert.ok(places.length >= 9);
    return levelDb(
      joined(places.map(({ f, i }) => f.samples.map((sample, n) => sample - wanted[i].samples[n]))),
    );
  };
  const [recovered, concealed] = [errorWith(true), errorWith(false)];
  assert.ok(recovered < concealed - 3, `error ${recovered} dB recovered, ${concealed} dB concealed`);
});

Deno.test("A packet the decoder refuses is concealed in its place and counted lost", async () => {
  using l = opened();
  const frames = timeline(await encodeOpus(await readSpeech("meeting_rms"))).slice(0, 90);
  frames[60] = { ...frames[60], payload: Uint8Array.of(1 << 3 | 3, 0x41, 255, 255) };
  frames[61] = { ...frames[61], payload: crypto.getRandomValues(new Uint8Array(80)) };
  frames[61].payload[0] = frames[62].payload[0];
  const out = l.receive(frames);
  assertContiguous(out);
  assert.equal(l.ledger.lost, 1);
  assert.equal(l.main.concealed, 1);
  l.flushed();
  assert.equal(l.ledger.decoded + l.ledger.silent + l.ledger.lost, 90);
});

Deno.test("Packets without audio in a voice are zeros, silent and not decoded", () => {
  const { receive, main, ledger } = scripted();
  receive(-90, -90, -90, -20, -20);
  const out = receive("dtx", "dtx", -20);
  assert.deepEqual(out.map((f) => [f.voiced, f.samples.length, f.samples[0] === 0]), [
    [false, 480, true],
    [false, 480, true],
    [true, 480, false],
  ]);
  assert.equal(main.calls.length, 6);
  assert.deepEqual([ledger.decoded, ledger.silent], [6, 2]);
});

Deno.test("A packet nearly as loud as a voice has the next ones judged too", () => {
  const { receive, probe } = scripted();
  receive(-90, -90, -90, -63, -63, -63, -90, -90, -90, -90, -90, -90);
  assert.deepEqual(probe.calls.slice(3), [
    ...["decode -63", "decode -63", "decode -63", "decode -90", "decode -90", "decode -90", "decode -90"],
  ]);
});

Deno.test("What was lost before the first packet of a voice is not concealed", () => {
  const { receive, main } = scripted();
  const out = receive(-90, -90, -90, ...new Array(21).fill("dtx"), "lost", -20);
  assert.equal(out.at(-1)!.voiced, true);
  assert.deepEqual(main.calls, ["decode -20"]);
});

Deno.test("Loud concealment is a voice in a voice and not before it", () => {
  const { receive } = scripted();
  const out = receive(-90, -90, -90, "lost", -20, "lost", -20);
  assert.deepEqual(out.map((f) => f.voiced), [false, false, false, false, true, true, true]);
});

Deno.test("A voice that ends while a lost packet was awaited leaves the next frame to the gate", () => {
  const { receive, flushed, ledger } = scripted({ voiceTailMs: 200 });
  // Concealment counts as voice for 100 ms, then the tail runs out in the last of the lost packets.
  const out = receive(-90, -90, -90, -20, ...new Array(15).fill("lost"), -90);
  assert.deepEqual(out.filter((f) => f.endOfVoice).map((f) => f.startMs), [360]);
  assert.equal(endMs(out.at(-1)!), 380);
  flushed();
  assert.deepEqual([ledger.decoded, ledger.silent], [4, 1]);
});

Deno.test("Flush ends a voice: what was awaited is concealed, what was held is silent", async () => {
  using l = opened();
  const frames = timeline(await encodeOpus(await readSpeech("meeting_rms"))).slice(0, 61);
  l.receive([...frames.slice(0, 60), lost(frames[60])]);
  const out = l.flushed();
  assert.deepEqual(out.map((f) => [f.startMs, f.endOfVoice]), [[1_200, true]]);
  assert.deepEqual(l.flushed(), []);
  assert.equal(l.ledger.decoded + l.ledger.silent, 60);
});
