/** Between two werift peers on loopback, with somebody who sends them datagrams of their own. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import { createCipheriv, createHmac } from "node:crypto";
import { createSocket } from "node:dgram";
import { type Connection, type RTCDtlsTransport, RtcpSenderInfo, RtcpSrPacket, RtpHeader } from "werift";
import { opusCodec, Peer, type PeerOptions } from "./peer.ts";
import { isSrtcp, type ReceivedRtp } from "./srtp.ts";
import { AES128_CM_HMAC_SHA1_80, deriveSrtpKey, SrtpTransform } from "./srtp_transform.ts";
import type { DatagramTransport } from "./udp.ts";

const DEADLINE_MS = 15_000;
const SSRC = 77;

/** A connected sender and listener. */
class Pair implements AsyncDisposable {
  /** "sequence: payload" of each packet received, or the reason why it was refused. */
  readonly outcomes: string[] = [];
  /** SRTP datagrams received by the listener. */
  readonly datagrams: Uint8Array[] = [];
  readonly sender = this.#open(() => {}, () => {});
  readonly listener = this.#open(
    ({ sequence, payload }) => this.#record(`${sequence}: ${payload}`),
    (reason) => this.#record(reason),
  );
  readonly #waiting = new Set<() => void>();

  static async connect(profile?: number): Promise<Pair> {
    const pair = new Pair();
    const { sender, listener } = pair;
    sender.connection.addTransceiver("audio", { direction: "sendonly" });
    const offer = await sender.setLocal(await sender.connection.createOffer());
    if (profile !== undefined) {
      const [transport] = sender.connection.dtlsTransports;
      Object.assign(transport, { srtpProfiles: [profile] });
      transport.sendRtcp = () => Promise.resolve(undefined); // werift leaves a cipher open for each with one of the profiles
    }
    await listener.connection.setRemoteDescription({ type: "offer", sdp: offer });
    const answer = await listener.setLocal(await listener.connection.createAnswer());
    pair.#watchDatagrams();
    const connected = [sender, listener].map((peer) => stateOf(peer, "connected"));
    await sender.setRemoteAnswer(answer);
    await Promise.all(connected);
    return pair;
  }

  get sending(): RTCDtlsTransport {
    return this.sender.connection.dtlsTransports[0];
  }

  get listening(): RTCDtlsTransport {
    return this.listener.connection.dtlsTransports[0];
  }

  /** Of the listener's socket. */
  get port(): number {
    const ports = /a=candidate:\S+ 1 udp \d+ 127.0.0.1 (\d+)/.exec(
      this.listener.connection.localDescription?.sdp ?? "",
    );
    return Number(ports?.[1]);
  }

  /** Sends a packet, and waits until it is delivered. */
  async send(sequence: number, payload: number): Promise<void> {
    const header = new RtpHeader({ payloadType: 111, ssrc: SSRC, sequenceNumber: sequence, timestamp: 1 });
    const next = this.until(this.outcomes.length + 1);
    await this.sending.sendRtp(Buffer.of(payload), header);
    await next;
  }

  /** Resolves after this number of outcomes. */
  until(count: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => reject(new Error(`Only ${this.outcomes.length} of ${count}`)),
      DEADLINE_MS,
    );
    const look = () => {
      if (this.outcomes.length >= count) resolve();
    };
    this.#waiting.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(look);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sender[Symbol.asyncDispose](), this.listener[Symbol.asyncDispose]()]);
  }

  #open(onRtp: (packet: ReceivedRtp) => void, onRefused: PeerOptions["onRefused"]): Peer {
    const network = { interfaceAddresses: ["127.0.0.1"] };
    return new Peer({
      iceServers: [],
      network,
      codecs: { audio: [opusCodec()], video: [] },
      onRtp,
      onRefused,
    });
  }

  #record(what: string): void {
    this.outcomes.push(what);
    for (const look of this.#waiting) look();
  }

  #watchDatagrams(): void {
    const ice = this.listening.iceTransport.connection as Connection;
    const protocols: { transport: DatagramTransport }[] = ice["protocols"];
    for (const { transport } of protocols) {
      const onMedia = transport.onMedia ?? assert.fail("media goes through werift");
      transport.onMedia = (datagram, waitedMs) => {
        if (!isSrtcp(datagram)) this.datagrams.push(datagram.slice());
        return onMedia(datagram, waitedMs);
      };
    }
  }
}

async function stateOf({ connection }: Peer, wanted: string): Promise<void> {
  if (connection.connectionState === wanted) return;
  await new Promise<void>((resolve) =>
    connection.connectionStateChange.subscribe((state) => {
      if (state === wanted) resolve();
    })
  );
}

/** Somebody who sees the datagrams and can send some. */
class Stranger implements AsyncDisposable {
  readonly #socket = createSocket("udp4");

  async send(port: number, datagram: Uint8Array): Promise<void> {
    await new Promise<void>((sent) => this.#socket.send(datagram, port, "127.0.0.1", () => sent()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((closed) => this.#socket.close(closed));
  }
}

/** What werift would send with AES128_CM_HMAC_SHA1_80, as long as the counter has not rolled over (RFC 3711). */
function sealed({ srtp }: RTCDtlsTransport, sequence: number, payload: number): Uint8Array {
  const { localMasterKey: key, localMasterSalt: salt } = srtp.config.keys;
  const packet = Uint8Array.of(128, 111, sequence >> 8, sequence, 0, 0, 0, 1, 0, 0, 0, SSRC, payload);
  const counter = new Uint8Array(16);
  counter.set(deriveSrtpKey(key, salt, 2, 14));
  counter[7] ^= SSRC;
  counter[12] ^= sequence >> 8;
  counter[13] ^= sequence;
  const cipher = createCipheriv("aes-128-ctr", deriveSrtpKey(key, salt, 0, 16), counter);
  packet.set(cipher.update(packet.subarray(12)), 12);
  cipher.final();
  const hmac = createHmac("sha1", deriveSrtpKey(key, salt, 1, 20)).update(packet).update(new Uint8Array(4));
  return new Uint8Array([...packet, ...hmac.digest().subarray(0, 10)]);
}

Deno.test("Packets are delivered once, tampered ones never", async () => {
  await using pair = await Pair.connect();
  await using stranger = new Stranger();
  await pair.send(65_535, 1);
  await pair.send(0, 2);
  const [first, second] = pair.datagrams;
  const tampered = second.slice();
  tampered[3] += 1; // the next sequence number
  for (const datagram of [first, tampered, Uint8Array.of(128, 111, 0, 0)]) {
    const next = pair.until(pair.outcomes.length + 1);
    await stranger.send(pair.port, datagram);
    await next;
  }
  await pair.send(1, 3);
  assert.deepEqual(pair.outcomes, ["65535: 1", "0: 2", "replayed", "forged", "malformed", "1: 3"]);
});

Deno.test("The same with AES128_CM_HMAC_SHA1_80", async () => {
  await using pair = await Pair.connect(AES128_CM_HMAC_SHA1_80);
  await using stranger = new Stranger();
  const tampered = sealed(pair.sending, 7, 3);
  tampered[12] ^= 1;
  const [first, second] = [sealed(pair.sending, 5, 1), sealed(pair.sending, 6, 2)];
  for (const datagram of [first, second, first, tampered]) {
    const next = pair.until(pair.outcomes.length + 1);
    await stranger.send(pair.port, datagram);
    await next;
  }
  assert.deepEqual(pair.outcomes, ["5: 1", "6: 2", "replayed", "forged"]);
});

Deno.test("SRTCP is not delivered as RTP, and forged SRTCP is reported", async () => {
  await using pair = await Pair.connect();
  await using stranger = new Stranger();
  const forged = new Uint8Array(60);
  forged.set([0x80, 200]);
  await stranger.send(pair.port, forged);
  await pair.until(1);
  const senderInfo = new RtcpSenderInfo({ ntpTimestamp: 1n, rtpTimestamp: 2, packetCount: 3, octetCount: 4 });
  await pair.sending.sendRtcp([new RtcpSrPacket({ ssrc: SSRC, senderInfo })]);
  await pair.send(1, 1);
  assert.deepEqual(pair.outcomes, ["rtcp_forged", "1: 1"]);
});

Deno.test("Packets protected with another connection's keys are forged", async () => {
  await using before = await Pair.connect();
  await using after = await Pair.connect();
  await using stranger = new Stranger();
  await before.send(10, 1);
  await after.send(9, 2);
  await stranger.send(after.port, before.datagrams[0]);
  await after.until(2);
  await after.send(10, 3);
  assert.deepEqual(after.outcomes, ["9: 2", "forged", "10: 3"]);
});

Deno.test("Nothing is delivered after the end", async () => {
  await using pair = await Pair.connect();
  await pair.send(1, 1);
  const ice = pair.listening.iceTransport.connection as Connection;
  const protocols: { onDataReceived: { execute: (datagram: Buffer) => void } }[] = ice["protocols"];
  const [{ onDataReceived }] = protocols;
  await pair.listener.close();
  onDataReceived.execute(Buffer.from(pair.datagrams[0]));
  assert.deepEqual(pair.outcomes, ["1: 1"]);
});

/** How many more SRTP sessions this thread could have. */
function sessionsLeft(): number {
  const sessions: SrtpTransform[] = [];
  try {
    for (;;) sessions.push(SrtpTransform.gcm(new Uint8Array(16), new Uint8Array(12)));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  for (const session of sessions) session[Symbol.dispose]();
  return sessions.length;
}

Deno.test("Each side of a connection holds one SRTP session, until its end", async () => {
  const left = sessionsLeft();
  for (const profile of [undefined, AES128_CM_HMAC_SHA1_80]) {
    await using pair = await Pair.connect(profile);
    assert.equal(left - sessionsLeft(), 2);
    await pair.listener.close();
    assert.equal(left - sessionsLeft(), 1);
    await pair.sender.close();
    assert.equal(left - sessionsLeft(), 0);
  }
});
