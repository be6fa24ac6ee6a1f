/**
 * A speaker's microphone and the SFU behind it: to each subscriber a real werift connection that offers Opus audio and,
 * as Janus does for Talk, a video section nobody wants; then Opus packets in real time, 50 a second, speech or encoded
 * silence. A new subscription starts at sequence number 1 and timestamp 0, as Janus' do.
 *
 * Speech is encoded once, and all publishers of a process share one clock tick. Sends no RTCP.
 */
import { Buffer } from "node:buffer";
import { RTCRtpCodecParameters, type RTCRtpTransceiver, RtpHeader } from "werift";
import { opusCodec, Peer } from "../../src/webrtc/peer.ts";
import { ALERT, CLOSE_NOTIFY, dtlsRecord } from "./dtls.ts";
import type { FakePublisher, PublisherFactory } from "./hpb_hub.ts";
import { encodeOpus, PACKET_MS, type Speech } from "./speech.ts";

/** What the network does to packets; each a share of 0 to 1, decided per subscription by a seeded generator. */
export interface Impairments {
  seed: number;
  lossRate?: number;
  duplicateRate?: number;
  /** Share of packets that leave after the one that follows them. */
  reorderRate?: number;
}

export interface SfuOptions {
  impairments?: Impairments;
  /** Local addresses of the SFU's sockets. Default loopback. */
  interfaceAddresses?: readonly string[];
}

/** RFC 7587: the RTP clock of Opus is 48 kHz. */
const TIMESTAMP_STEP = 48 * PACKET_MS;

const vp8Codec = () =>
  new RTCRtpCodecParameters({ mimeType: "video/VP8", clockRate: 90_000, payloadType: 96 });

/** For `FakeHpb.start({ publishers })`: an unimpaired publisher on loopback for each speaker. */
export const weriftPublisherFactory: PublisherFactory = () => SfuPublisher.start();

export class SfuPublisher implements FakePublisher, AsyncDisposable {
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #options: SfuOptions;
  readonly #silence: Buffer;
  readonly #plays: Play[] = [];
  #stalled = false;
  #opened = 0;
  #closed = false;

  private constructor(silence: Buffer, options: SfuOptions) {
    this.#silence = silence;
    this.#options = options;
    TICK.join(this);
  }

  static async start(options: SfuOptions = {}): Promise<SfuPublisher> {
    return new SfuPublisher(await silencePacket(), options);
  }

  /** A new sid makes a connection, a known one renegotiates its own. */
  async offer(_subscriberId: string, sid: string): Promise<string> {
    if (this.#closed) throw new Error("Cannot offer: the publisher is closed");
    let subscription = this.#subscriptions.get(sid);
    if (!subscription) {
      subscription = new Subscription(this.#options, this.#opened++);
      this.#subscriptions.set(sid, subscription);
    }
    return await subscription.offer();
  }

  async answer(sid: string, sdp: string): Promise<void> {
    await this.#find(sid).peer.setRemoteAnswer(sdp);
  }

  async candidate(sid: string, candidate: Parameters<FakePublisher["candidate"]>[1]): Promise<void> {
    const { peer } = this.#find(sid);
    if (candidate.candidate !== "") await peer.connection.addIceCandidate(candidate);
  }

  async release(sid: string): Promise<void> {
    const subscription = this.#subscriptions.get(sid);
    this.#subscriptions.delete(sid);
    await subscription?.peer[Symbol.asyncDispose]();
  }

  /** Resolves when the last packet is out, or the publisher closed. Speech said meanwhile follows. */
  async say(speech: Speech): Promise<void> {
    await this.play(speech);
  }

  /**
   * Says it, and resolves with when the first packet was due, performance.now(): packet n follows after n x 20 ms,
   * and what the beat was late is in `watchBeats`. Undefined when the publisher closed first.
   */
  async play(speech: Speech): Promise<number | undefined> {
    const packets = await encoded(speech);
    if (this.#closed || packets.length === 0) return undefined;
    return await new Promise((done) => this.#plays.push({ packets, next: 0, startMs: undefined, done }));
  }

  /** Ends the DTLS association of a subscription, as an SFU does that closes it; nothing else ends. */
  async sayGoodbye(sid: string): Promise<void> {
    const [transport] = this.#find(sid).peer.connection.dtlsTransports;
    const goodbye = dtlsRecord(transport, ALERT, CLOSE_NOTIFY);
    await transport.iceTransport.connection.send(Buffer.from(goodbye));
  }

  /** While on, time passes and no RTP is sent; the connections stay. */
  stall(on: boolean): void {
    this.#stalled = on;
  }

  /** From the next packet on, sequence numbers are so much farther. */
  jump(by: number): void {
    for (const subscription of this.#subscriptions.values()) subscription.jump(by);
  }

  /** From the next packet on, the header of each is changed, of which the first has the number 0; undefined: no more. */
  disguise(change: Disguise | undefined): void {
    for (const subscription of this.#subscriptions.values()) subscription.disguise = change;
  }

  async close(): Promise<void> {
    this.#closed = true;
    TICK.leave(this);
    for (const { done } of this.#plays.splice(0)) done(undefined);
    await Promise.all([...this.#subscriptions.keys()].map((sid) => this.release(sid)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One packet's time has come; returns how many subscriptions it was sent to. */
  tick(dueMs: number): number {
    const play = this.#plays[0];
    if (play) play.startMs ??= dueMs;
    const payload = play?.packets[play.next++] ?? this.#silence;
    let sent = 0;
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.send(payload, this.#stalled)) sent++;
    }
    if (play && play.next === play.packets.length) this.#plays.shift()?.done(play.startMs);
    return sent;
  }

  #find(sid: string): Subscription {
    const subscription = this.#subscriptions.get(sid);
    if (!subscription) throw new Error("Cannot find subscription: no such sid");
    return subscription;
  }
}

/** A speech on its way out. */
interface Play {
  packets: Buffer[];
  next: number;
  /** When the first packet was due. */
  startMs: number | undefined;
  done: (startMs: number | undefined) => void;
}

/** How somebody sends who does harm, past an SFU that looks at nothing. */
export type Disguise = (header: RtpHeader, packet: number) => void;

class Subscription {
  readonly peer: Peer;
  disguise: Disguise | undefined;
  #disguised = 0;
  readonly #audio: RTCRtpTransceiver;
  readonly #header: RtpHeader;
  readonly #impairments: Impairments | undefined;
  readonly #random: () => number;
  #delayed?: () => void;

  constructor({ impairments, interfaceAddresses = ["127.0.0.1"] }: SfuOptions, index: number) {
    this.peer = new Peer({
      iceServers: [],
      network: { interfaceAddresses },
      codecs: { audio: [opusCodec()], video: [vp8Codec()] },
      onRtp: () => {},
    });
    this.#audio = this.peer.connection.addTransceiver("audio", { direction: "sendonly" });
    this.peer.connection.addTransceiver("video", { direction: "sendonly" });
    this.#header = new RtpHeader({
      payloadType: opusCodec().payloadType,
      ssrc: this.#audio.sender.ssrc,
      sequenceNumber: 0,
      timestamp: -TIMESTAMP_STEP,
    });
    this.#impairments = impairments;
    this.#random = seeded((impairments?.seed ?? 0) + index);
  }

  async offer(): Promise<string> {
    return await this.peer.setLocal(await this.peer.connection.createOffer());
  }

  jump(by: number): void {
    this.#header.sequenceNumber = (this.#header.sequenceNumber + by) & 0xffff;
  }

  /** False where there is no connection yet, or the network is stalled. */
  send(payload: Buffer, stalled: boolean): boolean {
    if (this.#audio.dtlsTransport.state !== "connected") return false;
    const header = this.#header;
    header.timestamp = (header.timestamp + TIMESTAMP_STEP) >>> 0;
    if (stalled) return false;
    header.sequenceNumber = (header.sequenceNumber + 1) & 0xffff;
    if (this.disguise) {
      const own = new RtpHeader({ ...header });
      this.disguise(own, this.#disguised++);
      this.#transmit(payload, own);
      return true;
    }
    if (!this.#impairments) {
      this.#transmit(payload, header);
      return true;
    }
    const { lossRate = 0, duplicateRate = 0, reorderRate = 0 } = this.#impairments;
    const isLost = this.#random() < lossRate;
    const isDoubled = this.#random() < duplicateRate;
    const isLate = this.#random() < reorderRate;
    const earlier = this.#delayed;
    this.#delayed = undefined;
    const own = new RtpHeader({ ...header });
    const transmit = () => {
      if (isLost) return;
      this.#transmit(payload, own);
      if (isDoubled) this.#transmit(payload, own);
    };
    if (isLate && !earlier) this.#delayed = transmit;
    else transmit();
    earlier?.();
    return true;
  }

  #transmit(payload: Buffer, header: RtpHeader): void {
    // Past werift's sender: no history, no bandwidth estimate, no reports.
    this.#audio.dtlsTransport.sendRtp(payload, header).catch(() => {});
  }
}

/** What one beat did, for who measures: how late it began and how many packets it sent. */
export interface Beat {
  lateMs: number;
  packets: number;
}

/** Calls `watch` with every beat from now on; disposing stops that. */
export function watchBeats(watch: (beat: Beat) => void): Disposable {
  TICK.watchers.add(watch);
  return { [Symbol.dispose]: () => void TICK.watchers.delete(watch) };
}

/** One 20 ms timer for every publisher of the process. Late ticks are caught up with, so that speech keeps its length. */
const TICK = {
  publishers: new Set<SfuPublisher>(),
  watchers: new Set<(beat: Beat) => void>(),
  /** When the next beat is due, performance.now(). */
  dueMs: 0,
  timer: undefined as ReturnType<typeof setTimeout> | undefined,

  join(publisher: SfuPublisher): void {
    this.publishers.add(publisher);
    if (this.timer !== undefined) return;
    this.dueMs = performance.now() + PACKET_MS;
    this.timer = setTimeout(() => this.beat(), PACKET_MS);
  },

  leave(publisher: SfuPublisher): void {
    this.publishers.delete(publisher);
    if (this.publishers.size > 0) return;
    clearTimeout(this.timer);
    this.timer = undefined;
  },

  beat(): void {
    for (; performance.now() >= this.dueMs; this.dueMs += PACKET_MS) {
      const lateMs = performance.now() - this.dueMs;
      let packets = 0;
      for (const publisher of this.publishers) packets += publisher.tick(this.dueMs);
      for (const watch of this.watchers) watch({ lateMs, packets });
    }
    this.timer = setTimeout(() => this.beat(), Math.max(0, this.dueMs - performance.now()));
  },
};

const encodedSpeech = new WeakMap<Speech, Promise<Buffer[]>>();

/** Encodes a speech once for all its publishers. */
function encoded(speech: Speech): Promise<Buffer[]> {
  let packets = encodedSpeech.get(speech);
  if (!packets) {
    packets = encodeOpus(speech).then((all) => all.map((packet) => Buffer.from(packet)));
    encodedSpeech.set(speech, packets);
  }
  return packets;
}

/** What a muted microphone sends: the encoder has settled after a few packets of digital silence. */
const SILENCE: Speech = { samples: new Float32Array(48_000 / 5), sampleRateHz: 48_000 };

async function silencePacket(): Promise<Buffer> {
  return (await encoded(SILENCE)).at(-1) ?? Buffer.alloc(0);
}

/** Mulberry32: small, and the same everywhere. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
