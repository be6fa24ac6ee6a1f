/** Two peers of ours that are connected over loopback: one sends and one receives, and what the one sends can be had. */
import { Buffer } from "node:buffer";
import { type Connection, type RTCDtlsTransport, RtcpSenderInfo, RtcpSrPacket, RtpHeader } from "werift";
import type { Clock } from "../../src/domain/mod.ts";
import { opusCodec, Peer } from "../../src/webrtc/peer.ts";
import type { DatagramTransport } from "../../src/webrtc/udp.ts";
import type { Address } from "../../src/webrtc/udp_socket.ts";

const SSRC = 77;

export class ConnectedPair {
  /** Sequence number of the newest packet the listener took. */
  received: number | undefined;
  /** Ends of the association that were reported to the listener. */
  ends = 0;
  refused = 0;
  readonly sender: Peer;
  readonly listener: Peer;
  #sequence = 0;

  private constructor(clock: Clock) {
    const common = {
      iceServers: [],
      network: { interfaceAddresses: ["127.0.0.1"] },
      codecs: { audio: [opusCodec()], video: [] },
    };
    this.sender = new Peer({ ...common, onRtp: () => {} });
    this.listener = new Peer({
      ...common,
      clock,
      onRtp: ({ sequence }) => this.received = sequence,
      onRefused: () => this.refused++,
      onDatagramRefused: (_reason, count = 1) => this.refused += count,
      onEnded: () => this.ends++,
    });
  }

  /** `clock` is the listener's; `prepare` is called before they know of each other. */
  static async connect(
    clock: Clock,
    prepare: (pair: ConnectedPair) => void = () => {},
  ): Promise<ConnectedPair> {
    const pair = new ConnectedPair(clock);
    const connected = [pair.sender, pair.listener].map(({ connection }) =>
      new Promise<void>((resolve) =>
        connection.connectionStateChange.subscribe((state) => {
          if (state === "connected") resolve();
        })
      )
    );
    await pair.#negotiate(prepare);
    await Promise.all(connected);
    return pair;
  }

  /** Until the listener's ClientHello has come, which is never answered. */
  static async greet(clock: Clock): Promise<ConnectedPair> {
    const pair = new ConnectedPair(clock);
    const greeted = Promise.withResolvers<void>();
    await pair.#negotiate(() => {
      pair.sending.start = () => Promise.resolve();
      const ice = pair.sending.iceTransport.connection as Connection;
      ice.onData.subscribe(() => greeted.resolve());
    });
    await greeted.promise;
    return pair;
  }

  async #negotiate(prepare: (pair: ConnectedPair) => void): Promise<void> {
    const { sender, listener } = this;
    sender.connection.addTransceiver("audio", { direction: "sendonly" });
    const offer = await sender.setLocal(await sender.connection.createOffer());
    await listener.connection.setRemoteDescription({ type: "offer", sdp: offer });
    const answer = await listener.setLocal(await listener.connection.createAnswer());
    prepare(this);
    await sender.setRemoteAnswer(answer);
  }

  get sending(): RTCDtlsTransport {
    return this.sender.connection.dtlsTransports[0];
  }

  get listening(): RTCDtlsTransport {
    return this.listener.connection.dtlsTransports[0];
  }

  /** The listener's. */
  get ice(): Connection {
    return this.listening.iceTransport.connection as Connection;
  }

  /** The listener's. */
  get socket(): DatagramTransport {
    const [{ transport }]: { transport: DatagramTransport }[] = this.ice["protocols"];
    return transport;
  }

  /** The sender's. */
  get address(): Address {
    const ice = this.sending.iceTransport.connection as Connection;
    const [{ transport }]: { transport: DatagramTransport }[] = ice["protocols"];
    return [transport.host, transport.port];
  }

  /** The next RTP packet of the sender, protected. */
  packet(): { sequence: number; bytes: Uint8Array } {
    const sequence = this.#sequence++ & 0xffff;
    const header = new RtpHeader({
      payloadType: 111,
      ssrc: SSRC,
      sequenceNumber: sequence,
      timestamp: 960 * sequence,
    });
    return { sequence, bytes: this.sending.srtp.encrypt(Buffer.of(1, 2, 3), header) };
  }

  /** A sender report, protected. */
  report(): Uint8Array {
    const senderInfo = new RtcpSenderInfo({
      ntpTimestamp: 1n,
      rtpTimestamp: 2,
      packetCount: 3,
      octetCount: 4,
    });
    return this.sending.srtcp.encrypt(new RtcpSrPacket({ ssrc: SSRC, senderInfo }).serialize());
  }

  /** A datagram reaches the listener's socket. */
  deliver(bytes: Uint8Array, from: Address): void {
    this.socket.receive({ bytes, waitedMs: 0, from: () => from });
  }

  async close(): Promise<void> {
    await Promise.all([this.sender[Symbol.asyncDispose](), this.listener[Symbol.asyncDispose]()]);
  }
}
