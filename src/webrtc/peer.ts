/**
 * One werift peer connection with our settings and a clean end. What reaches into werift's insides is here and in what
 * is imported below, each with its reason; all of it was read in and holds for werift 0.25.2. Knows nothing of sids,
 * offers or audio.
 *
 * Not followed on purpose: no trickle from us (the description already has all our candidates), no RTCP but receiver
 * reports and what they need (no NACK: audio cannot wait for a packet to come again), no ICE over TCP but through TURN.
 */
import {
  Connection as IceConnection,
  DtlsClient,
  type RTCDtlsTransport,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RTCSessionDescription,
} from "werift";
import type { AudioLoss, Clock, IceServer } from "../domain/mod.ts";
import { systemClock } from "../flow/mod.ts";
import { GATHER_TIMEOUT_MS, Gatherer } from "./gather.ts";
import { type DatagramRefusal, guardDatagrams } from "./guard.ts";
import { extendHandshake } from "./handshake.ts";
import { resumeChecks } from "./ice.ts";
import { shareEvents, withoutHandshake, withoutSrtpSessions } from "./lean.ts";
import type { WebRtcNetwork } from "./local_addresses.ts";
import { demandPossession } from "./possession.ts";
import { tapRtp } from "./rtp_tap.ts";
import type { ReceivedRtp, SrtpRefusal } from "./srtp.ts";
import type { SrtcpRefusal } from "./srtcp.ts";
import "./checks.ts";
import "./consent.ts";
import "./turn.ts";
import "./udp.ts";

export interface PeerOptions {
  iceServers: readonly IceServer[];
  network: WebRtcNetwork;
  codecs: { audio: RTCRtpCodecParameters[]; video: RTCRtpCodecParameters[] };
  /** Every authenticated RTP packet. Good until the next one. */
  onRtp: (packet: ReceivedRtp) => void;
  /** A packet was not passed on: forged, repeated or broken. */
  onRefused?: (reason: SrtpRefusal | SrtcpRefusal) => void;
  /** A datagram of another kind was not let in: forged, of a stranger, or too many. */
  onDatagramRefused?: (reason: DatagramRefusal, count?: number) => void;
  /** The other end has closed the connection, once it was made. */
  onEnded?: () => void;
  /** While it is being made it came a step further; how far away the other end is, ms, once that is known. */
  onProgress?: (roundTripMs: number | undefined) => void;
  /** For when packets came, and when to report that. */
  clock?: Clock;
}

/** Opus as it is offered (RFC 7587). The payload type is the offerer's. */
export const opusCodec = () =>
  new RTCRtpCodecParameters({ mimeType: "audio/opus", clockRate: 48_000, channels: 2, payloadType: 111 });

/**
 * What is not used for this long after the connection was made is closed. An SFU that nominates each pair that works
 * (libnice does) has gone over to the best of them by then.
 */
const UNUSED_MS = 10_000;
/** Longest timer werift sleeps on while it connects and cannot be told to stop: 100 ms before DTLS; and a margin. */
const STARTUP_SLEEP_MS = 120;

export class Peer implements AsyncDisposable {
  readonly connection: RTCPeerConnection;
  readonly #onRtp: PeerOptions["onRtp"];
  readonly #onRefused: (reason: SrtpRefusal | SrtcpRefusal) => void;
  readonly #onDatagramRefused: (reason: DatagramRefusal, count?: number) => void;
  readonly #onEnded: () => void;
  readonly #onProgress: (roundTripMs: number | undefined) => void;
  readonly #clock: Clock;
  readonly #taps: Disposable[] = [];
  readonly #iceServers: readonly IceServer[];
  readonly #network: WebRtcNetwork;
  readonly #gatherers: Gatherer[] = [];
  #unused: Disposable | undefined;
  readonly #transports = new Set<RTCDtlsTransport>();
  /** What werift still waits for and cannot be told to stop. */
  readonly #lingering = new Set<Promise<unknown>>();
  /** ICE restarts whose checks go on. werift's promise of them never settles where they have no answer. */
  #restarts = 0;
  #gathering: Promise<unknown> = Promise.resolve();
  #started = false;
  #closed?: Promise<void>;
  #ended?: Promise<void>;

  constructor(options: PeerOptions) {
    const { iceServers, network, codecs, onRtp, onRefused, clock } = options;
    this.#iceServers = iceServers;
    this.#network = network;
    this.#onRtp = onRtp;
    this.#onRefused = onRefused ?? (() => {});
    this.#onDatagramRefused = options.onDatagramRefused ?? (() => {});
    this.#onEnded = options.onEnded ?? (() => {});
    this.#onProgress = options.onProgress ?? (() => {});
    this.#clock = clock ?? systemClock;
    this.connection = new RTCPeerConnection({
      codecs,
      headerExtensions: { audio: [], video: [] },
      bundlePolicy: "max-bundle",
      // Sockets and servers are gather.ts' business.
      iceServers: [],
      iceUseIpv4: false,
      iceUseIpv6: false,
    });
  }

  /**
   * Sets the local description, gathers, and gives the SDP with all our candidates. The caller sees to it that no
   * `close` comes between its other calls on `connection`: werift's description methods never settle on a closed one.
   */
  async setLocal(description: RTCSessionDescription): Promise<string> {
    this.#adoptTransports();
    if (description.type === "answer") this.#listen();
    const gathering = this.connection.setLocalDescription(description);
    this.#gathering = gathering.catch(() => {});
    await gathering;
    if (description.type === "answer") {
      shareEvents(this.connection);
      this.#resumeChecks();
    }
    const { sdp = "" } = this.connection.localDescription ?? {};
    // A peer that is told so gives up once the pairs it has have failed (RFC 8863), before a relay could come.
    return this.isAsking ? sdp.replaceAll("a=end-of-candidates\r\n", "") : sdp;
  }

  /** Applies the answer to our offer; connecting starts. */
  async setRemoteAnswer(sdp: string): Promise<void> {
    this.#started = true;
    await this.connection.setRemoteDescription({ type: "answer", sdp });
    this.#resumeChecks();
  }

  /** Whether a socket could not be opened because no port of the range is free. */
  get portsUsedUp(): boolean {
    return this.#gatherers.some(({ portsUsedUp }) => portsUsedUp);
  }

  /** Whether no pair of candidates was found yet, and a relay that was asked for could make one. */
  get isAsking(): boolean {
    const isChecking = [...this.#transports].some(({ state }) => state === "new");
    return isChecking && this.#gatherers.some(({ isAsking }) => isAsking);
  }

  /** How far it came, for when it does not work. */
  get failure(): AudioLoss {
    for (const { state, iceTransport } of this.#transports) {
      if (state === "connected" || state === "closed") continue;
      // The handshake begins once a pair was found.
      if (state !== "new") return "dtls_failed";
      return iceTransport.connection.candidatePairs.length > 0 ? "no_pair" : "no_candidates";
    }
    return "transport_failed";
  }

  /** Closes the sockets: no packet comes or goes any more. Timers of werift's may still run for a moment. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  /** Closes, and waits until nothing of the connection is left. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#ended ??= this.#end();
  }

  async #close(): Promise<void> {
    for (const tap of this.#taps) tap[Symbol.dispose]();
    this.#unused?.[Symbol.dispose]();
    for (const gatherer of this.#gatherers) gatherer.abort();
    // Sockets that are being opened belong to the connection only once they are: closing earlier would leak them.
    await this.#gathered();
    // A DTLS flight sleeps and sends again until the handshake is past it; past everything ends it at its next look.
    for (const { dtls } of this.#transports) if (dtls) dtls.dtls.flight = Number.MAX_SAFE_INTEGER;
    await Promise.all(this.#gatherers.map((gatherer) => gatherer.close()));
    await this.connection.close();
    await this.#closeIce(); // werift does not wait for its sockets
  }

  /** Resolves when the description being set is, or when it hangs: gathering takes no longer than its bound. */
  async #gathered(): Promise<void> {
    const late = Promise.withResolvers<void>();
    using _timer = this.#clock.timer(2 * GATHER_TIMEOUT_MS, () => late.resolve());
    await Promise.race([this.#gathering, late.promise]);
  }

  async #closeIce(): Promise<void> {
    for (const { iceTransport } of this.#transports) await iceTransport.connection.close();
  }

  async #end(): Promise<void> {
    // Not werift's state of the connection: that leaves out a transport whose audio a later offer declined.
    const mayBeConnecting = this.#restarts > 0 ||
      this.#started && [...this.#transports].some(({ state }) => state !== "connected");
    await this.close();
    if (mayBeConnecting) await new Promise((resolve) => setTimeout(resolve, STARTUP_SLEEP_MS));
    while (this.#lingering.size > 0) await Promise.all(this.#lingering);
    // ICE that was won at the moment of closing goes on to start its consent timers, and TURN may have answered late.
    await this.#closeIce();
  }

  /** Sets up the transports werift made since the last call, before they gather. */
  #adoptTransports(): void {
    for (const transport of this.connection.dtlsTransports) {
      if (this.#transports.has(transport)) continue;
      this.#transports.add(transport);
      const ice = iceOf(transport);
      // Without one of ours werift has a public STUN server.
      ice.stunServer = undefined;
      this.#gatherers.push(
        new Gatherer(ice, {
          iceServers: this.#iceServers,
          network: this.#network,
          linger: (work) => void this.#linger(work),
          onLateRelay: () => this.#onProgress(undefined),
        }),
      );
      demandPossession(transport);
      this.#followHandshake(transport);
      this.#followEnd(transport);
      const guard = { clock: this.#clock, onRefused: this.#onDatagramRefused };
      this.#taps.push(guardDatagrams(transport, ice, guard));
      const tap = { clock: this.#clock, onRtp: this.#onRtp, onRefused: this.#onRefused };
      this.#taps.push(tapRtp(transport, ice, tap));
    }
  }

  /** Who answers hears, and sends nothing: what is for sending can go. */
  #listen(): void {
    if (this.#started) return;
    this.#started = true;
    for (const transport of this.#transports) {
      withoutSrtpSessions(transport);
      transport.onStateChange.subscribe((state) => {
        if (state !== "connected") return;
        withoutHandshake(transport);
        shareEvents(this.connection);
        this.#pruneLater();
      });
    }
  }

  /** Keeps hold of the handshake's flights: each sleeps half a second or more after it was answered. */
  #followHandshake(transport: RTCDtlsTransport): void {
    transport.onStateChange.subscribe((state) => {
      if (state !== "connecting") return;
      const roundTripMs = () => 1_000 * (iceOf(transport).nominated?.rtt ?? 0);
      const seen = new Set<number>();
      this.#onProgress(roundTripMs());
      queueMicrotask(() => { // the DTLS socket is made right after the state is told
        const { dtls } = transport;
        if (!dtls) return;
        if (dtls instanceof DtlsClient) extendHandshake(dtls);
        const handle = dtls.onHandleHandshakes;
        dtls.onHandleHandshakes = (messages) => {
          if (this.#closed) return Promise.resolve();
          // What is only repeated is no progress.
          if (messages.some(({ msg_type }) => !seen.has(msg_type))) this.#onProgress(roundTripMs());
          for (const { msg_type } of messages) seen.add(msg_type);
          return this.#linger(handle(messages));
        };
        if (!(dtls instanceof DtlsClient)) return;
        const connect = dtls.connect.bind(dtls);
        dtls.connect = () => this.#closed ? Promise.resolve() : this.#linger(connect());
      });
    });
  }

  /** A restart that fails shows in the connection's state. */
  #resumeChecks(): void {
    for (const transport of this.#transports) {
      const checking = resumeChecks(transport);
      if (!checking) continue;
      this.#restarts++;
      const over = () => void this.#restarts--;
      checking.then(over, over);
    }
  }

  /** werift's connection stays connected without its DTLS. */
  #followEnd(transport: RTCDtlsTransport): void {
    let wasConnected = false;
    transport.onStateChange.subscribe((state) => {
      if (wasConnected && !this.#closed) this.#onEnded();
      wasConnected = state === "connected";
    });
  }

  #pruneLater(): void {
    if (this.#closed) return; // a handshake may be past stopping
    this.#unused?.[Symbol.dispose]();
    for (const gatherer of this.#gatherers) gatherer.watchUse();
    this.#unused = this.#clock.timer(UNUSED_MS, () => {
      for (const gatherer of this.#gatherers) this.#linger(gatherer.prune());
    });
  }

  /** Keeps hold of what goes on by itself until the end. */
  #linger<T>(work: Promise<T>): Promise<T> {
    const settled: Promise<void> = work.then(() => {}, () => {}).finally(() =>
      this.#lingering.delete(settled)
    );
    this.#lingering.add(settled);
    return work;
  }
}

/** werift declares the interface; this is its one implementation. */
function iceOf(transport: RTCDtlsTransport): IceConnection {
  const ice = transport.iceTransport.connection;
  if (!(ice instanceof IceConnection)) {
    throw new TypeError("Cannot set up ICE: not the werift this was written for");
  }
  return ice;
}
