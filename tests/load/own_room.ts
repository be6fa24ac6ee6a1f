/**
 * A lean SFU for load tests, in this process: to each subscriber a real connection of its own (SDP, ICE and DTLS by werift, a
 * socket and port each), which packets then bypass: srtp_sender.ts protects and sends them natively, on a thread of its own,
 * from the socket to the address that ICE chose. Publishers are imagined. Agrees to AEAD_AES_128_GCM only, sends no RTCP
 * and takes none.
 */
import { type RTCDtlsTransport, type RTCIceTransport } from "werift";
import { AEAD_AES_128_GCM } from "../../src/webrtc/srtp_transform.ts";
import { opusCodec, Peer } from "../../src/webrtc/peer.ts";
import { openLibsrtp } from "./libsrtp.ts";
import type { SendingOptions } from "./sending_protocol.ts";
import { SendingThread } from "./sending_thread.ts";
import type { SfuRoom, Subscription } from "./sfu_room.ts";

export interface OwnRoomOptions extends SendingOptions {
  /** IPv4, of this machine: what connections go over. */
  hostAddress: string;
}

export class OwnRoom implements SfuRoom {
  readonly publishers: SendingThread;
  readonly #hostAddress: string;
  readonly #connections = new Set<OwnSubscription>();

  /** Throws where libsrtp2 is not installed. Nothing is sent before `publishers.start`. */
  constructor({ hostAddress, ...options }: OwnRoomOptions) {
    openLibsrtp().close();
    this.#hostAddress = hostAddress;
    this.publishers = new SendingThread(options);
  }

  get connected(): number {
    let connected = 0;
    for (const { isConnected } of this.#connections) connected += Number(isConnected);
    return connected;
  }

  /** All candidates are in the offer. */
  async subscribe(publisher: number): Promise<Subscription> {
    const connection = new OwnSubscription(this.#hostAddress, this.publishers, publisher);
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
    return [this.publishers.sent];
  }

  sentSince([sent]: readonly number[]): number {
    return this.publishers.sent - sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#connections].map((connection) => connection.close()));
    await this.publishers[Symbol.asyncDispose]();
  }
}

class OwnSubscription {
  readonly #peer: Peer;
  readonly #ssrc: number;
  #payloadType = opusCodec().payloadType;
  /** While it is sent to. */
  #stopSending?: () => Promise<void>;
  /** The end of what was sent before. */
  #stopped?: Promise<void>;
  #closed = false;

  constructor(
    hostAddress: string,
    private readonly publishers: SendingThread,
    private readonly publisher: number,
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

  get isConnected(): boolean {
    return this.#stopSending !== undefined;
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
    await this.#stopped;
    await this.#peer[Symbol.asyncDispose]();
  }

  #connect(transport: RTCDtlsTransport): void {
    const { profile, keys } = transport.srtp.config;
    if (profile !== AEAD_AES_128_GCM) throw new Error(`Cannot send SRTP: profile ${profile} was agreed on`);
    const master = new Uint8Array([...keys.localMasterKey, ...keys.localMasterSalt]);
    this.#stopSending = this.publishers.open(this.publisher, {
      ...chosenPair(transport.iceTransport),
      master,
      payloadType: this.#payloadType,
      ssrc: this.#ssrc,
    });
  }

  #disconnect(): void {
    if (this.#stopSending === undefined) return;
    this.#stopped = this.#stopSending();
    this.#stopSending = undefined;
  }
}

function chosenPair({ connection }: RTCIceTransport) {
  const pair = connection.nominated;
  if (!pair) throw new Error("Cannot send SRTP: ICE has chosen no addresses");
  const { host, port } = pair.localCandidate;
  const [remoteHost, remotePort] = pair.remoteAddr;
  return { local: { hostname: host, port }, remote: { hostname: remoteHost, port: remotePort } };
}
