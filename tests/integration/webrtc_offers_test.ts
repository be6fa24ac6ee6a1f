/** Offers to a WebRTC receiver: what is answered, declined and refused. */
import assert from "@std/assert";
import { createSocket } from "node:dgram";
import type { WebRtcNetwork } from "../../src/webrtc/mod.ts";
import { FakeClock } from "../fakes/clock.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { SfuPublisher } from "../fakes/sfu.ts";
import { eventually } from "./world.ts";
import { DEADLINE_MS, rejection, TestReceiver, within } from "./receiving.ts";

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
