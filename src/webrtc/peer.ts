/**
 * One werift peer connection with our settings and a clean end. Code that depends on werift internals (as of 0.25.2) is
 * here and in what is imported below, each with its reason. Knows nothing of sids, offers or audio.
 *
 * Not followed on purpose: no trickle ICE from us (the description already has all our candidates), no RTCP but receiver
 * reports and what they need (no NACK: a retransmitted packet would be too late), ICE-TCP only through TURN.
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
import { withoutHandshake, withoutSrtpSessions } from "./lean.ts";
import type { WebRtcNetwork } from "./local_addresses.ts";
import { verifyPossession } from "./possession.ts";
import { tapRtp } from "./rtp_tap.ts";
import type { ReceivedRtp, SrtpRefusal } from "./srtp.ts";
import type { SrtcpRefusal } from "./srtcp.ts";
import "./turn.ts";
import "./udp.ts";

export interface PeerOptions {
  iceServers: readonly IceServer[];
  network: WebRtcNetwork;
  codecs: { audio: RTCRtpCodecParameters[]; video: RTCRtpCodecParameters[] };
  /** Every authenticated RTP packet. Valid until the next one. */
  onRtp: (packet: ReceivedRtp) => void;
  /** An SRTP or SRTCP packet was discarded: forged, repeated or malformed. */
  onRefused?: (reason: SrtpRefusal | SrtcpRefusal) => void;
  /** Other datagrams were discarded: forged, from a stranger, or too many. */
  onDatagramRefused?: (reason: DatagramRefusal, count?: number) => void;
  /** The peer has closed an established connection. */
  onEnded?: () => void;
  /** Connecting made progress; with the round-trip time to the peer, ms, once it is known. */
  onProgress?: (roundTripMs: number | undefined) => void;
  /** For arrival times and the schedule of reports. */
  clock?: Clock;
}

/** Opus as it is offered (RFC 7587). The payload type is the offerer's. */
export const opusCodec = () =>
  new RTCRtpCodecParameters({ mimeType: "audio/opus", clockRate: 48_000, channels: 2, payloadType: 111 });

/**
 * Sockets and relays unused for this long after connecting are closed. By then an SFU that nominates every working pair
 * (as libnice does) has switched to the best one.
 */
const UNUSED_MS = 10_000;
/** Longest timer of werift's that cannot be cancelled while it connects: 100 ms before DTLS; and a margin. */
const STARTUP_SLEEP_MS = 120;

export class Peer implements AsyncDisposable {
  readonly connection: RTCPeerConnection;
  readonly #options: PeerOptions;
  readonly #clock: Clock;
  readonly #taps: Disposable[] = [];
  readonly #gatherers: Gatherer[] = [];
  #pruning: Disposable | undefined;
  readonly #transports = new Set<RTCDtlsTransport>();
  /** Work of werift's that cannot be cancelled. */
  readonly #lingering = new Set<Promise<unknown>>();
  /** ICE restarts being checked. werift's promise of an unanswered one never settles. */
  #restarts = 0;
  #gathering: Promise<unknown> = Promise.resolve();
  #started = false;
  #closed?: Promise<void>;
  #ended?: Promise<void>;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.connection = new RTCPeerConnection({
      codecs: options.codecs,
      headerExtensions: { audio: [], video: [] },
      bundlePolicy: "max-bundle",
      // gather.ts has the sockets and servers.
      iceServers: [],
      iceUseIpv4: false,
      iceUseIpv6: false,
    });
  }

  /**
   * Sets the local description, gathers, and returns the SDP with all our candidates. The caller must not let `close`
   * run between its other calls on `connection`: on a closed one werift's description methods never settle.
   */
  async setLocal(description: RTCSessionDescription): Promise<string> {
    this.#adoptTransports();
    if (description.type === "answer") this.#receiveOnly();
    const gathering = this.connection.setLocalDescription(description);
    this.#gathering = gathering.catch(() => {});
    await gathering;
    if (description.type === "answer") this.#resumeChecks();
    const { sdp = "" } = this.connection.localDescription ?? {};
    // With end-of-candidates the peer fails once its pairs have failed (RFC 8863), before a relay could come.
    return this.isAllocating ? sdp.replaceAll("a=end-of-candidates\r\n", "") : sdp;
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

  /** Whether no candidate pair works yet and a pending TURN allocation could still provide one. */
  get isAllocating(): boolean {
    const isChecking = [...this.#transports].some(({ state }) => state === "new");
    return isChecking && this.#gatherers.some(({ isAllocating }) => isAllocating);
  }

  /** The stage at which connecting failed. */
  get failure(): AudioLoss {
    for (const { state, iceTransport } of this.#transports) {
      if (state === "connected" || state === "closed") continue;
      // DTLS starts once a pair works.
      if (state !== "new") return "dtls_failed";
      return iceTransport.connection.candidatePairs.length > 0 ? "no_pair" : "no_candidates";
    }
    return "transport_failed";
  }

  /** Closes the sockets: no packet is sent or received any more. Timers of werift's may still run for a moment. */
  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  /** Closes, and waits until nothing of the connection is left. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#ended ??= this.#end();
  }

  async #close(): Promise<void> {
    for (const tap of this.#taps) tap[Symbol.dispose]();
    this.#pruning?.[Symbol.dispose]();
    for (const gatherer of this.#gatherers) gatherer.abort();
    // The connection owns sockets only once they are open: closing earlier would leak those being opened.
    await this.#gathered();
    // A DTLS flight is retransmitted until the handshake is past it; a number past all ends it at its next timer.
    for (const { dtls } of this.#transports) if (dtls) dtls.dtls.flight = Number.MAX_SAFE_INTEGER;
    await Promise.all(this.#gatherers.map((gatherer) => gatherer.close()));
    await this.connection.close();
    await this.#closeIce(); // werift does not wait for its sockets
  }

  /** Resolves when the pending description is set, or hangs: gathering takes no longer than its limit. */
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
    // ICE that connects during closing still starts its consent timers, and TURN may have responded late.
    await this.#closeIce();
  }

  /** Sets up the transports werift made since the last call, before they gather. */
  #adoptTransports(): void {
    const { iceServers, network, onRtp, onRefused, onDatagramRefused, onProgress } = this.#options;
    const clock = this.#clock;
    for (const transport of this.connection.dtlsTransports) {
      if (this.#transports.has(transport)) continue;
      this.#transports.add(transport);
      const ice = iceOf(transport);
      // werift's default is a public STUN server.
      ice.stunServer = undefined;
      const linger = (work: Promise<unknown>) => void this.#linger(work);
      const onLateRelay = () => onProgress?.(undefined);
      this.#gatherers.push(new Gatherer(ice, { iceServers, network, linger, onLateRelay }));
      verifyPossession(transport);
      this.#follow(transport);
      this.#taps.push(
        guardDatagrams(transport, ice, {
          clock,
          onRefused: (reason, count) => onDatagramRefused?.(reason, count),
        }),
        tapRtp(transport, ice, { clock, onRtp, onRefused: (reason) => onRefused?.(reason) }),
      );
    }
  }

  /** The answerer only receives: frees what is for sending. */
  #receiveOnly(): void {
    if (this.#started) return;
    this.#started = true;
    for (const transport of this.#transports) {
      withoutSrtpSessions(transport);
      transport.onStateChange.subscribe((state) => {
        if (state !== "connected") return;
        withoutHandshake(transport);
        this.#pruneLater();
      });
    }
  }

  /** werift's connection stays connected without its DTLS. */
  #follow(transport: RTCDtlsTransport): void {
    let wasConnected = false;
    transport.onStateChange.subscribe((state) => {
      if (state === "connecting") this.#followHandshake(transport);
      if (wasConnected && !this.#closed) this.#options.onEnded?.();
      wasConnected = state === "connected";
    });
  }

  /** Reports progress, and keeps the promises of flights: each sleeps half a second or more after its response. */
  #followHandshake(transport: RTCDtlsTransport): void {
    const seen = new Set<number>();
    const progressed = () => this.#options.onProgress?.(1_000 * (iceOf(transport).nominated?.rtt ?? 0));
    progressed();
    queueMicrotask(() => { // werift makes the DTLS socket right after this event
      const { dtls } = transport;
      if (!dtls) return;
      if (dtls instanceof DtlsClient) extendHandshake(dtls);
      const handle = dtls.onHandleHandshakes;
      dtls.onHandleHandshakes = (messages) => {
        if (this.#closed) return Promise.resolve();
        // A retransmission is no progress.
        if (messages.some(({ msg_type }) => !seen.has(msg_type))) progressed();
        for (const { msg_type } of messages) seen.add(msg_type);
        return this.#linger(handle(messages));
      };
      if (!(dtls instanceof DtlsClient)) return;
      const connect = dtls.connect.bind(dtls);
      dtls.connect = () => this.#closed ? Promise.resolve() : this.#linger(connect());
    });
  }

  /** A failed restart is reported by the connection's state. */
  #resumeChecks(): void {
    for (const transport of this.#transports) {
      const checking = resumeChecks(transport);
      if (!checking) continue;
      this.#restarts++;
      const over = () => void this.#restarts--;
      checking.then(over, over);
    }
  }

  #pruneLater(): void {
    if (this.#closed) return; // the handshake may have completed anyway
    this.#pruning?.[Symbol.dispose]();
    for (const gatherer of this.#gatherers) gatherer.watchUse();
    this.#pruning = this.#clock.timer(UNUSED_MS, () => {
      for (const gatherer of this.#gatherers) this.#linger(gatherer.prune());
    });
  }

  /** Makes the end wait for work that runs on. */
  #linger<T>(work: Promise<T>): Promise<T> {
    const settled: Promise<void> = work.then(() => {}, () => {}).finally(() =>
      this.#lingering.delete(settled)
    );
    this.#lingering.add(settled);
    return work;
  }
}

/** werift declares the interface; this is its only implementation. */
function iceOf(transport: RTCDtlsTransport): IceConnection {
  const ice = transport.iceTransport.connection;
  if (!(ice instanceof IceConnection)) {
    throw new TypeError("Cannot set up ICE: werift has another implementation; use werift 0.25.2");
  }
  return ice;
}
