/**
 * One speaker of a room: asks the SFU for an offer, has it answered, and asks again when the audio goes away. The
 * hosted pipeline stays while subscriptions come and go, so an utterance survives a reconnect.
 *
 *     in line --turn--> requested --offer--> answered --RTP--> heard --silent or failed--> waiting --> in line
 *                           '-- refused --> waiting, longer each time, for as long as the speaker is in the call
 */
import type {
  Caption,
  Clock,
  IceCandidate,
  IceServer,
  Log,
  Meter,
  SdpOffer,
  SpeakerHost,
  SpeakerTrouble,
} from "../domain/mod.ts";
import { NegotiationError, UnavailableError } from "../domain/mod.ts";
import { type Backoff, RetryPolicy, type Scope, untilAborted } from "../flow/mod.ts";
import { type JoinLimiter, type JoinReason, type JoinSlot, SessionSpeaker } from "../sessions/mod.ts";
import { ConnectionWatch, type Sign } from "./connection_watch.ts";
import { OfferLine } from "./offer_line.ts";

export interface RoomSpeakerOptions {
  sessionId: string;
  languageId: string;
  /** The same for all speakers of one room. */
  room: object;
  host: SpeakerHost;
  /** The line all rooms' speakers wait in. */
  joins: JoinLimiter;
  iceServers: () => Promise<readonly IceServer[]>;
  requestOffer: () => void;
  sendAnswer: (sid: string, sdp: string) => void;
  onCaption: (caption: Caption) => void;
  /** Whether the HPB has them in the room, and not only in a list of Nextcloud's. */
  isInRoom: () => boolean;
  /** Whether audio should come: it need not of everybody whose call flags say so. */
  isExpected: () => boolean;
  /** The speaker's scope, a child of the room's. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/**
 * Right after a subscription ends the SFU refuses half the requests for a new one; after half a second it does not. No
 * jitter: those who are asked for at the same time go one by one, see `sessions/join_limiter.ts`.
 */
const ASK: Backoff = { baseMs: 500, maxMs: 16_000, jitter: 0 };
/** Whoever need not have audio is asked this seldom. */
const UNEXPECTED_MAX_MS = 128_000;

export class RoomSpeaker implements AsyncDisposable {
  readonly #options: RoomSpeakerOptions;
  /** Open from the first request on, but while a broken one's successor waits, and while the host has no room. */
  readonly #speaker: SessionSpeaker<"webrtc">;
  readonly #connection = new ConnectionWatch();
  /** Whether the host had no place at the last request. */
  #isUnplaced = false;
  /** Forgiven by audio, and by what says that audio may come. */
  readonly #retry = new RetryPolicy({ freeFailures: 0 });
  #gaveUpPlace = false;
  #timer: Disposable | undefined;
  /** Whether the last request could not leave, since signalling was away. */
  #isCutOff = false;
  readonly #slot: JoinSlot;
  readonly #offers: OfferLine;
  /** Why the next turn is waited for. */
  #joinReason: JoinReason = "first";
  /** Why the last turn was. */
  #askedAs: JoinReason = "first";
  /** Why the next offer is asked for. */
  #reason = "joined";
  /** True once nothing new is to be heard. */
  #leaving = false;
  readonly #releasePlace = () => this.#release();

  constructor(options: RoomSpeakerOptions) {
    this.#options = options;
    this.#speaker = new SessionSpeaker({
      ...options,
      id: options.sessionId,
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
    this.#slot = options.joins.slot(options.room, () => this.#ask());
    this.#offers = new OfferLine({ ...options, answer: (offer) => this.#answer(offer) });
    options.scope.defer(() => this.#rest());
  }

  /** Whether audio arrives: the subscription works. */
  get isReceiving(): boolean {
    return this.#speaker.isReceiving;
  }

  /** Why this speaker cannot be captioned now; undefined while they can. */
  get trouble(): SpeakerTrouble | undefined {
    if (this.#isUnplaced) return "no_media_worker";
    return this.#connection.isTrouble ? "not_connected" : this.#speaker.trouble;
  }

  /** Asks the SFU for an offer, now or when its turn comes. */
  subscribe(reason: "joined" | "rejoined"): void {
    this.#forgive();
    if (reason === "joined") this.#joinReason = "first";
    this.#connection.suspended();
    this.#request(reason);
  }

  /**
   * They may publish now: who waits to be asked again is asked at once. One who is being connected to is left alone,
   * because another offer would make that one void.
   */
  hurry(): void {
    this.#forgive();
    if (!this.#timer) return;
    this.#joinReason = "first";
    this.#request("joined");
  }

  /** Signalling is back: what could not be asked for is asked for now. */
  signalingBack(): void {
    if (!this.#isCutOff || !this.#timer) return;
    this.#forgive();
    this.#request(this.#reason);
  }

  offered(offer: SdpOffer): void {
    if (this.#options.scope.signal.aborted || !this.#speaker.isOpen) return;
    this.#options.joins.idlePlaces.delete(this.#releasePlace);
    this.#slot.responded();
    this.#offers.add(offer);
  }

  /**
   * The SFU knows no subscription `sid`: a participant wrote that offer, or it was void before it was answered. Whoever is
   * at the other end of the connection is left. Where another offer is asked for already, that request made it void.
   */
  answerRefused({ sid, isAsked }: { sid: string; isAsked?: true }): void {
    const { log, meter } = this.#options;
    this.#speaker.send({ type: "hang_up", sid });
    this.#offers.clear(); // what waits would renegotiate it
    if (isAsked) return;
    meter.count("transcription_errors_total", "answer_refused");
    log[this.#retry.failures === 0 ? "warn" : "debug"]("answer refused by the SFU");
    this.#notConnected({ refused: "answer_refused" });
    this.#askAgain("refused");
  }

  candidate(sid: string, candidate: IceCandidate): void {
    this.#speaker.send({ type: "candidate", sid, candidate });
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

  /** A message of theirs could not be taken: another pipeline takes the place of this one. */
  failed(error: unknown): void {
    this.#speaker.fail(error);
  }

  setLanguage(languageId: string): void {
    this.#speaker.setLanguage(languageId);
  }

  /** Delivers what was heard; the signal bounds the wait. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#leaving = true;
    this.#rest();
    await this.#speaker.drain(signal);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#options.scope[Symbol.asyncDispose]();
  }

  /** Rejects when the scope is aborted only. */
  async #answer(offer: SdpOffer): Promise<void> {
    const { scope, iceServers, sendAnswer } = this.#options;
    const { pipeline } = this.#speaker;
    if (!pipeline) return;
    try {
      const servers = await untilAborted(iceServers(), scope.signal);
      if (pipeline !== this.#speaker.pipeline) return;
      const answer = this.#speaker.request({ type: "answer", offer, iceServers: servers });
      const { sdp } = await untilAborted(answer, scope.signal);
      sendAnswer(offer.sid, sdp);
    } catch (error) {
      scope.signal.throwIfAborted();
      if (pipeline !== this.#speaker.pipeline) return; // it broke meanwhile, which is reported
      this.#speaker.report("offer not answered", error, this.#retry.failures === 0 ? "warn" : "debug");
      if (error instanceof NegotiationError) this.#notConnected({ unanswered: error.code });
      this.#askAgain("not_answered");
    }
  }

  #received(): void {
    this.#joinReason = "lost";
    this.#forgive();
    const { clock, log } = this.#options;
    const seconds = this.#connection.heard(clock.now());
    if (seconds !== undefined) log.info("speaker connected", { seconds });
    this.#rest(); // a new offer would replace what works again
  }

  #notConnected(sign: Sign): void {
    const { clock, log, meter, isExpected } = this.#options;
    if (this.#leaving) return;
    if (!isExpected()) return this.#connection.suspended();
    const found = this.#connection.failed(sign, clock.now());
    if (!found) return;
    meter.count("transcription_errors_total", "not_connected");
    log.warn("speaker not connected", { ...found });
  }

  /** Sends nothing, and somebody else needs the place: asks for another after the longest wait, not at once. */
  #release(): void {
    this.#options.meter.count("tiro_places_given_up_total", "silent");
    this.#close();
    this.#rest();
    this.#gaveUpPlace = true;
    this.#askAgain(this.#reason);
  }

  #close(): void {
    this.#speaker.close();
    this.#closed();
  }

  #closed(): void {
    this.#options.joins.idlePlaces.delete(this.#releasePlace);
    this.#offers.clear();
  }

  #askAgain(reason: string): void {
    const { scope, clock, isExpected, joins } = this.#options;
    this.#speaker.lost();
    // Whoever waits for a turn is about to ask anyway, and keeps the place.
    if (scope.signal.aborted || this.#leaving || this.#timer || this.#slot.isQueued) return;
    this.#slot.release();
    if (this.#speaker.isOpen && this.#joinReason === "no_audio") joins.idlePlaces.add(this.#releasePlace);
    const nowMs = clock.now();
    this.#retry.failed(nowMs, undefined, {
      ...ASK,
      ...(this.#gaveUpPlace && { baseMs: ASK.maxMs }), // who gave it up does not take another at once
      ...(!isExpected() && { maxMs: UNEXPECTED_MAX_MS }),
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

  /** Its turn has come. Another speaker may have made way for it, so nothing is thrown. */
  #ask(): void {
    const { scope, log, meter, requestOffer, joins } = this.#options;
    if (scope.signal.aborted || this.#leaving) return this.#slot.release();
    joins.idlePlaces.delete(this.#releasePlace);
    this.#askedAs = this.#joinReason;
    this.#joinReason = "no_audio"; // until audio comes
    try {
      this.#speaker.open();
      this.#isUnplaced = false;
      meter.count("tiro_offers_requested_total", this.#reason);
      this.#connection.asked(this.#options.clock.now());
      requestOffer();
    } catch (error) {
      this.#connection.suspended();
      if (error instanceof UnavailableError) {
        this.#joinReason = this.#askedAs; // it was not asked for
        joins.freeIdlePlace();
        // The other codes are reasons for all new speakers, which RoomsStatus.refusal has.
        this.#isUnplaced = error.code === "busy";
        this.#speaker.report(
          "speaker not captioned for now",
          error,
          this.#retry.failures === 0 ? "warn" : "debug",
        );
      } else {
        meter.count("transcription_errors_total", "unexpected");
        log.error("speaker not opened", error);
      }
      this.#askAgain(this.#reason);
    }
  }

  /** Asks for nothing, and waits for nothing. */
  #rest(): void {
    this.#options.joins.idlePlaces.delete(this.#releasePlace);
    this.#disarm();
    this.#slot.release();
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
