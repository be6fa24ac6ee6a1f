/**
 * One speaker of a room: requests an offer from the SFU, has it answered, and requests another when the audio stops. The
 * pipeline stays open while subscriptions change, so an utterance survives a reconnect.
 *
 *     queued --slot--> requested --offer--> answered --RTP--> receiving --silent or failed--> waiting --> queued
 *                          '-- refused --> waiting, longer each time, while the speaker is in the call
 */
import type { Caption, IceCandidate, Log, SdpOffer, SpeakerTrouble } from "../domain/mod.ts";
import { NegotiationError, UnavailableError } from "../domain/mod.ts";
import { type Backoff, RetryPolicy, type Scope, untilAborted } from "../flow/mod.ts";
import { type JoinReason, type JoinSlot, SessionSpeaker } from "../sessions/mod.ts";
import { ConnectionWatch, type Sign } from "./connection_watch.ts";
import { OfferQueue } from "./offer_queue.ts";
import type { RoomSpeakersOptions } from "./room_speakers.ts";

export interface RoomSpeakerOptions extends Omit<RoomSpeakersOptions, "userId"> {
  /** The HPB's session id. */
  id: string;
  userId: () => string | undefined;
  onCaption: (caption: Caption) => void;
  /** Whether the HPB has them in the room, and not only Nextcloud's list. */
  isInRoom: () => boolean;
  /** Whether audio should arrive: some whose call flags announce audio publish none. */
  isExpected: () => boolean;
  /** The speaker's, a child of the room's. */
  scope: Scope;
  /** The speaker's. */
  log: Log;
}

/**
 * Right after a subscription ends the SFU refuses half the requests for a new one; half a second later none. No jitter:
 * `sessions/join_limiter.ts` spreads requests made at the same time.
 */
const ASK: Backoff = { baseMs: 500, maxMs: 16_000, jitter: 0 };
/** Longest wait for someone from whom no audio is expected. */
const UNEXPECTED_MAX_MS = 128_000;

/**
 * The pipeline is open from the first request on, except while the successor of a broken one waits, and while the host
 * has no place.
 */
export class RoomSpeaker extends SessionSpeaker<"webrtc"> {
  readonly #options: RoomSpeakerOptions;
  readonly #connection = new ConnectionWatch();
  /** Whether the host had no place at the last request. */
  #isUnplaced = false;
  /** Reset by audio, and by what indicates that audio may come. */
  readonly #retry = new RetryPolicy({ freeFailures: 0 });
  #gaveUpPlace = false;
  #timer: Disposable | undefined;
  /** Whether the last request could not be sent, since signalling was disconnected. */
  #isCutOff = false;
  readonly #slot: JoinSlot;
  readonly #offers: OfferQueue;
  /** Why the next slot is waited for. */
  #joinReason: JoinReason = "first";
  /** Why the last slot was waited for. */
  #askedAs: JoinReason = "first";
  /** Why the next offer is requested: a metric's label. */
  #reason = "joined";
  #isDraining = false;
  readonly #releasePlace = () => this.#release();

  constructor(options: RoomSpeakerOptions) {
    super({
      ...options,
      languageId: options.session.languageId,
      words: () => options.session.words,
      host: options.sessions.host,
      source: { kind: "webrtc" },
      onReceived: () => this.#received(),
      onSource: (event) => {
        if (event.type === "connected") return this.#slot.connected();
        this.#notConnected(event.reason);
        this.#askAgain(event.reason);
      },
      onFailed: () => {
        this.#closed();
        this.#askAgain("failed");
      },
    });
    this.#options = options;
    this.#slot = options.sessions.joins.slot(options.session, () => this.#ask());
    this.#offers = new OfferQueue({ ...options, answer: (offer) => this.#answer(offer) });
    options.scope.defer(() => this.#rest());
  }

  override get trouble(): SpeakerTrouble | undefined {
    if (this.#isUnplaced) return "no_media_worker";
    return this.#connection.isTrouble ? "not_connected" : super.trouble;
  }

  /** Requests an offer as soon as there is a slot. */
  subscribe(reason: "joined" | "rejoined"): void {
    this.#forgive();
    if (reason === "joined") this.#joinReason = "first";
    this.#connection.suspended();
    this.#request(reason);
  }

  /**
   * They may publish now: whoever waits for a retry is queued at once. A connection being set up is not touched, since
   * another offer would void it.
   */
  hurry(): void {
    this.#forgive();
    if (!this.#timer) return;
    this.#joinReason = "first";
    this.#request("joined");
  }

  /** Signalling was resumed: requests what could not be requested. */
  signalingBack(): void {
    if (!this.#isCutOff || !this.#timer) return;
    this.#forgive();
    this.#request(this.#reason);
  }

  offered(offer: SdpOffer): void {
    if (this.#options.scope.signal.aborted || !this.isOpen) return;
    this.#idlePlaces.delete(this.#releasePlace);
    this.#slot.responded();
    this.#offers.add(offer);
  }

  /**
   * The SFU knows no subscription `sid`: a participant wrote that offer, or it was void before it was answered. Its
   * connection is closed. Where another offer is requested already, that request voided it.
   */
  answerRefused({ sid, isAsked }: { sid: string; isAsked?: true }): void {
    const { log, meter } = this.#options;
    this.send({ type: "hang_up", sid });
    this.#offers.clear(); // the one that waits would renegotiate it
    if (isAsked) return;
    meter.count("transcription_errors_total", "answer_refused");
    log[this.#failureLevel]("answer refused by the SFU");
    this.#notConnected({ refused: "answer_refused" });
    this.#askAgain("refused");
  }

  candidate(sid: string, candidate: IceCandidate): void {
    this.send({ type: "candidate", sid, candidate });
  }

  /** The SFU refused: the speaker does not publish yet, or no longer. */
  refused(code: string): void {
    this.#options.log.debug("offer refused", { code });
    this.#isCutOff = code === "disconnected";
    const wasAsked = !this.#isCutOff && code !== "busy";
    if (!wasAsked) this.#joinReason = this.#askedAs;
    const isAbsent = code === "client_not_found" && !this.#options.isInRoom();
    if (isAbsent || !wasAsked) this.#connection.suspended();
    else this.#notConnected({ refused: code });
    this.#askAgain("refused");
  }

  override async drain(signal: AbortSignal): Promise<void> {
    this.#isDraining = true;
    this.#rest();
    await super.drain(signal);
  }

  get #idlePlaces() {
    return this.#options.sessions.joins.idlePlaces;
  }

  /** Of a failure: only the first in a row is reported. */
  get #failureLevel(): "warn" | "debug" {
    return this.#retry.failures === 0 ? "warn" : "debug";
  }

  /** Rejects only when the scope is aborted. */
  async #answer(offer: SdpOffer): Promise<void> {
    const { id, scope, iceServers, signaling } = this.#options;
    const { pipeline } = this;
    if (!pipeline) return;
    try {
      const servers = await untilAborted(iceServers(), scope.signal);
      if (pipeline !== this.pipeline) return;
      const answer = this.request({ type: "answer", offer, iceServers: servers });
      const { sdp } = await untilAborted(answer, scope.signal);
      signaling.sendAnswer(id, offer.sid, sdp);
    } catch (error) {
      scope.signal.throwIfAborted();
      if (pipeline !== this.pipeline) return; // it broke meanwhile, which is reported
      this.report("offer not answered", error, this.#failureLevel);
      if (error instanceof NegotiationError) this.#notConnected({ unanswered: error.code });
      this.#askAgain("not_answered");
    }
  }

  #received(): void {
    this.#joinReason = "lost";
    this.#forgive();
    const { clock, log } = this.#options;
    const seconds = this.#connection.received(clock.now());
    if (seconds !== undefined) log.info("speaker connected", { seconds });
    this.#rest(); // a new offer would replace what works again
  }

  #notConnected(sign: Sign): void {
    const { clock, log, meter, isExpected } = this.#options;
    if (this.#isDraining) return;
    if (!isExpected()) return this.#connection.suspended();
    const found = this.#connection.failed(sign, clock.now());
    if (!found) return;
    meter.count("transcription_errors_total", "not_connected");
    log.warn("speaker not connected", { ...found });
  }

  /** Sends nothing, and another speaker needs the place: requests another after the longest wait. */
  #release(): void {
    this.#options.meter.count("tiro_places_given_up_total", "silent");
    this.close();
    this.#closed();
    this.#rest();
    this.#gaveUpPlace = true;
    this.#askAgain(this.#reason);
  }

  #closed(): void {
    this.#idlePlaces.delete(this.#releasePlace);
    this.#offers.clear();
  }

  #askAgain(reason: string): void {
    const { scope, clock, isExpected } = this.#options;
    this.lost();
    // Whoever waits for a slot requests an offer anyway, and does not lose their position.
    if (scope.signal.aborted || this.#isDraining || this.#timer || this.#slot.isQueued) return;
    this.#slot.release();
    if (this.isOpen && this.#joinReason === "no_audio") this.#idlePlaces.add(this.#releasePlace);
    const nowMs = clock.now();
    this.#retry.failed(nowMs, undefined, {
      ...ASK,
      ...(!isExpected() && { maxMs: UNEXPECTED_MAX_MS }),
      ...(this.#gaveUpPlace && { baseMs: ASK.maxMs, maxMs: ASK.maxMs }),
    });
    this.#timer = clock.timer(this.#retry.waitMs(nowMs), () => {
      this.#timer = undefined;
      if (!scope.signal.aborted) this.#request(reason);
    });
  }

  #forgive(): void {
    this.#retry.worked();
    this.#gaveUpPlace = false;
  }

  #request(reason: string): void {
    this.#disarm();
    this.#isCutOff = false;
    this.#reason = reason;
    this.#slot.request(this.#joinReason);
  }

  /** There is a slot. It may have been freed by another speaker, so nothing is thrown. */
  #ask(): void {
    const { id, scope, clock, log, meter, signaling } = this.#options;
    if (scope.signal.aborted || this.#isDraining) return this.#slot.release();
    this.#idlePlaces.delete(this.#releasePlace);
    this.#askedAs = this.#joinReason;
    this.#joinReason = "no_audio"; // until audio arrives
    try {
      this.open();
      this.#isUnplaced = false;
      meter.count("tiro_offers_requested_total", this.#reason);
      this.#connection.asked(clock.now());
      signaling.requestOffer(id);
    } catch (error) {
      this.#connection.suspended();
      if (error instanceof UnavailableError) {
        this.#joinReason = this.#askedAs; // no offer was requested
        this.#options.sessions.joins.freeIdlePlace();
        // The other codes concern all new speakers: SessionsStatus.refusal has them.
        this.#isUnplaced = error.code === "busy";
        this.report("speaker not captioned for now", error, this.#failureLevel);
      } else {
        meter.count("transcription_errors_total", "unexpected");
        log.error("speaker not opened", error);
      }
      this.#askAgain(this.#reason);
    }
  }

  /** Neither requests an offer nor waits to. */
  #rest(): void {
    this.#idlePlaces.delete(this.#releasePlace);
    this.#disarm();
    this.#slot.release();
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
