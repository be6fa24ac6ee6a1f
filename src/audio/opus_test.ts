import assert from "@std/assert";
import { Application, createDecoder, createEncoder } from "libopus-wasm";
import { encodeOpus, readSpeech } from "../../tests/fakes/speech.ts";
import { OPUS_RATES_HZ, OpusDecoder, type Samples } from "./opus.ts";
import { PackageDecoder } from "./opus_package.ts";
import { chooseOpus, DecoderSource, openDecoder } from "./opus_choice.ts";
import { end, memory, start } from "./opus.wasm";
import { seededRandom } from "./testing_test.ts";

interface Stream {
  name: string;
  packets: Uint8Array[];
}

interface Encoding {
  application: Application;
  bitrate: number;
  channels?: 1 | 2;
  frameMs?: number;
  fec?: boolean;
  dtx?: boolean;
}

/** Three seconds of noisy tones, 48 kHz, that slide and pause; the channels differ. */
async function encodeTones(options: Encoding): Promise<Uint8Array[]> {
  const { channels = 1, frameMs = 20, ...rest } = options;
  const random = seededRandom(7);
  const frameSize = 48 * frameMs;
  using encoder = await createEncoder({
    sampleRate: 48_000,
    channels,
    frameSize,
    packetLossPercent: 30,
    ...rest,
  });
  let phase = 0;
  return Array.from({ length: 3_000 / frameMs }, (_, packet) => {
    const pcm = new Float32Array(frameSize * channels);
    for (let i = 0; i < frameSize; i++) {
      const at = packet * frameSize + i;
      phase += (200 + at / 40) * 2 * Math.PI / 48_000;
      const loud = at % 48_000 < 30_000 ? 0.4 : 0;
      for (let channel = 0; channel < channels; channel++) {
        const wave = Math.sin(phase * (1 + channel)) + 0.5 * Math.sin(3.1 * phase) + 0.2 * random();
        pcm[channels * i + channel] = loud * wave;
      }
    }
    return encoder.encodeFloat(pcm).slice();
  });
}

async function streams(): Promise<Stream[]> {
  const { Voip, Audio, RestrictedLowDelay } = Application;
  const tones = async (name: string, options: Encoding) => ({ name, packets: await encodeTones(options) });
  return [
    { name: "speech", packets: await encodeOpus(await readSpeech("meeting_rms")) },
    { name: "speech, DTX", packets: await encodeOpus(await readSpeech("train_slt"), { dtx: true }) },
    await tones("SILK narrowband", { application: Voip, bitrate: 7_000 }),
    await tones("SILK, 60 ms, FEC", { application: Voip, bitrate: 14_000, frameMs: 60, fec: true }),
    await tones("SILK stereo, FEC", { application: Voip, bitrate: 24_000, channels: 2, fec: true }),
    await tones("hybrid, FEC", { application: Voip, bitrate: 32_000, fec: true }),
    await tones("hybrid stereo", { application: Voip, bitrate: 48_000, channels: 2 }),
    await tones("CELT", { application: Audio, bitrate: 96_000 }),
    await tones("CELT stereo", { application: Audio, bitrate: 128_000, channels: 2 }),
    await tones("CELT, 2.5 ms", { application: RestrictedLowDelay, bitrate: 64_000, frameMs: 2.5 }),
  ];
}

/** What a TOC byte says of how the packet is coded (RFC 6716, section 3.1). */
const modeOf = (packet: Uint8Array) => packet[0] >> 3 < 12 ? "SILK" : packet[0] >> 3 < 16 ? "hybrid" : "CELT";

Deno.test("Samples are those of libopus built without SIMD, bit for bit, with losses and at every rate", async () => {
  const all = await streams();
  const modes = new Set(all.flatMap(({ packets }) => packets.map(modeOf)));
  assert.deepEqual([...modes].sort(), ["CELT", "SILK", "hybrid"]);
  for (const { name, packets } of all) {
    for (const rateHz of OPUS_RATES_HZ) {
      using ours = new OpusDecoder(rateHz);
      using theirs = await createDecoder({ sampleRate: rateHz, channels: 1 });
      let durationMs = 20;
      for (const [i, packet] of packets.entries()) {
        const where = `${name}, ${rateHz} Hz, packet ${i}`;
        const frameSize = durationMs * rateHz / 1_000;
        if (i > 0 && i % 11 < 2) {
          assert.deepEqual(ours.conceal(durationMs), theirs.decodePacketLossFloat(frameSize), where);
          continue;
        }
        if (i % 11 === 2) {
          const recovered = theirs.decodeFloat(packet, { decodeFec: true, frameSize });
          assert.deepEqual(ours.recover(packet, durationMs), recovered, where);
        }
        const samples = ours.decode(packet);
        assert.deepEqual(samples, theirs.decodeFloat(packet), where);
        durationMs = samples!.length * 1_000 / rateHz;
      }
    }
  }
});

Deno.test("Damaged and random packets are refused or decoded as libopus does, and the stream goes on", async () => {
  const random = seededRandom(3);
  const packets = (await streams()).flatMap((stream) => stream.packets.slice(0, 60));
  using ours = new OpusDecoder(24_000);
  using theirs = await createDecoder({ sampleRate: 24_000, channels: 1 });
  const decoded = (packet: Uint8Array) => {
    try {
      return theirs.decodeFloat(packet);
    } catch {
      return undefined;
    }
  };
  let refused = 0;
  for (let round = 0; round < 4_000; round++) {
    let packet = packets[Math.floor(random() * packets.length)].slice();
    const kind = round % 4;
    if (kind === 1) packet[Math.floor(random() * packet.length)] ^= 1 << Math.floor(8 * random());
    if (kind === 2) packet = packet.subarray(0, 1 + Math.floor(random() * packet.length));
    if (kind === 3) {
      packet = Uint8Array.from({ length: 1 + Math.floor(200 * random()) }, () => 256 * random());
    }
    const samples = ours.decode(packet);
    assert.deepEqual(samples, decoded(packet), `round ${round}`);
    if (!samples) refused++;
  }
  assert.ok(refused > 50 && refused < 2_000, `${refused} refused`);
});

Deno.test("What cannot be a packet is refused: nothing, and more than a datagram", () => {
  using decoder = new OpusDecoder(24_000);
  assert.equal(decoder.decode(new Uint8Array(0)), undefined);
  assert.equal(decoder.decode(new Uint8Array(2_000)), undefined);
  assert.deepEqual(decoder.recover(new Uint8Array(2_000), 20), new Float32Array(480));
});

Deno.test("Decoders share buffers and nothing else: what one gave stays, and interleaved streams are as alone", async () => {
  const [speech, , , , , hybrid] = await streams();
  const alone = (packets: Uint8Array[]) => {
    using decoder = new OpusDecoder(24_000);
    return packets.map((packet) => decoder.decode(packet)?.slice());
  };
  const wanted = [alone(speech.packets.slice(0, 100)), alone(hybrid.packets.slice(0, 100))];
  using a = new OpusDecoder(24_000);
  using b = new OpusDecoder(24_000);
  const got: (Samples | undefined)[][] = [[], []];
  for (let i = 0; i < 100; i++) {
    got[0].push(a.decode(speech.packets[i])?.slice());
    got[1].push(b.decode(hybrid.packets[i])?.slice());
  }
  assert.deepEqual(got, wanted);
});

Deno.test("An ended decoder's memory is the next one's, which begins as new", async () => {
  const packets = await encodeOpus(await readSpeech("hello_rms"));
  const first = () => {
    using decoder = new OpusDecoder(24_000);
    return packets.slice(0, 50).map((packet) => decoder.decode(packet)?.slice());
  };
  const wanted = first();
  Array.from({ length: 20 }, () => new OpusDecoder(48_000)).forEach((decoder) => decoder[Symbol.dispose]());
  const before = memory.buffer.byteLength;
  for (let round = 0; round < 200; round++) {
    const some = Array.from({ length: 20 }, () => new OpusDecoder(16_000));
    for (const decoder of some) decoder.decode(packets[round % packets.length]);
    for (const decoder of some) decoder[Symbol.dispose]();
  }
  assert.equal(memory.buffer.byteLength, before);
  assert.deepEqual(first(), wanted);
});

Deno.test("2,048 decoders can be open, one more is refused, and one that ends makes room", () => {
  using open = new DisposableStack();
  const last = Array.from({ length: 2_048 }, () => open.use(new OpusDecoder(24_000))).at(-1)!;
  assert.throws(() => new OpusDecoder(24_000), {
    name: "RangeError",
    message: "Cannot decode Opus: too many decoders are open",
  });
  assert.ok(memory.buffer.byteLength <= 38_010_880, `${memory.buffer.byteLength} bytes`);
  last[Symbol.dispose]();
  last[Symbol.dispose]();
  open.use(new OpusDecoder(24_000));
  assert.throws(() => new OpusDecoder(24_000), RangeError);
});

Deno.test("A decoder that breaks begins anew, and the others do not notice", async () => {
  const packets = await encodeOpus(await readSpeech("hello_rms"));
  using other = new OpusDecoder(24_000);
  // The next decoder gets the memory of the last that ended.
  const address = start(24_000);
  end(address);
  using broken = new OpusDecoder(24_000);
  using fresh = new OpusDecoder(24_000);
  const wanted = packets.slice(0, 60).map((packet) => fresh.decode(packet)?.slice());
  const state = new Uint8Array(memory.buffer, address, 18_400);
  for (let round = 0; round < 3_000; round++) { // more than the stack would hold of what a trap leaves
    state.fill(round & 1 ? 0xff : 0x7f);
    assert.equal(broken.decode(packets[0]), undefined);
  }
  assert.deepEqual(packets.slice(0, 60).map((packet) => broken.decode(packet)?.slice()), wanted);
  assert.deepEqual(packets.slice(0, 60).map((packet) => other.decode(packet)?.slice()), wanted);
});

Deno.test("An ended decoder decodes nothing, and a rate Opus has not is refused", () => {
  const decoder = new OpusDecoder(16_000);
  decoder[Symbol.dispose]();
  assert.equal(decoder.decode(Uint8Array.of(8, 1, 2, 3)), undefined);
  assert.deepEqual(decoder.conceal(20), new Float32Array(320));
  assert.throws(() => new OpusDecoder(44_100), RangeError);
});

Deno.test("The package's decoder gives our samples, with losses, at every rate, and refuses what ours refuses", async () => {
  const random = seededRandom(5);
  const { Voip } = Application;
  const packets = await encodeTones({ application: Voip, bitrate: 32_000, fec: true });
  for (const rateHz of OPUS_RATES_HZ) {
    using ours = new OpusDecoder(rateHz);
    using theirs = new PackageDecoder(rateHz);
    assert.throws(() => theirs.decode(packets[0]), /the decoder is not open/);
    await new Promise((resolve) => setTimeout(resolve, 0)); // a later task
    for (const [i, packet] of packets.entries()) {
      const where = `${rateHz} Hz, packet ${i}`;
      if (i % 11 === 1) assert.deepEqual(theirs.conceal(20), ours.conceal(20), where);
      if (i % 11 === 2) assert.deepEqual(theirs.recover(packet, 20), ours.recover(packet, 20), where);
      const noise = Uint8Array.from({ length: 1 + 90 * random() }, () => 256 * random());
      assert.deepEqual(theirs.decode(noise), ours.decode(noise), where);
      assert.deepEqual(theirs.decode(packet), ours.decode(packet), where);
    }
    for (const size of [0, 2_000]) assert.equal(theirs.decode(new Uint8Array(size)), undefined);
    assert.throws(() => theirs.conceal(140), RangeError);
    theirs[Symbol.dispose]();
    assert.equal(theirs.decode(packets[0]), undefined);
    assert.deepEqual(theirs.conceal(20), new Float32Array(rateHz / 50));
  }
  assert.throws(() => new PackageDecoder(44_100), RangeError);
});

Deno.test("Decoders of the package are opened once it is chosen, and one ahead can be used at once", async () => {
  const [packet] = await encodeTones({ application: Application.Voip, bitrate: 32_000 });
  await chooseOpus("libopus-wasm");
  try {
    using decoder = openDecoder(24_000);
    assert.ok(decoder instanceof PackageDecoder);
    using source = new DecoderSource(24_000);
    await new Promise((resolve) => setTimeout(resolve, 0)); // a later task
    using again = source.take();
    assert.equal(again.decode(packet)?.length, 480);
  } finally {
    await chooseOpus("built-in");
  }
  using decoder = openDecoder(24_000);
  assert.ok(decoder instanceof OpusDecoder);
});
