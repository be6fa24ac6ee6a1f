/**
 * Hears one speaker: answers the SFU's offers audio only and passes on the Opus packets that come. Outlives its
 * connections: a re-offer renegotiates the standing one, an offer with a new sid replaces it, and the audio source goes
 * on. Asks for nothing by itself: when the audio stays away it says so, and its owner gets another offer.
 *
 * One negotiation at a time; hanging up waits its turn, because werift never settles a description call on a
 * connection that was closed under it. A turn ends in time all the same: a connection whose calls hang is given up.
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
import { completeAnswer, type Offer, opusPayloadType, readOffer } from "./sdp.ts";
import type { ReceivedRtp } from "./srtp.ts";
import { SilenceWatchdog } from "./watchdog.ts";

export interface WebRtcReceiverOptions {
  ledger: AudioLedger;
  clock?: Clock;
  log: Log;
  meter: Meter;
  /** The audio is gone: once per trouble. */
  onTrouble: (reason: AudioLoss) => void;
  /** A connection stands that was asked for, or was asked about again; audio may come over it or not. */
  onConnected?: () => void;
  /** First audio packet of a connection, and first after a trouble. */
  onHeard: () => void;
  network?: WebRtcNetwork;
  /** Default LIMITS.rtpSilenceMs. */
  rtpSilenceMs?: number;
}

/** A re-offer that comes while the connection is still being made waits for it this long, or until it is given up. */
const RENEGOTIATE_WAIT_MS = 8_000;

/** For an answer, once it is its turn. Half a second is usual, three with servers that say nothing; more never comes. */
const ANSWER_TIMEOUT_MS = 10_000;

/** For closing a connection: what werift cannot be told to stop takes a few seconds. */
const CLOSE_TIMEOUT_MS = 10_000;

/** A peer connection and the subscription it belongs to. */
interface Connection {
  readonly sid: string;
  /** Of the audio section. */
  readonly mid: string;
  readonly peer: Peer;
  readonly addresses: PeerAddresses;
  /** Resolves once connected or failed. */
  readonly settled: PromiseWithResolvers<void>;
  payloadType: number;
  /** The SFU has closed it, or we are about to: no offer can renegotiate it. */
  isOver: boolean;
}

/** A negotiation under way. */
interface Attempt {
  /** Aborted when it takes too long: what it comes to after that changes nothing. */
  readonly signal: AbortSignal;
  connection?: Connection;
}

export class WebRtcReceiver implements AsyncDisposable {
  readonly #options: WebRtcReceiverOptions;
  readonly #clock: Clock;
  readonly #inbox: RtpInbox;
  readonly #watchdog: SilenceWatchdog;
  /** While the connection is being made. */
  #connecting: ConnectDeadline | undefined;
  readonly #early = new EarlyCandidates();
  readonly #abort = new AbortController();
  /** Closed connections whose last timers have not run out. */
  readonly #retired = new Set<Promise<void>>();
  #current: Connection | undefined;
  #heard = false;
  /** Whether the last offer answered sends audio. */
  #audioDue = false;
  #turn: Promise<void> = Promise.resolve();
  #disposed?: Promise<void>;

  constructor(options: WebRtcReceiverOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#inbox = new RtpInbox(options.ledger, options.meter);
    this.#watchdog = new SilenceWatchdog({
      clock: this.#clock,
      silenceMs: options.rtpSilenceMs ?? LIMITS.rtpSilenceMs,
      onSilent: () => this.#trouble("rtp_silent"),
      onLook: () => this.#inbox.report(),
    });
  }

  /** One for the receiver's life, across re-offers and replaced connections. */
  get source(): RtpInbox {
    return this.#inbox;
  }

  /**
   * Answers an offer, after those before it. The answer has all our candidates. Rejects with NegotiationError; then
   * what was connected before stays so, unless the offer was to renegotiate just that and took too long ("timeout").
   */
  async answer(offer: SdpOffer, iceServers: readonly IceServer[]): Promise<{ sdp: string }> {
    const { signal } = this.#abort;
    try {
      return await untilAborted(
        this.#inTurn(() => this.#negotiateInTime(offer, iceServers)),
        signal,
      );
    } catch (error) {
      if (signal.aborted) {
        throw new NegotiationError("Cannot answer offer: the receiver is closed", {
          code: "closed",
          retryable: false,
        });
      }
      if (error instanceof NegotiationError) throw error;
      // werift's messages may quote the SDP: only the kind of error goes on.
      const kind = error instanceof Error ? error.name : typeof error;
      throw new NegotiationError(`Cannot answer offer: WebRTC refused it (${kind})`, {
        code: "refused",
        retryable: true,
      });
    }
  }

  /** Takes a remote candidate; one that comes before its offer is kept until the offer does. Never throws. */
  addCandidate(sid: string, candidate: IceCandidate): void {
    const usable = usableCandidate(candidate);
    if (!usable || this.#abort.signal.aborted) return;
    if (this.#current?.sid === sid) this.#give(this.#current, usable);
    else this.#early.add(sid, usable);
  }

  /**
   * Closes the connection, if any, after the negotiation in progress; the source stays open for the next one. With a
   * `sid` only the connection of that.
   */
  hangUp(sid?: string): Promise<void> {
    const standing = this.#current;
    if (sid !== undefined && standing?.sid === sid) {
      standing.isOver = true;
      standing.settled.resolve(); // no renegotiation waits for it to be made
    }
    return this.#inTurn(async () => {
      const connection = this.#current;
      if (sid !== undefined && connection?.sid !== sid) return;
      this.#current = undefined;
      this.#watchdog.disarm();
      this.#connecting?.[Symbol.dispose]();
      if (connection) await this.#retire(connection);
    });
  }

  /** Closes everything and ends the source. Nothing is left when this resolves. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    this.#abort.abort(new DOMException("The receiver is closed", "AbortError"));
    this.#watchdog[Symbol.dispose]();
    this.#connecting?.[Symbol.dispose]();
    this.#current?.settled.resolve();
    await this.hangUp();
    this.#inbox[Symbol.dispose]();
    await Promise.all(this.#retired);
  }

  /** Runs `work` after what was asked before it, whether that worked or not. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.then(() => {}, () => {});
    return result;
  }

  async #negotiateInTime(offer: SdpOffer, iceServers: readonly IceServer[]): Promise<{ sdp: string }> {
    const controller = new AbortController();
    const attempt: Attempt = { signal: controller.signal };
    using _timer = this.#clock.timer(ANSWER_TIMEOUT_MS, () => {
      controller.abort(
        new NegotiationError("Cannot answer offer: WebRTC takes too long", {
          code: "timeout",
          retryable: true,
        }),
      );
    });
    try {
      return await untilAborted(this.#negotiate(offer, iceServers, attempt), attempt.signal);
    } catch (error) {
      if (attempt.signal.aborted && attempt.connection) this.#giveUp(attempt.connection);
      throw error;
    }
  }

  async #negotiate(
    { sid, sdp }: SdpOffer,
    iceServers: readonly IceServer[],
    attempt: Attempt,
  ): Promise<{ sdp: string }> {
    this.#abort.signal.throwIfAborted();
    const { connectionState } = this.#current?.peer.connection ?? {};
    const stands = connectionState !== "failed" && connectionState !== "closed" && !this.#current?.isOver;
    const standing = this.#current?.sid === sid && stands ? this.#current : undefined;
    const offer = readOffer(sdp, standing?.mid);
    const answer = standing
      ? await this.#renegotiate(standing, offer, attempt)
      : await this.#replace(sid, offer, iceServers, attempt);
    attempt.signal.throwIfAborted();
    this.#audioDue = offer.sendsAudio;
    const isConnected = this.#current?.peer.connection.connectionState === "connected";
    this.#watchdog.disarm();
    this.#connecting?.[Symbol.dispose]();
    if (isConnected) this.#options.onConnected?.();
    if (offer.sendsAudio && isConnected) this.#watchdog.arm();
    else if (offer.sendsAudio) this.#awaitConnection();
    return { sdp: completeAnswer(offer, answer) };
  }

  async #renegotiate(connection: Connection, offer: Offer, attempt: Attempt): Promise<string> {
    attempt.connection = connection;
    const { peer, settled } = connection;
    // werift starts a second handshake when it is answered while the first is under way.
    using _timer = this.#clock.timer(RENEGOTIATE_WAIT_MS, () => settled.resolve());
    await settled.promise;
    this.#abort.signal.throwIfAborted();
    if (connection.isOver) {
      throw new NegotiationError("Cannot answer offer: its connection is over", {
        code: "closed",
        retryable: true,
      });
    }
    try {
      const sdp = connection.addresses.describe(offer);
      await peer.connection.setRemoteDescription({ type: "offer", sdp });
      const answer = await peer.connection.createAnswer();
      // An SFU that stops sending audio may take the section away; then the old payload type does no harm.
      if (offer.sendsAudio) connection.payloadType = opusPayloadType(answer.sdp);
      return await peer.setLocal(answer);
    } catch (error) {
      if (peer.connection.signalingState === "have-remote-offer") {
        await peer.connection.setRemoteDescription({ type: "rollback", sdp: "" }).catch(() => {});
      }
      throw error;
    }
  }

  async #replace(
    sid: string,
    offer: Offer,
    iceServers: readonly IceServer[],
    attempt: Attempt,
  ): Promise<string> {
    if (!offer.sendsAudio) {
      throw new NegotiationError("Cannot answer offer: its audio is not sent", {
        code: "no_audio",
        retryable: true,
      });
    }
    const connection: Connection = {
      sid,
      mid: offer.mid,
      peer: new Peer({
        iceServers,
        network: this.#options.network ?? {},
        codecs: { audio: [opusCodec()], video: [] },
        onRtp: (packet) => this.#receive(connection, packet),
        onRefused: (reason) => this.#options.meter.count("tiro_rtp_refused_total", reason),
        onDatagramRefused: (reason, count) =>
          this.#options.meter.count("tiro_datagrams_refused_total", reason, count),
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
      const offered = connection.addresses.describe(offer);
      await peer.connection.setRemoteDescription({ type: "offer", sdp: offered });
      const answer = await peer.connection.createAnswer();
      connection.payloadType = opusPayloadType(answer.sdp);
      const sdp = await peer.setLocal(answer);
      if (!sdp.includes("\na=candidate:")) {
        throw noWay(peer);
      }
      this.#abort.signal.throwIfAborted();
      attempt.signal.throwIfAborted();
      const replaced = this.#current;
      this.#current = connection;
      this.#heard = false;
      for (const candidate of this.#early.take(sid)) this.#give(connection, candidate);
      if (replaced) {
        this.#early.take(replaced.sid);
        this.#end(replaced); // its closing takes none of this one's time
      }
      return sdp;
    } catch (error) {
      await this.#retire(connection);
      throw error;
    }
  }

  /** Takes its place from a connection that hangs; closing it may hang as well, so that is left to dispose. */
  #giveUp(connection: Connection): void {
    if (connection === this.#current) {
      this.#current = undefined;
      this.#watchdog.disarm();
      this.#connecting?.[Symbol.dispose]();
    }
    this.#end(connection);
  }

  /** Closes the sockets now, and leaves werift's last timers to be joined by dispose. */
  async #retire(connection: Connection): Promise<void> {
    this.#end(connection);
    await this.#closed(connection.peer.close()).catch(() => {}); // told by #end
  }

  #end({ settled, peer }: Connection): void {
    settled.resolve();
    const end: Promise<void> = this.#closed(peer[Symbol.asyncDispose]())
      .catch((error: unknown) => this.#options.log.error("Connection did not close cleanly", error))
      .finally(() => this.#retired.delete(end));
    this.#retired.add(end);
  }

  /** Resolves with `closing`, or rejects when that takes too long. */
  async #closed(closing: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    using _timer = this.#clock.timer(
      CLOSE_TIMEOUT_MS,
      () => late.reject(new Error("werift does not close it")),
    );
    await Promise.race([closing, late.promise]);
  }

  #give(connection: Connection, candidate: string): void {
    if (!connection.addresses.admits(candidate)) return;
    connection.peer.connection.addIceCandidate({ candidate, sdpMLineIndex: 0 }).catch((error: unknown) => {
      const kind = error instanceof Error ? error.name : typeof error;
      this.#options.log.debug("Candidate not taken", { sid: connection.sid, kind });
    });
  }

  /** The hot path: fifty times a second for every speaker. */
  #receive(connection: Connection, received: ReceivedRtp): void {
    if (connection !== this.#current || received.payloadType !== connection.payloadType) return;
    this.#watchdog.fed(received.arrivedMs);
    if (received.payload.length === 0) return; // padding
    this.#inbox.push(received);
    if (this.#heard) return;
    this.#heard = true;
    this.#options.onHeard();
  }

  #awaitConnection(): void {
    const connection = this.#current;
    this.#connecting = new ConnectDeadline({
      clock: this.#clock,
      isAsking: () => connection?.peer.isAsking ?? false,
      onLate: () => {
        connection?.settled.resolve();
        this.#trouble(connection?.peer.failure ?? "transport_failed");
      },
    });
  }

  #onState(connection: Connection, state: string): void {
    if (connection === this.#current && state !== "connecting" && state !== "new") {
      this.#connecting?.[Symbol.dispose]();
    }
    if (state === "connected" || state === "failed" || state === "closed") connection.settled.resolve();
    if (connection === this.#current && state === "connected") {
      if (this.#audioDue) this.#watchdog.arm();
      this.#options.onConnected?.();
    }
    if (connection !== this.#current || (state !== "failed" && state !== "closed")) return;
    this.#watchdog.disarm();
    this.#trouble(connection.peer.failure);
  }

  /** No state of the connection shows it, and no packet can come any more: the keys are gone with the association. */
  #onEnded(connection: Connection): void {
    connection.isOver = true;
    if (connection !== this.#current || !this.#audioDue) return;
    this.#watchdog.disarm();
    this.#trouble("transport_failed");
  }

  #trouble(reason: AudioLoss): void {
    this.#heard = false;
    this.#options.onTrouble(reason);
  }
}

/** Why there is not one local candidate. */
function noWay({ portsUsedUp }: Peer): NegotiationError {
  const [cause, code] = portsUsedUp
    ? ["every port of MEDIA_PORTS is in use", "no_port"]
    : areDescriptorsUsedUp()
    ? ["no file descriptor is left", "no_descriptor"]
    : ["there is no local address to use", "no_address"];
  return new NegotiationError(`Cannot answer offer: ${cause}`, { code, retryable: true });
}

function areDescriptorsUsedUp(): boolean {
  const use = readDescriptors();
  return use !== undefined && use.open >= use.limit;
}
