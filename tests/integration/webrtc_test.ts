/** The receiver against a real werift publisher: UDP, ICE, DTLS and SRTP on loopback. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { LIMITS } from "../../src/domain/mod.ts";
import { FakeClock } from "../fakes/clock.ts";
import { SfuPublisher, watchBeats } from "../fakes/sfu.ts";
import { encodeOpus, readSpeech, type Speech } from "../fakes/speech.ts";
import { eventually } from "./world.ts";
import { DEADLINE_MS, TestReceiver } from "./receiving.ts";

/** Counts what is sent to a subscription from its start. */
class Sent implements Disposable {
  #packets = 0;
  readonly #counting = watchBeats(({ packets }) => this.#packets += packets);

  /** Resolves once all of it has arrived. */
  arrivedAt({ ledger }: TestReceiver): Promise<void> {
    return eventually("all that was sent", () => ledger.received === this.#packets, DEADLINE_MS);
  }

  [Symbol.dispose](): void {
    this.#counting[Symbol.dispose]();
  }
}

async function shortSpeech(): Promise<Speech> {
  const { samples, sampleRateHz } = await readSpeech("train_slt");
  return { samples: samples.slice(sampleRateHz / 2, sampleRateHz), sampleRateHz };
}

const equal = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i]);

Deno.test("Speech arrives byte for byte, in order, with silence before and after", async () => {
  const speech = await shortSpeech();
  const sent = await encodeOpus(speech);
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  await subscriber.subscribe(publisher, "s1");
  const first = await subscriber.read();
  assert.equal(first.sequence, 1);
  assert.equal(first.timestamp, 0);
  assert.equal(subscriber.audioStarts, 1);
  assert.deepEqual(subscriber.connected, [0], "reported once, before any audio");

  const said = publisher.say(speech);
  const packets = [first, ...await subscriber.readUntil(({ payload }) => equal(payload, sent[0]))];
  const start = packets.length - 1;
  await said;
  while (packets.length < start + sent.length + 3) packets.push(await subscriber.read());

  assert.deepEqual(packets.slice(start, start + sent.length).map(({ payload }) => payload), sent);
  for (const packet of packets.slice(start + sent.length)) assert.deepEqual(packet.payload, first.payload);
  assert.deepEqual(packets.map(({ sequence }) => sequence), packets.map((_, i) => i + 1));
  assert.deepEqual(packets.map(({ timestamp }) => timestamp), packets.map((_, i) => i * 960));
  assert.deepEqual([...new Set(packets.map(({ ssrc }) => ssrc))], [first.ssrc]);
  assert.ok(packets.every(({ arrivedMs }, i) => i === 0 || arrivedMs >= packets[i - 1].arrivedMs));
  assert.equal(subscriber.audioStarts, 1);
  assert.deepEqual(subscriber.losses, []);
  assert.equal(subscriber.ledger.dropped, 0);
});

Deno.test("A packet's payload does not pin the datagram's buffer", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  await subscriber.subscribe(publisher, "s1");
  for (let count = 0; count < 5; count++) {
    const { payload } = await subscriber.read();
    assert.equal(payload.constructor, Uint8Array);
    assert.equal(payload.buffer.byteLength, payload.byteLength);
  }
});

Deno.test("A sequence number that jumps ahead under the same SSRC interrupts nothing", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver({ rtpSilenceMs: 1_000 });
  await subscriber.subscribe(publisher, "s1");
  await subscriber.readUntil(({ sequence }) => sequence >= 20);
  for (const by of [20_000, 40_000]) {
    const before = await subscriber.read();
    publisher.jump(by);
    const jumped = (await subscriber.readUntil(({ sequence }) => sequence - before.sequence >= by)).at(-1)!;
    assert.ok(
      jumped.timestamp - before.timestamp <= 960 * (jumped.sequence - before.sequence - by),
      "no gap",
    );
    await subscriber.readUntil(({ sequence }) => sequence === jumped.sequence + 70);
  }
  assert.equal(subscriber.audioStarts, 1);
  assert.deepEqual(subscriber.losses, []);
});

Deno.test("Silence is reported once, and again only after audio has returned", async () => {
  await using publisher = await SfuPublisher.start();
  const clock = new FakeClock();
  // Long, because a packet's time in the kernel is real time and is subtracted.
  await using subscriber = new TestReceiver({ clock, rtpSilenceMs: 20_000 });
  using sent = new Sent();
  await subscriber.subscribe(publisher, "s1");
  let sequence = 0;
  for (let receivedMs = 0; receivedMs < 50_000; receivedMs += 5_000) {
    ({ sequence } = (await subscriber.readUntil((packet) => packet.sequence > sequence)).at(-1)!);
    await clock.advance(5_000);
  }
  assert.deepEqual(subscriber.losses, [], "a muted microphone still sends");

  for (let loss = 1; loss <= 2; loss++) {
    publisher.stall(true);
    await sent.arrivedAt(subscriber);
    await clock.advance(20_000);
    assert.equal(subscriber.losses.length, loss);
    await clock.advance(60_000);
    assert.deepEqual(subscriber.losses, Array(loss).fill("rtp_silent"), "reported once");
    publisher.stall(false);
    await subscriber.until(() => subscriber.audioStarts === loss + 1, "audio after the loss");
  }
});

Deno.test("An answer without any audio is reported as lost audio, and a new answer restarts the timer", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver({ rtpSilenceMs: 200 });
  publisher.stall(true);
  await subscriber.subscribe(publisher, "s1");
  await subscriber.until(() => subscriber.losses.length === 1, "lost audio");
  await subscriber.subscribe(publisher, "s2");
  await subscriber.until(() => subscriber.losses.length === 2, "lost audio again");
  assert.deepEqual(subscriber.losses, ["rtp_silent", "rtp_silent"]);
  assert.equal(subscriber.audioStarts, 0);
});

Deno.test("Without a reader the inbox is bounded, the rest is dropped and counted", async () => {
  await using publisher = await SfuPublisher.start();
  const clock = new FakeClock(); // the metric follows the ledger at the watchdog's checks only
  await using subscriber = new TestReceiver({ clock });
  using sent = new Sent();
  await subscriber.subscribe(publisher, "s1");
  await subscriber.until(() => subscriber.audioStarts === 1, "the first packet");
  await publisher.say({ samples: new Float32Array(48_000 * 2), sampleRateHz: 48_000 }); // 100 packets: 2 s
  publisher.stall(true);
  await sent.arrivedAt(subscriber);
  await clock.advance(LIMITS.rtpSilenceMs);
  assert.deepEqual(subscriber.losses, ["rtp_silent"]);
  const { received, dropped } = subscriber.ledger;
  assert.ok(dropped >= 30, `${dropped} dropped`);
  assert.equal(received - dropped, LIMITS.rtpInboxPackets);
  assert.equal(subscriber.receiver.source.takeDropped(), dropped);
  assert.equal(subscriber.receiver.source.takeDropped(), 0);
  assert.equal(subscriber.meter.counted("tiro_queue_dropped_total", "rtp_inbox"), dropped);
  const sequences: number[] = [];
  for (let count = 0; count < LIMITS.rtpInboxPackets; count++) {
    sequences.push((await subscriber.read()).sequence);
  }
  assert.deepEqual(sequences, sequences.map((_, i) => dropped + 1 + i), "the newest, in order");
});

Deno.test("Datagrams of strangers to a speaker's port cost no packet, and are counted", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const sdp = await subscriber.subscribe(publisher, "s1");
  const port = Number(/a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)/.exec(sdp)?.[1]);
  const stranger = createSocket("udp4");
  const said = [
    "19fefd00000000000000000000", // an unknown content type
    "15fefd000000000000000000020100", // close_notify
    "000100002112a442000000000000000000000000", // a check that nobody signed
    "ff",
  ];
  const { sequence } = await subscriber.read();
  for (let round = 0; round < 20; round++) {
    for (const hex of said) {
      await new Promise<void>((sent) =>
        stranger.send(Buffer.from(hex, "hex"), port, "127.0.0.1", () => sent())
      );
    }
    await subscriber.read();
  }
  const packets = await subscriber.readUntil((packet) => packet.sequence === sequence + 100);
  await new Promise<void>((closed) => stranger.close(closed));
  assert.deepEqual(packets.map((packet) => packet.sequence), packets.map((_, i) => sequence + 21 + i));
  assert.deepEqual(subscriber.losses, []);
  for (const reason of ["dtls_stranger", "stun_unauthenticated", "unknown_protocol"]) {
    assert.ok(subscriber.meter.counted("tiro_datagrams_refused_total", reason) >= 20, reason);
  }
});
