/**
 * Receives one speaker: answers the SFU's offers with audio only and delivers the Opus packets. The audio source outlives
 * connections: a re-offer renegotiates the current one, an offer with a new sid replaces it. Never requests an offer:
 * lost audio is reported, and the owner requests one.
 *
 * Negotiations and hanging up run one at a time, because werift never settles a description call on a connection that
 * was closed meanwhile. Each has a time limit: a connection whose calls do not settle is abandoned.
 */
import {
  type AudioLedger,
  type AudioLoss,
  type Clock,
  type IceCandidate,
  type IceServer,
  LIMITS,
  type Log,
  type Meter,
  NegotiationError,
  type SdpOffer,
} from "../domain/mod.ts";
import { readDescriptors, systemClock, untilAborted } from "../flow/mod.ts";
import { ConnectDeadline } from "./connect_deadline.ts";
import { EarlyCandidates, PeerAddresses, usableCandidate } from "./candidates.ts";
import { RtpInbox } from "./inbox.ts";
import type { WebRtcNetwork } from "./local_addresses.ts";
import { opusCodec, Peer } from "./peer.ts";
import { cannotAnswer, completeAnswer, type Offer, opusPayloadType, readOffer } from "./sdp.ts";
import type { ReceivedRtp } from "./srtp.ts";
import { SilenceWatchdog } from "./watchdog.ts";

export interface WebRtcReceiverOptions {
  ledger: AudioLedger;
  clock?: Clock;
  log: Log;
  meter: Meter;
  /** Audio was lost: once per loss. */
  onAudioLost: (reason: AudioLoss) => void;
  /** Connected, or renegotiated while connected; with audio or without. */
  onConnected?: () => void;
  /** First audio packet of a connection, and first after a loss. */
  onAudio: () => void;
  network?: WebRtcNetwork;
  /** Default LIMITS.rtpSilenceMs. */
  rtpSilenceMs?: number;
}

/** How long a re-offer waits for a connection that is still being established. */
const RENEGOTIATE_WAIT_MS = 8_000;
/** Of one negotiation. Half a second is usual, three with servers that do not respond; later ones never settle. */
const ANSWER_TIMEOUT_MS = 10_000;
/** Of closing a connection: timers that werift cannot cancel take a few seconds. */
const CLOSE_TIMEOUT_MS = 10_000;

/** A peer connection and the subscription it belongs to. */
interface Connection {
  readonly sid: string;
  /** Of the audio section. */
  readonly mid: string;
  readonly peer: Peer;
  readonly addresses: PeerAddresses;
  /** Resolves once connected, failed or hung up. */
  readonly settled: PromiseWithResolvers<void>;
  payloadType: number;
  /** Closed by the SFU or about to be closed here: cannot be renegotiated. */
  isOver: boolean;
}

/** One negotiation. */
interface Attempt {
  readonly sid: string;
  readonly iceServers: readonly IceServer[];
  /** Aborted at the time limit; later results are discarded. */
  readonly signal: AbortSignal;
  connection?: Connection;
}

export class WebRtcReceiver implements AsyncDisposable {
  readonly #options: WebRtcReceiverOptions;
  readonly #clock: Clock;
  readonly #inbox: RtpInbox;
  readonly #watchdog: SilenceWatchdog;
  /** While the connection is being established. */
  #connecting: ConnectDeadline | undefined;
  readonly #early = new EarlyCandidates();
  readonly #abort = new AbortController();
  /** Closed connections whose last timers are still running. */
  readonly #closing = new Set<Promise<void>>();
  #current: Connection | undefined;
  #hasAudio = false;
  /** Whether the last offer answered sends audio. */
  #expectsAudio = false;
  #queue: Promise<void> = Promise.resolve();
  #disposed?: Promise<void>;

  constructor(options: WebRtcReceiverOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#inbox = new RtpInbox(options.ledger, options.meter);
    this.#watchdog = new SilenceWatchdog({
      clock: this.#clock,
      silenceMs: options.rtpSilenceMs ?? LIMITS.rtpSilenceMs,
      onSilent: () => this.#audioLost("rtp_silent"),
      onCheck: () => this.#inbox.report(),
    });
  }

  /** The same for all connections. */
  get source(): RtpInbox {
    return this.#inbox;
  }

  /**
   * Answers an offer, after earlier ones. The answer has all local candidates. Rejects with NegotiationError and keeps
   * the current connection, unless the offer renegotiates that one and times out ("timeout").
   */
  async answer(offer: SdpOffer, iceServers: readonly IceServer[]): Promise<{ sdp: string }> {
    const { signal } = this.#abort;
    try {
      return await untilAborted(
        this.#enqueue(() => this.#negotiateInTime(offer, iceServers)),
        signal,
      );
    } catch (error) {
      if (signal.aborted) throw cannotAnswer("the receiver is closed", "closed", false);
      if (error instanceof NegotiationError) throw error;
      throw cannotAnswer(`WebRTC refused it (${nameOf(error)})`, "refused");
    }
  }

  /** Adds a remote candidate; one that arrives before its offer is queued. Never throws. */
  addCandidate(sid: string, candidate: IceCandidate): void {
    const usable = usableCandidate(candidate);
    if (!usable || this.#abort.signal.aborted) return;
    if (this.#current?.sid === sid) this.#add(this.#current, usable);
    else this.#early.add(sid, usable);
  }

  /**
   * Closes the connection, if any, after the negotiation in progress; the source stays open for the next one. With a
   * `sid` only the connection of that.
   */
  hangUp(sid?: string): Promise<void> {
    const current = this.#current;
    if (sid !== undefined && current?.sid === sid) {
      current.isOver = true;
      current.settled.resolve(); // a renegotiation that waits for it fails now
    }
    return this.#enqueue(async () => {
      const connection = this.#current;
      if (sid !== undefined && connection?.sid !== sid) return;
      this.#current = undefined;
      this.#stopWatching();
      if (connection) await this.#close(connection);
    });
  }

  /** Closes everything and ends the source. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    this.#abort.abort(new DOMException("The receiver is closed", "AbortError"));
    this.#stopWatching();
    this.#current?.settled.resolve();
    await this.hangUp();
    this.#inbox[Symbol.dispose]();
    await Promise.all(this.#closing);
  }

  /** Runs `work` after earlier work, whether that failed or not. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.then(() => {}, () => {});
    return result;
  }

  async #negotiateInTime({ sid, sdp }: SdpOffer, iceServers: readonly IceServer[]): Promise<{ sdp: string }> {
    const controller = new AbortController();
    const attempt: Attempt = { sid, iceServers, signal: controller.signal };
    using _timer = this.#clock.timer(
      ANSWER_TIMEOUT_MS,
      () => controller.abort(cannotAnswer("WebRTC takes too long", "timeout")),
    );
    try {
      return await untilAborted(this.#negotiate(sdp, attempt), attempt.signal);
    } catch (error) {
      if (attempt.signal.aborted && attempt.connection) this.#abandon(attempt.connection);
      throw error;
    }
  }

  async #negotiate(sdp: string, attempt: Attempt): Promise<{ sdp: string }> {
    this.#abort.signal.throwIfAborted();
    const current = this.#current?.sid === attempt.sid ? this.#current : undefined;
    const isUsable = current && !current.isOver && !isOver(current.peer.connection.connectionState);
    const offer = readOffer(sdp, isUsable ? current.mid : undefined);
    const answer = isUsable
      ? await this.#renegotiate(current, offer, attempt)
      : await this.#replace(offer, attempt);
    attempt.signal.throwIfAborted();
    this.#expectsAudio = offer.sendsAudio;
    const isConnected = this.#current?.peer.connection.connectionState === "connected";
    this.#stopWatching();
    if (isConnected) this.#options.onConnected?.();
    if (offer.sendsAudio && isConnected) this.#watchdog.arm();
    else if (offer.sendsAudio) this.#awaitConnection();
    return { sdp: completeAnswer(offer, answer) };
  }

  async #renegotiate(connection: Connection, offer: Offer, attempt: Attempt): Promise<string> {
    attempt.connection = connection;
    const { peer: { connection: werift }, settled } = connection;
    // werift starts a second handshake when an offer is answered during the first.
    using _timer = this.#clock.timer(RENEGOTIATE_WAIT_MS, () => settled.resolve());
    await settled.promise;
    this.#abort.signal.throwIfAborted();
    if (connection.isOver) throw cannotAnswer("its connection is closed", "closed");
    try {
      return await exchange(connection, offer);
    } catch (error) {
      if (werift.signalingState === "have-remote-offer") {
        await werift.setRemoteDescription({ type: "rollback", sdp: "" }).catch(() => {});
      }
      throw error;
    }
  }

  async #replace(offer: Offer, attempt: Attempt): Promise<string> {
    const { sid, iceServers } = attempt;
    const { network = {}, meter } = this.#options;
    if (!offer.sendsAudio) throw cannotAnswer("its audio is not sent", "no_audio");
    const connection: Connection = {
      sid,
      mid: offer.mid,
      peer: new Peer({
        iceServers,
        network,
        codecs: { audio: [opusCodec()], video: [] },
        onRtp: (packet) => this.#receive(connection, packet),
        onRefused: (reason) => meter.count("tiro_rtp_refused_total", reason),
        onDatagramRefused: (reason, count) => meter.count("tiro_datagrams_refused_total", reason, count),
        onEnded: () => this.#onEnded(connection),
        onProgress: (roundTripMs) => {
          if (connection === this.#current) this.#connecting?.progressed(roundTripMs);
        },
        clock: this.#clock,
      }),
      settled: Promise.withResolvers(),
      addresses: new PeerAddresses(),
      payloadType: -1,
      isOver: false,
    };
    attempt.connection = connection;
    const { peer } = connection;
    try {
      peer.connection.connectionStateChange.subscribe((state) => this.#onState(connection, state));
      const sdp = await exchange(connection, offer);
      if (!sdp.includes("\na=candidate:")) throw noCandidate(peer);
      this.#abort.signal.throwIfAborted();
      attempt.signal.throwIfAborted();
      const replaced = this.#current;
      this.#current = connection;
      this.#hasAudio = false;
      for (const candidate of this.#early.take(sid)) this.#add(connection, candidate);
      if (replaced) {
        this.#early.take(replaced.sid);
        this.#startClosing(replaced); // the answer does not wait for it
      }
      return sdp;
    } catch (error) {
      await this.#close(connection);
      throw error;
    }
  }

  /** Drops a connection whose calls do not settle. Closing it may not settle either, so only dispose waits for that. */
  #abandon(connection: Connection): void {
    if (connection === this.#current) {
      this.#current = undefined;
      this.#stopWatching();
    }
    this.#startClosing(connection);
  }

  /** Resolves when the sockets are closed; dispose waits for werift's last timers. */
  async #close(connection: Connection): Promise<void> {
    this.#startClosing(connection);
    await this.#closeInTime(connection.peer.close()).catch(() => {}); // logged by #startClosing
  }

  #startClosing({ settled, peer }: Connection): void {
    settled.resolve();
    const end: Promise<void> = this.#closeInTime(peer[Symbol.asyncDispose]())
      .catch((error: unknown) => this.#options.log.error("connection not closed cleanly", error))
      .finally(() => this.#closing.delete(end));
    this.#closing.add(end);
  }

  /** Settles like `closing`, or rejects at the time limit. */
  async #closeInTime(closing: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const error = new Error("Cannot close the connection: werift takes too long");
    using _timer = this.#clock.timer(CLOSE_TIMEOUT_MS, () => late.reject(error));
    await Promise.race([closing, late.promise]);
  }

  #add({ sid, addresses, peer }: Connection, candidate: string): void {
    if (!addresses.admits(candidate)) return;
    peer.connection.addIceCandidate({ candidate, sdpMLineIndex: 0 }).catch((error: unknown) =>
      this.#options.log.debug("candidate refused", { sid, kind: nameOf(error) })
    );
  }

  /** Hot path: 50 packets a second for each speaker. */
  #receive(connection: Connection, received: ReceivedRtp): void {
    if (connection !== this.#current || received.payloadType !== connection.payloadType) return;
    this.#watchdog.fed(received.arrivedMs);
    if (received.payload.length === 0) return; // padding
    this.#inbox.push(received);
    if (this.#hasAudio) return;
    this.#hasAudio = true;
    this.#options.onAudio();
  }

  #awaitConnection(): void {
    const connection = this.#current;
    this.#connecting = new ConnectDeadline({
      clock: this.#clock,
      isAllocating: () => connection?.peer.isAllocating ?? false,
      onLate: () => {
        connection?.settled.resolve();
        this.#audioLost(connection?.peer.failure ?? "transport_failed");
      },
    });
  }

  #onState(connection: Connection, state: string): void {
    const isConnected = state === "connected";
    if (isConnected || isOver(state)) connection.settled.resolve();
    if (connection !== this.#current) return;
    if (state !== "connecting" && state !== "new") this.#connecting?.[Symbol.dispose]();
    if (isConnected) {
      if (this.#expectsAudio) this.#watchdog.arm();
      this.#options.onConnected?.();
    }
    if (!isOver(state)) return;
    this.#watchdog.disarm();
    this.#audioLost(connection.peer.failure);
  }

  /** The DTLS association has ended, and its keys with it. werift's connection state does not show that. */
  #onEnded(connection: Connection): void {
    connection.isOver = true;
    if (connection !== this.#current || !this.#expectsAudio) return;
    this.#watchdog.disarm();
    this.#audioLost("transport_failed");
  }

  #stopWatching(): void {
    this.#watchdog.disarm();
    this.#connecting?.[Symbol.dispose]();
  }

  #audioLost(reason: AudioLoss): void {
    this.#hasAudio = false;
    this.#options.onAudioLost(reason);
  }
}

/** Applies an offer; returns the answer. */
async function exchange(connection: Connection, offer: Offer): Promise<string> {
  const { peer, addresses } = connection;
  await peer.connection.setRemoteDescription({ type: "offer", sdp: addresses.describe(offer) });
  const answer = await peer.connection.createAnswer();
  // Without audio the section may be gone; then the old payload type is harmless.
  if (offer.sendsAudio) connection.payloadType = opusPayloadType(answer.sdp);
  return await peer.setLocal(answer);
}

function isOver(state: string): boolean {
  return state === "failed" || state === "closed";
}

/** All of an error that may be logged or passed on: werift's messages may quote the SDP. */
function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** Why no local candidate was gathered. */
function noCandidate({ portsUsedUp }: Peer): NegotiationError {
  if (portsUsedUp) return cannotAnswer("every port of MEDIA_PORTS is in use", "no_port");
  const descriptors = readDescriptors();
  return descriptors && descriptors.open >= descriptors.limit
    ? cannotAnswer("no file descriptor is left", "no_descriptor")
    : cannotAnswer("there is no local address to use", "no_address");
}
