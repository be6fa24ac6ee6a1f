/** Reports on a fake clock, then to a werift sender on loopback, which parses them. */
import assert from "@std/assert";
import { Buffer } from "node:buffer";
import {
  type Connection,
  MediaStreamTrack,
  RtcpPacketConverter,
  RtcpRrPacket,
  RtcpSourceDescriptionPacket,
  RtpHeader,
  RtpPacket,
} from "werift";
import { FakeClock } from "../../tests/fakes/clock.ts";
import { opusCodec, Peer, type PeerOptions } from "./peer.ts";
import { ReceiverReports, type ReceiverReportsOptions } from "./receiver_reports.ts";
import { Reception } from "./reception.ts";
import { isSrtcp } from "./srtp.ts";
import { SrtcpReceiver, srtcpTransform } from "./srtcp.ts";
import { AEAD_AES_128_GCM } from "./srtp_transform.ts";

const masterKey = (fill: number) => ({
  profile: AEAD_AES_128_GCM,
  key: new Uint8Array(16).fill(fill),
  salt: new Uint8Array(12).fill(fill),
});
const DEADLINE_MS = 15_000;

/** Our side of a connection, and the SRTCP of the other. */
class Reported implements Disposable {
  readonly clock = new FakeClock();
  readonly sources = new Map<number, Reception>();
  /** When each report was sent, ms, and its content. */
  readonly reports: { atMs: number; ssrc: number; cname: string; blocks: RtcpRrPacket["reports"] }[] = [];
  readonly #opener = new SrtcpReceiver(srtcpTransform(masterKey(2)));
  readonly #transform = srtcpTransform(masterKey(1));
  #index = 0;
  readonly reporting: ReceiverReports;

  constructor(options: Partial<ReceiverReportsOptions> = {}) {
    this.reporting = new ReceiverReports({
      clock: this.clock,
      sources: this.sources,
      remote: masterKey(1),
      local: masterKey(2),
      send: (datagram) => this.#take(datagram),
      ...options,
    });
  }

  /** Packets of a source arrive. */
  receivePackets(ssrc: number, ...sequences: number[]): void {
    for (const sequence of sequences) {
      const reception = this.sources.get(ssrc) ?? new Reception(ssrc, sequence);
      this.sources.set(ssrc, reception);
      reception.index.add(reception.index.rolloversOf(sequence), sequence);
      reception.arrived(960 * sequence, this.clock.now());
    }
  }

  protect(...words: number[]): Uint8Array {
    const rtcp = new Uint8Array(4 * words.length);
    for (const [i, word] of words.entries()) new DataView(rtcp.buffer).setUint32(4 * i, word);
    return this.#transform.seal(rtcp, this.#index++);
  }

  receive(datagram: Uint8Array): ReturnType<ReceiverReports["receive"]> {
    return this.reporting.receive(datagram, this.clock.now());
  }

  /** SSRCs in each report so far. */
  get reportedSsrcs(): number[][] {
    return this.reports.map(({ blocks }) => blocks.map(({ ssrc }) => ssrc));
  }

  [Symbol.dispose](): void {
    this.reporting[Symbol.dispose]();
  }

  #take(datagram: Uint8Array): void {
    const rtcp = this.#opener.receive(datagram);
    if (typeof rtcp === "string") throw new Error(`A report was refused: ${rtcp}`);
    const [report, description] = RtcpPacketConverter.deSerialize(Buffer.from(rtcp));
    if (!(report instanceof RtcpRrPacket)) throw new Error("It does not start with a report");
    if (!(description instanceof RtcpSourceDescriptionPacket)) {
      throw new Error("It has no source description");
    }
    const [{ source, items: [{ text }] }] = description.chunks;
    assert.equal(source, report.ssrc);
    this.reports.push({ atMs: this.clock.now(), ssrc: source, cname: text, blocks: report.reports });
  }
}

const senderReport = (ssrc: number, ntpMiddle: number) => [
  0x80c80006,
  ssrc,
  ntpMiddle >>> 16,
  (ntpMiddle << 16) >>> 0,
  0,
  0,
  0,
];
const bye = (ssrc: number) => [0x81cb0001, ssrc];

Deno.test("Reports start with the first packets, at intervals that are random each time", async () => {
  const drawn = [0, 0.5, 1, 0.25];
  using side = new Reported({ random: () => drawn.shift() ?? 0.5 });
  await side.clock.advance(1_250); // no source yet
  side.receivePackets(7, 1, 2);
  await side.clock.advance(20_000);
  assert.deepEqual(side.reports.map(({ atMs }) => atMs), [6_250, 13_750, 17_500]);
});

Deno.test("Random intervals are half to one and a half of the nominal one", async () => {
  using side = new Reported();
  side.receivePackets(7, 1);
  await side.clock.advance(600_000);
  const atMs = side.reports.map((report) => report.atMs);
  assert.ok(atMs[0] >= 1_250 && atMs[0] <= 3_750);
  const gaps = atMs.slice(1).map((ms, i) => ms - atMs[i]);
  assert.ok(gaps.every((ms) => ms >= 2_500 && ms <= 7_500), `${gaps}`);
  assert.ok(Math.max(...gaps) - Math.min(...gaps) > 1_000, `${gaps}`);
});

Deno.test("After dispose there is no report and no timer", async () => {
  const side = new Reported();
  side.receivePackets(7, 1);
  side[Symbol.dispose]();
  await side.clock.advance(60_000);
  assert.equal(side.reports.length, 0);
  assert.equal(side.clock.pending, 0);
});

Deno.test("A sender report's time is returned, that of an unknown source is ignored", async () => {
  using side = new Reported({ random: () => 0.5 });
  side.receivePackets(7, 1);
  await side.clock.advance(500);
  assert.equal(side.receive(side.protect(...senderReport(7, 0xaabb_ccdd))), undefined);
  assert.equal(side.receive(side.protect(...senderReport(8, 1))), undefined);
  await side.clock.advance(2_000);
  const { lsr, dlsr } = side.reports[0].blocks[0];
  assert.deepEqual([lsr, dlsr], [0xaabb_ccdd, 2 * 65_536]);
  assert.deepEqual([...side.sources.keys()], [7]);
});

Deno.test("Forged, replayed or malformed packets are reported and change nothing", async () => {
  using side = new Reported({ random: () => 0.5 });
  side.receivePackets(7, 1);
  const forged = side.protect(...senderReport(7, 1));
  forged[20] ^= 1;
  assert.equal(side.receive(forged), "rtcp_forged");
  const first = side.protect(...senderReport(7, 0x1111_0000));
  assert.equal(side.receive(first), undefined);
  await side.clock.advance(1_000);
  assert.equal(side.receive(first), "rtcp_replayed");
  assert.equal(side.receive(side.protect(0x80c8_0007, 7)), "rtcp_malformed", "authentic, but truncated");
  assert.equal(side.receive(first.subarray(0, 20)), "rtcp_malformed");
  await side.clock.advance(1_500);
  const { lsr, dlsr } = side.reports[0].blocks[0];
  assert.deepEqual([lsr, dlsr], [0x1111_0000, 2.5 * 65_536]);
});

Deno.test("Sources without packets since the last report, or after a BYE, are not in the next", async () => {
  using side = new Reported({ random: () => 0.5 });
  side.receivePackets(7, 1, 2, 4);
  side.receivePackets(8, 1);
  assert.equal(side.receive(side.protect(...bye(8))), undefined);
  await side.clock.advance(2_500);
  side.receivePackets(8, 2);
  await side.clock.advance(5_000);
  await side.clock.advance(5_000);
  assert.deepEqual(side.reportedSsrcs, [[7], [8], []]);
  const [{ packetsLost, fractionLost, highestSequence }] = side.reports[0].blocks;
  assert.deepEqual([packetsLost, fractionLost, highestSequence], [1, 64, 4]);
});

Deno.test("More sources than a report holds are reported in rotation", async () => {
  using side = new Reported({ random: () => 0.5 });
  const all = Array.from({ length: 64 }, (_, ssrc) => ssrc + 100);
  let sequence = 0;
  for (const waitMs of [2_500, 5_000, 5_000]) {
    for (const ssrc of all) side.receivePackets(ssrc, sequence);
    sequence++;
    await side.clock.advance(waitMs);
  }
  assert.deepEqual(side.reportedSsrcs.map(({ length }) => length), [31, 31, 31]);
  assert.deepEqual(new Set(side.reportedSsrcs.flat()), new Set(all));
});

Deno.test("A connection keeps its CNAME and SSRC, another has others, and a source's SSRC is avoided", async () => {
  using side = new Reported();
  using other = new Reported();
  for (const one of [side, other]) {
    one.receivePackets(7, 1);
    await one.clock.advance(20_000);
  }
  const [{ ssrc, cname }] = side.reports;
  assert.ok(side.reports.length > 1 && side.reports.every((r) => r.ssrc === ssrc && r.cname === cname));
  assert.match(cname, /^[\w+/]{16}$/);
  assert.notEqual(other.reports[0].cname, cname);
  assert.notEqual(other.reports[0].ssrc, ssrc);
  side.receivePackets(ssrc, 1);
  await side.clock.advance(7_500);
  assert.notEqual(side.reports.at(-1)?.ssrc, ssrc);
  assert.equal(side.reports.at(-1)?.cname, cname);
});

/** A werift sender and our receiver on loopback, connected; what is sent can be lost. */
class Call implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly track = new MediaStreamTrack({ kind: "audio" });
  readonly publisher = this.#open({ onRtp: () => {} });
  readonly listener = this.#open({ onRtp: ({ sequence }) => this.#record(sequence), clock: this.clock });
  /** From reports that werift's sender parsed. */
  readonly blocks: RtcpRrPacket["reports"] = [];
  readonly received: number[] = [];
  /** Sequence numbers that do not arrive. */
  readonly lost = new Set<number>();
  /** The time in werift's only sender report, once sent. */
  readonly senderReported = Promise.withResolvers<number | undefined>();
  #waiting: { sequence: number; received: () => void } | undefined;

  static async connect(): Promise<Call> {
    const call = new Call();
    const { publisher, listener } = call;
    const { sender } = publisher.connection.addTransceiver(call.track, { direction: "sendonly" });
    const offer = await publisher.setLocal(await publisher.connection.createOffer());
    await listener.connection.setRemoteDescription({ type: "offer", sdp: offer });
    const answer = await listener.setLocal(await listener.connection.createAnswer());
    const connected = [publisher, listener].map(({ connection }) =>
      new Promise<void>((resolve) =>
        connection.connectionStateChange.subscribe((state) => {
          if (state === "connected") resolve();
        })
      )
    );
    await publisher.setRemoteAnswer(answer);
    await Promise.all(connected);
    sender.onRtcp.subscribe((packet) => {
      if (packet instanceof RtcpRrPacket) call.blocks.push(...packet.reports);
    });
    call.#loseSome(() => sender["lastSRtimestamp"]);
    call.#letWeriftRead();
    return call;
  }

  /** Sends packets from one sequence number to another, and waits until the last is received. */
  async send(first: number, last: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`Packet ${last} was not received`)), DEADLINE_MS);
    this.#waiting = { sequence: last, received: resolve };
    for (let sequenceNumber = first; sequenceNumber <= last; sequenceNumber++) {
      const header = new RtpHeader({ payloadType: 111, sequenceNumber, timestamp: 960 * sequenceNumber });
      this.track.writeRtp(new RtpPacket(header, Buffer.of(1)));
    }
    await promise.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.publisher[Symbol.asyncDispose](), this.listener[Symbol.asyncDispose]()]);
  }

  #open(options: Pick<PeerOptions, "onRtp" | "clock">): Peer {
    const network = { interfaceAddresses: ["127.0.0.1"] };
    return new Peer({ iceServers: [], network, codecs: { audio: [opusCodec()], video: [] }, ...options });
  }

  #record(sequence: number): void {
    this.received.push(sequence);
    if (sequence === this.#waiting?.sequence) this.#waiting.received();
  }

  #loseSome(reportedAt: () => number | undefined): void {
    const ice = iceOf(this.publisher);
    const { send } = ice;
    let hasReported = false;
    ice.send = async (datagram) => {
      if (isSrtcp(datagram)) {
        if (hasReported) return; // the time of a second is random
        hasReported = true;
        await send(datagram);
        this.senderReported.resolve(reportedAt());
      } else if (!this.lost.has(datagram.readUInt16BE(2))) await send(datagram);
    };
  }

  /** Gives the listener's reports to werift: the publisher's own connection would consume them. */
  #letWeriftRead(): void {
    const ice = iceOf(this.listener);
    const [{ srtcp, onRtcp }] = this.publisher.connection.dtlsTransports;
    ice.send = (datagram) => {
      for (const packet of RtcpPacketConverter.deSerialize(srtcp.decrypt(Buffer.from(datagram)))) {
        onRtcp.execute(packet);
      }
      return Promise.resolve();
    };
  }
}

function iceOf({ connection }: Peer): Connection {
  return connection.dtlsTransports[0].iceTransport.connection as Connection;
}

Deno.test("werift's sender reads the losses and the time of its last report from our reports", async () => {
  await using call = await Call.connect();
  const startedMs = performance.now();
  for (let sequence = 4; sequence <= 100; sequence += 4) call.lost.add(sequence); // every fourth
  await call.send(65_500, 65_535); // over the wrap
  await call.send(0, 101);
  const reportedAt = await call.senderReported.promise;
  await call.send(102, 102); // behind the sender report, on the same way
  await call.clock.advance(3_750);
  const [sender] = call.publisher.connection.getSenders();
  const [{ ssrc, highestSequence, packetsLost, fractionLost, lsr, dlsr }] = call.blocks;
  assert.equal(ssrc, sender.ssrc);
  assert.equal(highestSequence, 65_536 + 102);
  assert.equal(packetsLost, 25);
  assert.equal(fractionLost, Math.floor(256 * 25 / (36 + 103)));
  assert.equal(lsr, reportedAt);
  // The sender report's arrival is stamped by the kernel, so the time that passed meanwhile is in it.
  const mostS = (3_750 + performance.now() - startedMs) / 1_000;
  assert.ok(dlsr >= 1.25 * 65_536 && dlsr <= mostS * 65_536, `${dlsr}`);

  call.blocks.splice(0);
  await call.send(103, 112);
  await call.clock.advance(7_500);
  const [since] = call.blocks;
  assert.deepEqual([since.packetsLost, since.fractionLost], [25, 0]);
  assert.equal(call.blocks.length, 1, "nothing came after that");

  const [{ onStateChange }] = call.listener.connection.dtlsTransports;
  await call.listener.close();
  await call.clock.advance(60_000);
  assert.equal(call.blocks.length, 1);
  assert.equal(call.clock.pending, 0);
  // A handshake may be past stopping when the connection closes.
  onStateChange.execute("connected");
  assert.equal(call.clock.pending, 0);
});
