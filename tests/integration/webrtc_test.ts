/** The receiver against a real werift publisher: UDP, ICE, DTLS and SRTP on loopback. */
import assert from "@std/assert";
import { packetsOf } from "../fakes/packets.ts";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { RTCPeerConnection } from "werift";
import { AudioLedger, LIMITS, NegotiationError, type RtpPacket } from "../../src/domain/mod.ts";
import { type WebRtcNetwork, WebRtcReceiver, type WebRtcReceiverOptions } from "../../src/webrtc/mod.ts";
import { FakeClock, settle } from "../fakes/clock.ts";
import { ClaimedPorts, type PortRange } from "../fakes/ports.ts";
import { SfuPublisher, watchBeats } from "../fakes/sfu.ts";
import { encodeOpus, readSpeech, type Speech } from "../fakes/speech.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";
import { openUdpPorts } from "../fakes/udp_ports.ts";
import { WatchedUdpSockets } from "../fakes/udp_sockets.ts";
import { eventually } from "./world.ts";

/** Generous: the machine may be busy with other tests. */
const DEADLINE_MS = 15_000;

// The sanitizers check timers; libc's sockets are counted in the kernel.
let sockets: WatchedUdpSockets;
Deno.test.beforeEach(() => void (sockets = new WatchedUdpSockets()));
Deno.test.afterEach(() => {
  sockets[Symbol.dispose]();
  assert.equal(sockets.open, 0, `of ${sockets.size} sockets`);
});

/** A receiver on loopback that records its events. */
class TestReceiver implements AsyncDisposable {
  readonly ledger = new AudioLedger();
  readonly log = new FakeLog();
  readonly meter = new FakeMeter();
  readonly losses: string[] = [];
  /** `audioStarts` at each connected event. */
  readonly connected: number[] = [];
  audioStarts = 0;
  readonly receiver: WebRtcReceiver;
  readonly #watchers = new Set<() => void>();
  #reader?: ReadableStreamDefaultReader<RtpPacket>;

  constructor(options: Partial<WebRtcReceiverOptions> = {}) {
    this.receiver = new WebRtcReceiver({
      ledger: this.ledger,
      log: this.log,
      meter: this.meter,
      onAudioLost: (reason) => this.#record(() => this.losses.push(reason)),
      onConnected: () => this.#record(() => this.connected.push(this.audioStarts)),
      onAudio: () => this.#record(() => this.audioStarts++),
      network: { interfaceAddresses: ["127.0.0.1"] },
      ...options,
    });
  }

  /** One whole subscription: offer, answer, and back. */
  async subscribe(publisher: SfuPublisher, sid: string): Promise<string> {
    const { sdp } = await this.receiver.answer({ sid, sdp: await publisher.offer("subscriber", sid) }, []);
    await publisher.answer(sid, sdp);
    return sdp;
  }

  async read(): Promise<RtpPacket> {
    this.#reader ??= packetsOf(this.receiver.source).getReader();
    const { value, done } = await within(this.#reader.read(), "a packet");
    if (done) throw new Error("The source ended");
    return value;
  }

  /** Reads until `matches`, giving the packets read, the match last. */
  async readUntil(matches: (packet: RtpPacket) => boolean): Promise<RtpPacket[]> {
    const read: RtpPacket[] = [];
    for (const endMs = performance.now() + DEADLINE_MS; performance.now() < endMs;) {
      read.push(await this.read());
      if (matches(read[read.length - 1])) return read;
    }
    throw new Error("No such packet");
  }

  /** Resolves once `holds` does; checked at each event of the receiver. */
  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#watchers.add(resolve);
      await within(promise, what).finally(() => this.#watchers.delete(resolve));
    }
  }

  #record(what: () => void): void {
    what();
    for (const watcher of this.#watchers) watcher();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader?.releaseLock();
    await this.receiver[Symbol.asyncDispose]();
  }
}

/** Until disposed, a method of werift's connections never settles. */
class Unsettled implements Disposable {
  readonly #called = Promise.withResolvers<void>();
  readonly #original: PropertyDescriptor;

  constructor(private readonly method: "setRemoteDescription" | "createAnswer" | "setLocalDescription") {
    this.#original = Object.getOwnPropertyDescriptor(RTCPeerConnection.prototype, method)!;
    const value = () => {
      this.#called.resolve();
      return new Promise<never>(() => {});
    };
    Object.defineProperty(RTCPeerConnection.prototype, method, { ...this.#original, value });
  }

  /** Resolves with the first call. */
  get called(): Promise<void> {
    return this.#called.promise;
  }

  [Symbol.dispose](): void {
    Object.defineProperty(RTCPeerConnection.prototype, this.method, this.#original);
  }
}

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

async function within<T>(work: Promise<T>, what: string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`No sign of ${what}`)), DEADLINE_MS);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function shortSpeech(): Promise<Speech> {
  const { samples, sampleRateHz } = await readSpeech("train_slt");
  return { samples: samples.slice(sampleRateHz / 2, sampleRateHz), sampleRateHz };
}

const equal = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((byte, i) => byte === b[i]);

async function rejection(work: Promise<unknown>): Promise<NegotiationError> {
  const error = await work.then(() => undefined, (reason: unknown) => reason);
  if (error instanceof NegotiationError) return error;
  throw new Error(`Expected a NegotiationError, got ${error}`);
}

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

Deno.test("The answer accepts audio, declines video, and has our candidates", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const sdp = await subscriber.subscribe(publisher, "s1");
  const [, audio, video] = sdp.split("\r\nm=");
  assert.match(audio, /^audio 9 .*\b111\r\n/);
  assert.match(audio, /\r\na=recvonly\r\n/);
  assert.match(audio, /\r\na=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 \d+ typ host/);
  assert.equal(audio.match(/a=candidate:/g)?.length, 1, "only the address that was named");
  assert.match(video, /^video 0 /);
});

Deno.test("Data channels and unknown kinds of media are declined at any position", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const offer = await publisher.offer("subscriber", "s1");
  const data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\na=sctp-port:5000\r\n";
  const text = "m=text 9 RTP/SAVPF 98\r\na=mid:t\r\n";
  const all = offer.replace("m=audio", data + "m=audio") + text;
  const { sdp } = await subscriber.receiver.answer({ sid: "s1", sdp: all }, []);
  const ports = [...sdp.matchAll(/^m=(\S+) (\d+)/gm)].map(([, kind, port]) => `${kind} ${port}`);
  assert.deepEqual(ports, ["application 0", "audio 9", "video 0", "text 0"]);
  const ours = sdp.split(/(?=m=)/).filter((section) => !/^m=(application|text)/.test(section)).join("");
  await publisher.answer("s1", ours);
  await subscriber.readUntil(({ sequence }) => sequence >= 5);
});

Deno.test("A re-offer on the same sid keeps the audio going on the same stream", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const answers = [await subscriber.subscribe(publisher, "s1")];
  const before = await subscriber.read();
  for (let count = 0; count < 2; count++) answers.push(await subscriber.subscribe(publisher, "s1"));
  const { sequence } = await subscriber.read();
  const after = (await subscriber.readUntil((packet) => packet.sequence === sequence + 20)).at(-1);
  assert.equal(after?.ssrc, before.ssrc);
  assert.equal(after?.timestamp, (sequence + 19) * 960, "no gap: the connection was never dropped");
  assert.equal(subscriber.audioStarts, 1);
  const ufrags = answers.map((sdp) => /a=ice-ufrag:(\S+)/.exec(sdp)?.[1]);
  assert.equal(new Set(ufrags).size, 1, "one ICE session");
  assert.deepEqual(subscriber.connected, [0, 1, 1], "reported again for each offer");
});

Deno.test("A re-offer during the first handshake waits for it", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  await subscriber.subscribe(publisher, "s1");
  const again = subscriber.receiver.answer({ sid: "s1", sdp: await publisher.offer("subscriber", "s1") }, []);
  assert.equal(subscriber.audioStarts, 0, "the handshake was already over");
  await publisher.answer("s1", (await within(again, "the second answer")).sdp);
  await subscriber.readUntil(({ sequence }) => sequence >= 20);
  assert.deepEqual(subscriber.losses, []);
});

Deno.test("A new sid replaces the connection: only its packets arrive, from the same source", async () => {
  await using old = await SfuPublisher.start();
  await using next = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  await subscriber.subscribe(old, "s1");
  const { ssrc } = await subscriber.read();
  await subscriber.subscribe(next, "s2");
  await subscriber.readUntil((packet) => packet.ssrc !== ssrc);
  for (let count = 0; count < 20; count++) assert.notEqual((await subscriber.read()).ssrc, ssrc);
  assert.equal(subscriber.audioStarts, 2);
  assert.deepEqual(subscriber.losses, [], "closing the old connection is not reported as lost audio");
});

Deno.test("Candidates before their offer are queued, an empty sdpMid and malformed candidates are harmless", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const offer = await publisher.offer("subscriber", "s1");
  const line = /a=(candidate:.*)/.exec(offer)?.[1] ?? "";
  const bare = offer.split("\r\n").filter((text) => !/^a=(candidate|end-of)/.test(text)).join("\r\n");
  subscriber.receiver.addCandidate("s1", { candidate: line, sdpMid: "", sdpMLineIndex: 0 });
  subscriber.receiver.addCandidate("other", { candidate: line, sdpMLineIndex: 0 });
  const { sdp } = await subscriber.receiver.answer({ sid: "s1", sdp: bare }, []);
  for (
    const candidate of [
      "",
      "candidate:",
      "nonsense",
      "candidate:1 1 udp 1 4be2e4d4-2b5c-4d0c-9a55-7b3d0d0f7a55.local 5000 typ host",
      "candidate:1 1 tcp 1 127.0.0.1 9 typ host tcptype active",
      "x".repeat(100_000),
      line,
    ]
  ) {
    subscriber.receiver.addCandidate("s1", { candidate });
    subscriber.receiver.addCandidate("s1", { candidate, sdpMid: "no such section", sdpMLineIndex: 99 });
  }
  // Our candidates are removed: they connect only if the receiver got the publisher's.
  await publisher.answer("s1", sdp.replaceAll(/a=(candidate:.*|end-of-candidates)\r\n/g, ""));
  await subscriber.readUntil(({ sequence }) => sequence >= 5);
  await subscriber.receiver.hangUp();
  subscriber.receiver.addCandidate("s1", { candidate: line, sdpMLineIndex: 0 });
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

Deno.test("An unusable offer is refused with a typed error without SDP, and the connection is not affected", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const offer = await publisher.offer("subscriber", "s2");
  await subscriber.subscribe(publisher, "s1");
  await subscriber.read();
  const refusedOf = async (sid: string, refused: [string, string][]) => {
    for (const [sdp, code] of refused) {
      const error = await rejection(subscriber.receiver.answer({ sid, sdp }, []));
      assert.equal(error.code, code);
      assert.doesNotMatch(`${error.message} ${error.cause}`, /secret-word|a=|m=/);
    }
  };
  for (const sid of ["s1", "s3"]) {
    await refusedOf(sid, [
      ["", "bad_sdp"],
      ["secret-word", "bad_sdp"],
      ["v=0\r\nsecret-word", "no_audio"],
      [offer.replace("m=audio", "m=secret-word"), "no_audio"],
      [offer.replaceAll(/a=ice-pwd:.*\r\n/g, ""), "bad_sdp"],
      [offer.replaceAll(/a=fingerprint:.*\r\n/g, ""), "bad_sdp"],
      [offer.replace("opus/48000/2", "secret-word/8000"), "no_opus"],
      [offer + "a=secret-word\r\n".repeat(10_000), "bad_sdp"],
    ]);
  }
  // A re-offer may end the audio, but not the bundle.
  await refusedOf("s1", [[offer.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE"), "refused"]]);
  await refusedOf("s3", [
    [offer.replace("a=sendonly", "a=inactive"), "no_audio"],
    [offer.replace("m=audio 9", "m=audio 0"), "no_audio"],
  ]);
  const { sequence } = await subscriber.read();
  await subscriber.readUntil((packet) => packet.sequence === sequence + 10);
  assert.equal(subscriber.audioStarts, 1);
  assert.deepEqual(subscriber.losses, []);
});

Deno.test("A failed handshake is reported at once, and the next offer makes a new connection", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const offer = await publisher.offer("subscriber", "s1");
  const forged = offer.replaceAll(/(a=fingerprint:sha-256 ).*/g, `$1${Array(32).fill("00").join(":")}`);
  const { sdp } = await subscriber.receiver.answer({ sid: "s1", sdp: forged }, []);
  await publisher.answer("s1", sdp);
  await subscriber.until(() => subscriber.losses.length === 1, "lost audio");
  assert.deepEqual(subscriber.losses, ["dtls_failed"]);
  assert.equal(subscriber.audioStarts, 0, "packets of another certificate are not received");
  assert.deepEqual(subscriber.connected, []);
  await subscriber.subscribe(publisher, "s2");
  await subscriber.until(() => subscriber.audioStarts === 1, "audio");
  assert.deepEqual(subscriber.losses, ["dtls_failed"]);
});

Deno.test("The stage at which connecting failed is reported: no candidate, no pair, or no handshake", async () => {
  await using publisher = await SfuPublisher.start();
  const lossesOf = async (sid: string, offerOf: (offer: string) => string, answers = true) => {
    await using subscriber = new TestReceiver();
    const offer = offerOf(await publisher.offer("subscriber", sid));
    const { sdp } = await subscriber.receiver.answer({ sid, sdp: offer }, []);
    if (answers) await publisher.answer(sid, sdp);
    await subscriber.until(() => subscriber.losses.length === 1, "lost audio");
    assert.equal(subscriber.audioStarts, 0);
    return subscriber.losses;
  };
  const candidates = /(a=candidate:\S+ \d udp \d+ )(\S+)( .*\r\n)/g;
  assert.deepEqual(await lossesOf("s1", (offer) => offer.replaceAll(candidates, ""), false), [
    "no_candidates",
  ]);
  const ipv6 = (offer: string) => offer.replaceAll(candidates, "$12001:db8::1$3");
  assert.deepEqual(await lossesOf("s2", ipv6, false), ["no_candidates"], "no address to reach it from");
  assert.deepEqual(await lossesOf("s3", (offer) => offer, false), ["no_pair"], "checks it does not answer");
  const forged = (offer: string) => offer.replaceAll(/(sha-256 ).*/g, `$1${Array(32).fill("00").join(":")}`);
  assert.deepEqual(await lossesOf("s4", forged), ["dtls_failed"]);
});

Deno.test("A connection closed by the SFU is reported at once, and the next offer makes another", async () => {
  await using publisher = await SfuPublisher.start();
  const clock = new FakeClock(); // no time passes: the watchdog does not fire
  await using subscriber = new TestReceiver({ clock });
  for (const round of [1, 2]) {
    await subscriber.subscribe(publisher, `s${round}`);
    await subscriber.until(() => subscriber.audioStarts === round, "audio");
    await publisher.sayGoodbye(`s${round}`);
    await subscriber.until(() => subscriber.losses.length === round, "lost audio");
    assert.equal(subscriber.losses[round - 1], "transport_failed");
  }
  // The old subscription cannot be renegotiated.
  await publisher.release("s2");
  await subscriber.subscribe(publisher, "s2");
  await subscriber.until(() => subscriber.audioStarts === 3, "audio");
  assert.equal(subscriber.losses.length, 2);
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

Deno.test("Without a free port there is no answer, and no connection either", async () => {
  await using publisher = await SfuPublisher.start();
  using ports = ClaimedPorts.claim();
  const { first: port } = ports.rest();
  const network: WebRtcNetwork = { interfaceAddresses: ["127.0.0.1"], portRange: [port, port + 1] };
  const offer = { sid: "s1", sdp: await publisher.offer("subscriber", "s1") };
  await using first = new TestReceiver({ network });
  await using second = new TestReceiver({ network });
  await using third = new TestReceiver({ network });
  await first.receiver.answer(offer, []);
  await second.receiver.answer(offer, []);
  assert.equal((await rejection(third.receiver.answer(offer, []))).code, "no_port");
  await second.receiver.hangUp();
  await third.receiver.answer(offer, []);
});

Deno.test("A re-offer without audio is answered and not reported as lost audio", async () => {
  await using publisher = await SfuPublisher.start();
  const clock = new FakeClock();
  await using subscriber = new TestReceiver({ clock });
  await subscriber.subscribe(publisher, "s1");
  await subscriber.read();
  publisher.stall(true);
  const offer = (await publisher.offer("subscriber", "s1")).replace("a=sendonly", "a=inactive");
  const { sdp } = await subscriber.receiver.answer({ sid: "s1", sdp: offer }, []);
  assert.match(sdp, /\r\na=inactive\r\n/);
  await clock.advance(60_000);
  assert.deepEqual(subscriber.losses, []);
});

Deno.test("Hanging up stops the packets; the source continues with the next offer", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  await subscriber.subscribe(publisher, "s1");
  const { ssrc } = await subscriber.read();
  await subscriber.receiver.hangUp();
  const { received } = subscriber.ledger;
  await subscriber.subscribe(publisher, "s2");
  const packets = await subscriber.readUntil((packet) => packet.ssrc !== ssrc);
  assert.ok(packets.length - 1 <= received, "only what was there before");
  assert.equal(subscriber.audioStarts, 2);
  assert.deepEqual(subscriber.losses, []);
});

Deno.test("Offers are answered one at a time; the last one is used", async () => {
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const offers = await Promise.all(
    ["s1", "s2", "s3"].map(async (sid) => ({ sid, sdp: await publisher.offer("subscriber", sid) })),
  );
  const answers = await Promise.all(offers.map((offer) => subscriber.receiver.answer(offer, [])));
  const audio = answers.map(({ sdp }, i) => publisher.answer(offers[i].sid, sdp));
  await Promise.all(audio);
  const ssrc = Number(/a=ssrc:(\d+)/.exec(offers[2].sdp)?.[1]);
  for (let count = 0; count < 10; count++) assert.equal((await subscriber.read()).ssrc, ssrc);
});

for (const method of ["setRemoteDescription", "createAnswer", "setLocalDescription"] as const) {
  Deno.test(`A ${method} that never settles fails its offer alone after 10 s: the next one is answered`, async () => {
    await using publisher = await SfuPublisher.start();
    const clock = new FakeClock();
    await using subscriber = new TestReceiver({ clock });
    const offers = ["s1", "s2", "s3"].map(async (sid) => ({
      sid,
      sdp: await publisher.offer("subscriber", sid),
    }));
    const [first, second, third] = await Promise.all(offers);
    let answer;
    {
      using unsettled = new Unsettled(method);
      answer = subscriber.receiver.answer(first, []);
      await within(unsettled.called, method);
    }
    const next = subscriber.receiver.answer(second, []);
    await clock.advance(9_900);
    assert.equal(await Promise.race([answer, next, "waiting"]), "waiting");
    const refused = rejection(answer);
    await clock.advance(200);
    assert.deepEqual([(await refused).code, (await refused).retryable], ["timeout", true]);
    await publisher.answer("s2", (await within(next, "the next answer")).sdp);
    await subscriber.until(() => subscriber.audioStarts === 1, "audio");

    // The same on the current connection: it is abandoned, and hanging up does not wait for it.
    const again = { sid: "s2", sdp: await publisher.offer("subscriber", "s2") };
    {
      using unsettled = new Unsettled(method);
      answer = rejection(subscriber.receiver.answer(again, []));
      await within(unsettled.called, method);
    }
    const hungUp = subscriber.receiver.hangUp();
    await clock.advance(10_100);
    assert.equal((await answer).code, "timeout");
    await within(hungUp, "hanging up");
    await publisher.answer("s3", (await subscriber.receiver.answer(third, [])).sdp);
    await subscriber.until(() => subscriber.audioStarts === 2, "audio");
    await clock.advance(10_100); // for closing what never settles
  });
}

/** On claimed ports: the sanitizers do not see libc's sockets. */
function networkIn({ first, last }: PortRange): WebRtcNetwork {
  return { interfaceAddresses: ["127.0.0.1"], portRange: [first, last] };
}

Deno.test("Disposing during an answer rejects it and leaves nothing", async () => {
  using claimed = ClaimedPorts.claim();
  const ports = claimed.rest();
  await using publisher = await SfuPublisher.start();
  const offer = { sid: "s1", sdp: await publisher.offer("subscriber", "s1") };
  for (const turns of [0, 1, 3, 10]) {
    const { receiver } = new TestReceiver({ network: networkIn(ports) });
    const answer = rejection(receiver.answer(offer, []));
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await receiver[Symbol.asyncDispose]();
    assert.equal((await answer).code, "closed");
    assert.deepEqual(openUdpPorts(ports), []);
  }
});

Deno.test("Disposing during the handshake leaves nothing", async () => {
  using claimed = ClaimedPorts.claim();
  const ports = claimed.rest();
  await using publisher = await SfuPublisher.start();
  for (let round = 0; round < 4; round++) {
    {
      await using subscriber = new TestReceiver({ network: networkIn(ports) });
      await subscriber.subscribe(publisher, `s${round}`);
      assert.ok(openUdpPorts(ports).length > 0, "its sockets are found");
      // Not for an event: each round is interrupted at another moment of the handshake.
      await new Promise((cut) => setTimeout(cut, round * 50));
    }
    assert.deepEqual(openUdpPorts(ports), []);
  }
});

Deno.test("Disposing without any response of the other side leaves nothing", async () => {
  using claimed = ClaimedPorts.claim();
  const ports = claimed.rest();
  await using publisher = await SfuPublisher.start();
  {
    await using subscriber = new TestReceiver({ network: networkIn(ports) });
    await subscriber.receiver.answer({ sid: "s1", sdp: await publisher.offer("subscriber", "s1") }, []);
    assert.ok(openUdpPorts(ports).length > 0, "its sockets are found");
  }
  assert.deepEqual(openUdpPorts(ports), []);
});

Deno.test("A disposed receiver ends its source and refuses offers", async () => {
  await using publisher = await SfuPublisher.start();
  const subscriber = new TestReceiver();
  await subscriber.subscribe(publisher, "s1");
  await subscriber.read();
  await subscriber[Symbol.asyncDispose]();
  await subscriber[Symbol.asyncDispose]();
  const reader = packetsOf(subscriber.receiver.source).getReader();
  while (!(await within(reader.read(), "the end")).done);
  const sdp = await publisher.offer("subscriber", "s2");
  assert.equal((await rejection(subscriber.receiver.answer({ sid: "s2", sdp }, []))).code, "closed");
  subscriber.receiver.addCandidate("s2", { candidate: "candidate:1 1 udp 1 127.0.0.1 5000 typ host" });
  await subscriber.receiver.hangUp();
  assert.deepEqual(subscriber.losses, []);
});

Deno.test("Hanging up on a subscription closes that one, also while it is renegotiated, and no other", async () => {
  using claimed = ClaimedPorts.claim();
  const ports = claimed.rest();
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver({ network: networkIn(ports) });
  await subscriber.subscribe(publisher, "s1");
  await subscriber.until(() => subscriber.audioStarts === 1, "audio");
  await within(subscriber.receiver.hangUp("other"), "nothing");
  const { length } = openUdpPorts(ports);
  assert.ok(length > 0);
  await within(subscriber.receiver.hangUp("s1"), "hanging up");
  assert.deepEqual(openUdpPorts(ports), []);

  // The publisher gets no answer, so that a renegotiation waits for the connection.
  const offer = { sid: "s2", sdp: await publisher.offer("subscriber", "s2") };
  await subscriber.receiver.answer(offer, []);
  const renegotiated = rejection(subscriber.receiver.answer(offer, []));
  await settle();
  await within(subscriber.receiver.hangUp("s2"), "hanging up");
  assert.equal((await renegotiated).code, "closed");
  assert.deepEqual(openUdpPorts(ports), []);
  await subscriber.subscribe(publisher, "s3");
  await subscriber.until(() => subscriber.audioStarts === 2, "audio");
});

Deno.test("An offer with a thousand candidates, and a thousand after it, has sixteen addresses checked", async () => {
  const strangers = Array.from({ length: 40 }, () => createSocket("udp4"));
  const received = strangers.map(() => 0);
  await Promise.all(strangers.map((socket, i) => {
    socket.on("message", () => received[i]++);
    return new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  }));
  const ports = strangers.map((socket) => socket.address().port);
  const candidate = (port: number) => `candidate:1 1 udp 2130706431 127.0.0.1 ${port} typ host`;
  const nobody = Array.from({ length: 960 }, () => 9);
  {
    await using publisher = await SfuPublisher.start();
    await using subscriber = new TestReceiver();
    const sdp = (await publisher.offer("subscriber", "s1"))
      .replaceAll(/a=candidate:.*\r\n/g, "")
      .replace(
        "m=video",
        `${[...ports.slice(0, 10), ...nobody].map((each) => `a=${candidate(each)}\r\n`).join("")}m=video`,
      );
    assert.equal(
      (await rejection(subscriber.receiver.answer({ sid: "s1", sdp }, []))).code,
      "bad_sdp",
      "it is too large",
    );
    const shorter = sdp.replaceAll(new RegExp(`a=${candidate(9)}\r\n`, "g"), "");
    await subscriber.receiver.answer({ sid: "s1", sdp: shorter }, []);
    for (const port of [...ports, ...nobody]) {
      subscriber.receiver.addCandidate("s1", { candidate: candidate(port) });
    }
    // Checks are repeated in rotation: by the second one all addresses were checked.
    await eventually("checks", () => received.slice(0, 16).every((checks) => checks >= 2), DEADLINE_MS);
  }
  assert.deepEqual(received.slice(16), Array(24).fill(0));
  await Promise.all(strangers.map((socket) => new Promise<void>((resolve) => socket.close(resolve))));
});

Deno.test("Only the configured STUN servers are used", async () => {
  const stun = createSocket("udp4");
  const asked = new Promise<void>((resolve) => stun.once("message", () => resolve()));
  await new Promise<void>((resolve) => stun.bind(0, "127.0.0.1", resolve));
  await using publisher = await SfuPublisher.start();
  await using subscriber = new TestReceiver();
  const startMs = performance.now();
  const offer = { sid: "s1", sdp: await publisher.offer("subscriber", "s1") };
  await subscriber.receiver.answer(offer, [{ urls: [`stun:127.0.0.1:${stun.address().port}`] }]);
  await within(asked, "a STUN request");
  await new Promise<void>((resolve) => stun.close(resolve));
  assert.ok(performance.now() - startMs < 5_000, "an unresponsive STUN server does not delay the answer");
});
