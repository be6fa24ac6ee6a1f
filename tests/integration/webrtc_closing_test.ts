/** Connections of a WebRTC receiver that fail, are closed, or are disposed of. */
import assert from "@std/assert";
import { packetsOf } from "../fakes/packets.ts";
import { RTCPeerConnection } from "werift";
import type { WebRtcNetwork } from "../../src/webrtc/mod.ts";
import { FakeClock, settle } from "../fakes/clock.ts";
import { ClaimedPorts, type PortRange } from "../fakes/ports.ts";
import { SfuPublisher } from "../fakes/sfu.ts";
import { openUdpPorts } from "../fakes/udp_ports.ts";
import { rejection, TestReceiver, within } from "./receiving.ts";

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
