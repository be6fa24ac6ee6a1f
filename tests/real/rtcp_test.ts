/**
 * Our receiver reports as Janus reads them: it opens them with libsrtp, and finds in them what we made to be there. And
 * as they come through a relay, the only way there is left between two connections of one machine.
 */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { type Connection, RtcpPacketConverter, RtcpRrPacket, RtpHeader } from "werift";
import type { Clock } from "../../src/domain/mod.ts";
import { systemClock } from "../../src/flow/mod.ts";
import { opusCodec, Peer, type PeerOptions } from "../../src/webrtc/peer.ts";
import { isSrtcp } from "../../src/webrtc/srtp.ts";
import { DatagramTransport } from "../../src/webrtc/udp.ts";
import { FakeClock } from "../fakes/clock.ts";
import { Coturn } from "./coturn.ts";
import { InternalClient } from "./internal_client.ts";
import { type ReportedAudio, reportedAudio } from "./janus_admin.ts";
import { polled } from "./server_process.ts";
import { installedHpbVersions, onRealStack } from "./stack.ts";

/** Three reports, and time to spare: the machine may be busy with other tests. */
const DEADLINE_MS = 30_000;
const FAR_MS = 200;
const UNEVEN_MS = 40;
const LOST = 7;

/**
 * On one machine nothing takes long enough for Janus to count it. So every other packet comes late by this clock, and
 * as it goes back when a timer is due, a report says it waited for less than it did, which looks like a long way.
 */
function distortedClock(): Clock {
  let asked = 0;
  let backMs = 0;
  return {
    now: () => systemClock.now() + (asked++ % 2) * UNEVEN_MS - backMs,
    timer: (delayMs, callback) =>
      systemClock.timer(delayMs, () => {
        backMs = FAR_MS;
        callback();
        backMs = 0;
      }),
  };
}

Deno.test("Receiver reports give Janus the loss, the round trip and the jitter", () =>
  onRealStack({ hpbVersion: installedHpbVersions().at(-1)! }, async (stack) => {
    const { hpbUrl, nextcloudUrl, internalSecret } = stack;
    await using call = await stack.startCall();
    const speaker = await call.addSpeaker();
    const { roomToken } = call;
    await using client = await InternalClient.join({
      hpbUrl,
      nextcloudUrl,
      internalSecret,
      roomToken,
      clock: distortedClock(),
    });
    await client.subscribe(speaker.sessionId);
    await client.until(() => client.heard.length > 10);
    speaker.lose(LOST);
    let audio: ReportedAudio = { packetsLost: 0, rttMs: 0, jitterMs: 0 };
    await polled("Janus to know of the loss and of the way", DEADLINE_MS, async () => {
      [audio = audio] = await reportedAudio(stack.janusAdmin);
      return audio.packetsLost > 0 && audio.rttMs > 0;
    });
    assert.equal(audio.packetsLost, LOST);
    assert.ok(audio.rttMs > FAR_MS - UNEVEN_MS - 5 && audio.rttMs < FAR_MS + 200, `${audio.rttMs} ms away`);
    assert.ok(
      audio.jitterMs > UNEVEN_MS / 2 && audio.jitterMs < UNEVEN_MS * 2,
      `${audio.jitterMs} ms uneven`,
    );
    assert.doesNotMatch(await stack.logs(), /SRTCP unprotect error/);
    for (const reason of ["malformed", "replayed", "forged", "too_many_sources"]) {
      assert.equal(
        client.meter.counted("tiro_rtp_refused_total", `rtcp_${reason}`),
        0,
        "what Janus sent was refused",
      );
    }
  }));

const open = (options: Partial<PeerOptions>) =>
  new Peer({
    iceServers: [],
    network: { interfaceAddresses: ["127.0.0.1"] },
    codecs: { audio: [opusCodec()], video: [] },
    onRtp: () => {},
    ...options,
  });

for (const transport of ["udp", "tcp"] as const) {
  Deno.test(`A report goes back through a relay reached over ${transport.toUpperCase()}`, async () => {
    await using coturn = await Coturn.start();
    // The offer leads to where nobody answers, the answer to the relay only: see turn_test.ts.
    using ends = new DisposableStack();
    const deaf = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    ends.defer(() => deaf.close());
    const clock = new FakeClock();
    const heard = Promise.withResolvers<void>();
    await using publisher = open({});
    await using ears = open({ iceServers: [coturn.turn(transport)], clock, onRtp: () => heard.resolve() });
    publisher.connection.addTransceiver("audio", { direction: "sendonly" });
    const offer = await publisher.setLocal(await publisher.connection.createOffer());
    await ears.connection.setRemoteDescription({
      type: "offer",
      sdp: offer.replaceAll(/^(a=candidate:.* 127\.0\.0\.1) \d+/gm, `$1 ${(deaf.addr as Deno.NetAddr).port}`),
    });
    const answer = await ears.setLocal(await ears.connection.createAnswer());
    const connected = [publisher, ears].map(({ connection }) =>
      new Promise<void>((resolve) =>
        connection.connectionStateChange.subscribe((state) => {
          if (state === "connected") resolve();
        })
      )
    );
    await publisher.setRemoteAnswer(answer.replaceAll(/^a=candidate:(?!.* typ relay).*\r\n/gm, ""));
    await Promise.all(connected);

    const [sending] = publisher.connection.dtlsTransports;
    const report = nextReport(publisher);
    await sending.sendRtp(Buffer.of(1), new RtpHeader({ payloadType: 111, ssrc: 77, sequenceNumber: 5 }));
    await heard.promise;
    await clock.advance(3_750);
    const [{ ssrc, highestSequence }] = (await report).reports;
    assert.deepEqual([ssrc, highestSequence], [77, 5]);
  });
}

/** The first report that reaches a connection, as werift reads it. */
async function nextReport({ connection }: Peer): Promise<RtcpRrPacket> {
  const [{ iceTransport, srtcp }] = connection.dtlsTransports;
  const { promise, resolve, reject } = Promise.withResolvers<RtcpRrPacket>();
  const timer = setTimeout(() => reject(new Error("No report came")), DEADLINE_MS);
  const protocols: { transport: unknown }[] = (iceTransport.connection as Connection)["protocols"];
  for (const { transport } of protocols) {
    if (!(transport instanceof DatagramTransport)) continue;
    const { onMedia } = transport;
    transport.onMedia = (datagram, waitedMs) => {
      if (isSrtcp(datagram)) {
        const packets = RtcpPacketConverter.deSerialize(srtcp.decrypt(Buffer.from(datagram)));
        for (const packet of packets) if (packet instanceof RtcpRrPacket) resolve(packet);
      }
      return onMedia?.(datagram, waitedMs) ?? false;
    };
  }
  return await promise.finally(() => clearTimeout(timer));
}
