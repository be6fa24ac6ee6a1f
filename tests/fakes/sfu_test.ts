import assert from "@std/assert";
import { packetsOf } from "./packets.ts";
import { AudioLedger, type RtpPacket } from "../../src/domain/mod.ts";
import { WebRtcReceiver } from "../../src/webrtc/mod.ts";
import { SfuPublisher } from "./sfu.ts";
import { encodeOpus, type Speech } from "./speech.ts";
import { FakeLog, FakeMeter } from "./telemetry.ts";

/** Tones of rising pitch: packets that differ from one another, and a second of them. */
const TONES: Speech = {
  samples: Float32Array.from({ length: 16_000 }, (_, i) => 0.3 * Math.sin(i * (0.05 + i / 40_000))),
  sampleRateHz: 16_000,
};

const openReceiver = (meter = new FakeMeter()) =>
  new WebRtcReceiver({
    ledger: new AudioLedger(),
    log: new FakeLog(),
    meter,
    onAudioLost: () => {},
    onAudio: () => {},
    network: { interfaceAddresses: ["127.0.0.1"] },
  });

async function connect(publisher: SfuPublisher, receiver: WebRtcReceiver, sid: string) {
  const offer = { sid, sdp: await publisher.offer("me", sid) };
  await publisher.answer(sid, (await receiver.answer(offer, [])).sdp);
  return packetsOf(receiver.source).getReader();
}

async function take(
  reader: ReadableStreamDefaultReader<RtpPacket>,
  enough: (packets: RtpPacket[]) => boolean,
): Promise<RtpPacket[]> {
  const packets: RtpPacket[] = [];
  while (!enough(packets)) {
    const { value } = await reader.read();
    if (!value) break;
    packets.push(value);
  }
  return packets;
}

Deno.test("Every subscriber receives the same packets, each from sequence number 1 on", async () => {
  await using publisher = await SfuPublisher.start();
  await using one = openReceiver();
  await using two = openReceiver();
  const readers = [await connect(publisher, one, "s1"), await connect(publisher, two, "s2")];
  for (const reader of readers) assert.equal((await reader.read()).value?.sequence, 1);
  const sent = (await encodeOpus(TONES)).map((payload) => payload.join());
  await publisher.say(TONES);
  for (const reader of readers) {
    const packets = await take(reader, (all) => all.at(-1)?.payload.join() === sent.at(-1));
    assert.deepEqual(packets.slice(-sent.length).map(({ payload }) => payload.join()), sent);
  }
});

Deno.test("Fifty packets a second are sent, without drift", async () => {
  await using publisher = await SfuPublisher.start();
  const startMs = performance.now();
  await publisher.say(TONES);
  await publisher.say(TONES);
  const tookMs = performance.now() - startMs;
  assert.ok(tookMs > 1_960 && tookMs < 4_000, `two seconds took ${tookMs} ms`);
});

Deno.test("A released subscription is gone, a closed publisher offers nothing, and a play under way ends", async () => {
  const publisher = await SfuPublisher.start();
  await publisher.offer("me", "s1");
  await publisher.release("s1");
  await assert.rejects(publisher.answer("s1", "v=0"), /no such sid/);
  const saying = publisher.say(TONES);
  await Promise.resolve();
  await publisher.close();
  await saying;
  await assert.rejects(publisher.offer("me", "s2"), /closed/);
  await publisher.close();
});

Deno.test("Impairments lose, duplicate and reorder by the seed, the same every time", async () => {
  const runs: number[][] = [];
  const meter = new FakeMeter();
  for (let run = 0; run < 2; run++) {
    const impairments = { seed: 7, lossRate: 0.1, duplicateRate: 0.1, reorderRate: 0.1 };
    await using publisher = await SfuPublisher.start({ impairments });
    await using receiver = openReceiver(meter);
    const reader = await connect(publisher, receiver, "s1");
    const packets = await take(reader, (all) => all.some(({ sequence }) => sequence >= 103));
    runs.push(packets.map(({ sequence }) => sequence).filter((sequence) => sequence <= 100));
  }
  assert.deepEqual(runs[0], runs[1]);
  const [sequences] = runs;
  const distinct = new Set(sequences);
  assert.ok(distinct.size < 98, "some are lost");
  assert.ok(distinct.size > 75, "most are not");
  assert.equal(sequences.length, distinct.size, "SRTP lets no packet in twice");
  assert.ok(meter.counted("tiro_rtp_refused_total", "replayed") > 2, "some came twice");
  assert.ok(sequences.some((sequence, i) => sequence < sequences[i - 1]), "some come late");
});
