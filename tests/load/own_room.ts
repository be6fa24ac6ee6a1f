/**
 * A lean SFU for load tests, in this process: to each subscriber a real connection of its own (SDP, ICE and DTLS by werift, a
 * socket and port each), which packets then bypass: srtp_sender.ts protects and sends them natively, from the socket to
 * the address that ICE chose. Publishers are imagined. Agrees to AEAD_AES_128_GCM only, sends no RTCP and takes none.
 */
import { type RTCDtlsTransport, type RTCIceTransport } from "werift";
import { AEAD_AES_128_GCM } from "../../src/webrtc/srtp_transform.ts";
import { opusCodec, Peer } from "../../src/webrtc/peer.ts";
import { PUBLISHERS } from "./marks.ts";
import { PublisherSchedule, type PublisherScheduleOptions } from "./publisher_schedule.ts";
import type { SfuRoom, Subscription } from "./sfu_room.ts";
import { type SrtpSender, SrtpSenders } from "./srtp_sender.ts";

export interface OwnRoomOptions extends Omit<PublisherScheduleOptions, "publish"> {
  /** IPv4, of this machine: what connections go over. */
  hostAddress: string;
}

export class OwnRoom implements SfuRoom {
  readonly publishers: PublisherSchedule;
  readonly #senders: SrtpSenders;
  readonly #hostAddress: string;
  readonly #connections = new Set<OwnSubscription>();
  /** By publisher, those connected. */
  readonly #connected = Array.from({ length: PUBLISHERS }, () => new Set<SrtpSender>());
  #sent = 0;

  /** Throws where libsrtp2 is not installed. Nothing is sent before `publishers.start`. */
  constructor({ hostAddress, ...options }: OwnRoomOptions) {
    this.#senders = new SrtpSenders();
    this.#hostAddress = hostAddress;
    this.publishers = new PublisherSchedule({
      ...options,
      publish: (publisher, payload, packet, timestamp) => {
        for (const sender of this.#connected[publisher]) {
          if (sender.send(payload, packet, timestamp)) this.#sent++;
        }
      },
    });
  }

  get connected(): number {
    return this.#connected.reduce((sum, { size }) => sum + size, 0);
  }

  /** All candidates are in the offer. */
  async subscribe(publisher: number): Promise<Subscription> {
    const connection = new OwnSubscription(this.#hostAddress, this.#senders, this.#connected[publisher]);
    this.#connections.add(connection);
    const close = async () => {
      this.#connections.delete(connection);
      await connection.close();
    };
    try {
      return { publisher, offer: await connection.offer(), answer: (sdp) => connection.answer(sdp), close };
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** Each datagram the kernel took. */
  sentCounts(): readonly number[] {
    return [this.#sent];
  }

  sentSince([sent]: readonly number[]): number {
    return this.#sent - sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.publishers[Symbol.dispose]();
    await Promise.all([...this.#connections].map((connection) => connection.close()));
    this.#senders[Symbol.dispose]();
  }
}

class OwnSubscription {
  readonly #peer: Peer;
  readonly #ssrc: number;
  #payloadType = opusCodec().payloadType;
  #sender?: SrtpSender;
  #closed = false;

  /** Its sender is in `connected` while there is one. */
  constructor(
    hostAddress: string,
    private readonly senders: SrtpSenders,
    private readonly connected: Set<SrtpSender>,
  ) {
    this.#peer = new Peer({
      iceServers: [],
      network: { interfaceAddresses: [hostAddress] },
      codecs: { audio: [opusCodec()], video: [] },
      onRtp: () => {},
    });
    const audio = this.#peer.connection.addTransceiver("audio", { direction: "sendonly" });
    const { dtlsTransport } = audio;
    this.#ssrc = audio.sender.ssrc;
    dtlsTransport.onStateChange.subscribe((state) => {
      this.#disconnect();
      if (state === "connected" && !this.#closed) this.#connect(dtlsTransport);
    });
  }

  async offer(): Promise<string> {
    return await this.#peer.setLocal(await this.#peer.connection.createOffer());
  }

  async answer(sdp: string): Promise<void> {
    if (this.#closed) return;
    this.#payloadType = Number(sdp.match(/^a=rtpmap:(\d+) opus\//mi)?.[1] ?? this.#payloadType);
    await this.#peer.setRemoteAnswer(sdp);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#disconnect();
    await this.#peer[Symbol.asyncDispose]();
  }

  #connect(transport: RTCDtlsTransport): void {
    const { profile, keys } = transport.srtp.config;
    if (profile !== AEAD_AES_128_GCM) throw new Error(`Cannot send SRTP: profile ${profile} was agreed on`);
    const master = new Uint8Array([...keys.localMasterKey, ...keys.localMasterSalt]);
    this.#sender = this.senders.open({
      ...chosenPair(transport.iceTransport),
      master,
      payloadType: this.#payloadType,
      ssrc: this.#ssrc,
    });
    this.connected.add(this.#sender);
  }

  #disconnect(): void {
    if (this.#sender === undefined) return;
    this.connected.delete(this.#sender);
    this.#sender[Symbol.dispose]();
    this.#sender = undefined;
  }
}

function chosenPair({ connection }: RTCIceTransport) {
  const pair = connection.nominated;
  if (!pair) throw new Error("Cannot send SRTP: ICE has chosen no addresses");
  const { host, port } = pair.localCandidate;
  const [remoteHost, remotePort] = pair.remoteAddr;
  return { local: { hostname: host, port }, remote: { hostname: remoteHost, port: remotePort } };
}
