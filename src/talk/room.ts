/**
 * One call being captioned: keeps track of who speaks and who listens by what the HPB tells, opens and closes
 * speakers, and sends their captions. Everything here happens at once, in the order it was told; what takes time
 * runs in the speakers' scopes.
 */
import { FanOut } from "../captioning/mod.ts";
import {
  type Caption,
  type Clock,
  type IceServer,
  LIMITS,
  type Log,
  type Meter,
  type SpeakerHost,
  type SpeakerTrouble,
  type Translations,
} from "../domain/mod.ts";
import { type Scope, untilAborted } from "../flow/mod.ts";
import type { Joining } from "./joining.ts";
import { Listeners, type Wanted } from "./listeners.ts";
import { RoomSpeaker } from "./room_speaker.ts";
import type { SignalingConnection, SignalingEvent } from "./signaling/mod.ts";

/** Why the service left a room by itself. */
export type RoomEnd =
  | { reason: "call_ended" | "room_deleted" | "nobody_listens" }
  | { reason: "switched"; roomToken: string }
  | { reason: "signaling"; error?: unknown };

/** What a room needs of signalling; SignalingConnection has it. */
export type RoomSignaling = Pick<
  SignalingConnection,
  "start" | "requestOffer" | "sendAnswer" | "sendTranscript" | "bye" | "isJoined" | "canSend"
>;

export interface RoomOptions {
  languageId: string;
  connect: (onEvent: (event: SignalingEvent) => void) => RoomSignaling;
  host: SpeakerHost;
  /** The line all rooms' speakers wait in. */
  joining: Joining;
  /** STUN and TURN servers for a new subscription. */
  iceServers: () => Promise<readonly IceServer[]>;
  translations?: Translations;
  emptyRoomMs: number;
  speakersMax: number;
  /** The room's scope. Its owner disposes it after `onEnd`. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  onEnd: (end: RoomEnd) => void;
}

/** Call flags of Talk: in the call at all, and sending audio. */
const IN_CALL = 1;
const WITH_AUDIO = 2;
/** The last words of a speaker who left get this long to come. */
const LEAVE_DRAIN_MS = 3_000;
/** After joining, the HPB gets this long to list who is in the room before the room can count as empty. */
const ROSTER_WAIT_MS = 10_000;
/** While captions cannot leave although the HPB is joined (its socket is full), this often is tried again. */
const OUTBOX_RETRY_MS = 200;

export class Room {
  readonly #options: RoomOptions;
  readonly #signaling: RoomSignaling;
  readonly #listeners = new Listeners();
  readonly #speakers = new Map<string, RoomSpeaker>();
  readonly #fanOut: FanOut;
  #languageId: string;
  /** The last words of speakers who left. */
  readonly #leaving = new Set<Promise<void>>();
  #joinedAtMs: number | undefined;
  #hasStayed = false;
  /** False from a full (re-)join until the HPB has told who is in the room: until then captions would reach nobody. */
  #knowsSessions = false;
  /** True after a full re-join, until the next list tells who is still in the call. */
  #mustResubscribe = false;
  #emptyTimer: Disposable | undefined;
  #outboxTimer: Disposable | undefined;
  #ended = false;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.#languageId = options.languageId;
    this.#signaling = options.connect((event) => this.#receive(event));
    this.#fanOut = new FanOut({
      listeners: () => this.#listeners.present(),
      isReady: () => this.#signaling.canSend && this.#knowsSessions,
      send: (listenerId, caption) => this.#send(listenerId, caption),
      onHeld: () => this.#retryOutbox(),
      translate: options.translations && ((request) => options.translations!.translate(request)),
      clock: options.clock,
      meter: options.meter,
    });
    options.scope.defer(() => {
      this.#fanOut[Symbol.dispose]();
      this.#emptyTimer?.[Symbol.dispose]();
      this.#outboxTimer?.[Symbol.dispose]();
    });
  }

  start(): void {
    this.#signaling.start();
  }

  /** Whether the call was joined for a while: it had captions. */
  get hasStayed(): boolean {
    return this.#hasStayed;
  }

  get isJoined(): boolean {
    return this.#signaling.isJoined;
  }

  get languageId(): string {
    return this.#languageId;
  }

  get speakerCount(): number {
    return this.#speakers.size;
  }

  /** Speakers whose audio arrives. */
  get heardCount(): number {
    let heard = 0;
    for (const speaker of this.#speakers.values()) heard += Number(speaker.isHeard);
    return heard;
  }

  /** Adds up why speakers cannot be captioned now. */
  addTroubles(to: Partial<Record<SpeakerTrouble, number>>): void {
    for (const { trouble } of this.#speakers.values()) {
      if (trouble !== undefined) to[trouble] = (to[trouble] ?? 0) + 1;
    }
  }

  get listenerCount(): number {
    return this.#listeners.presentCount;
  }

  /** Those who asked for captions, here or not. */
  wantedListeners(): Wanted[] {
    return this.#listeners.wanted();
  }

  addListener(ncSessionId: string): void {
    this.#listeners.add(ncSessionId);
    this.#watchListeners();
  }

  removeListener(ncSessionId: string): void {
    this.#listeners.remove(ncSessionId);
    this.#watchListeners();
  }

  /** Whether someone by this Nextcloud session is in the room or has asked for captions. */
  knows(ncSessionId: string): boolean {
    return this.#listeners.knows(ncSessionId);
  }

  /** The language one who is known gets captions in; null for the one spoken. */
  setTranslationTarget(ncSessionId: string, targetId: string | null): void {
    const changed = this.#listeners.setTarget(ncSessionId, targetId);
    if (changed !== undefined) this.#fanOut.release(changed);
  }

  setLanguage(languageId: string): void {
    if (languageId === this.#languageId) return;
    this.#languageId = languageId;
    for (const speaker of this.#speakers.values()) speaker.setLanguage(languageId);
    // Their language is now the one spoken: nothing they get may come after what needs no translation.
    for (const { id, targetId } of this.#listeners.present()) {
      if (targetId === languageId) this.#fanOut.release(id);
    }
  }

  /** Delivers what was heard and says goodbye; the signal bounds the wait. The owner disposes the scope afterwards. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#ended = true;
    const draining = [...this.#speakers.values()].map((speaker) => speaker.drain(signal));
    await untilAborted(Promise.all([...draining, ...this.#leaving]), signal).catch(() => {});
    await this.#fanOut.drain(signal);
    await this.#signaling.bye();
  }

  #receive(event: SignalingEvent): void {
    if (this.#ended) return;
    switch (event.type) {
      case "joined":
        this.#joinedAtMs = this.#options.clock.now();
        if (!event.resumed) {
          this.#listeners.forgetSessions();
          this.#knowsSessions = false;
          this.#mustResubscribe = this.#speakers.size > 0;
        }
        this.#watchListeners();
        this.#fanOut.flush();
        return;
      case "sessions_joined":
        for (const { sessionId, ncSessionId, internal } of event.sessions) {
          if (!internal && ncSessionId !== undefined) this.#listeners.sessionJoined(sessionId, ncSessionId);
        }
        this.#knowsSessions = true;
        this.#fanOut.flush();
        return this.#watchListeners();
      case "sessions_left":
        for (const sessionId of event.sessionIds) {
          this.#listeners.sessionLeft(sessionId);
          this.#closeSpeaker(sessionId);
        }
        return this.#watchListeners();
      case "participants":
        return this.#reconcile(
          event.users.filter((user) =>
            !user.internal && (user.inCall & IN_CALL) && (user.inCall & WITH_AUDIO)
          )
            .map(({ sessionId }) => sessionId),
        );
      case "offer":
        return this.#speakers.get(event.from)?.offered(event.offer);
      case "candidate":
        return this.#speakers.get(event.from)?.candidate(event.sid, event.candidate);
      case "offer_failed":
        return this.#speakers.get(event.sessionId)?.refused(event.code);
      case "call_ended":
      case "room_deleted":
        return this.#end({ reason: event.type });
      case "switch_to":
        return this.#end({ reason: "switched", roomToken: event.roomToken });
      case "closed":
        this.#noteStay();
        return this.#end({ reason: "signaling", error: event.error });
      case "disconnected":
        this.#noteStay();
        // Signalling comes back by itself; speakers are heard meanwhile, captions wait, who is here is not known.
        return this.#watchListeners();
    }
  }

  /** Makes the speakers those of the list. */
  #reconcile(inCall: readonly string[]): void {
    const wanted = new Set(inCall);
    for (const sessionId of this.#speakers.keys()) {
      if (!wanted.has(sessionId)) this.#closeSpeaker(sessionId);
    }
    for (const sessionId of wanted) {
      const speaker = this.#speakers.get(sessionId);
      if (!speaker) this.#openSpeaker(sessionId);
      else if (this.#mustResubscribe) speaker.subscribe("rejoined");
    }
    this.#mustResubscribe = false;
  }

  #openSpeaker(sessionId: string): void {
    const { host, joining, iceServers, scope, clock, meter, speakersMax } = this.#options;
    const log = this.#options.log.child({ speaker: sessionId });
    if (this.#speakers.size + this.#leaving.size >= speakersMax) {
      meter.count("transcription_errors_total", "speakers_max");
      log.warn("speaker not captioned: the room is full", { speakersMax });
      return;
    }
    const speaker = new RoomSpeaker({
      sessionId,
      languageId: this.#languageId,
      host,
      joining,
      iceServers,
      requestOffer: () => this.#signaling.requestOffer(sessionId),
      sendAnswer: (sid, sdp) => this.#signaling.sendAnswer(sessionId, sid, sdp),
      onCaption: (caption) => this.#fanOut.deliver(caption),
      scope: scope.child("speaker"),
      clock,
      log,
      meter,
    });
    this.#speakers.set(sessionId, speaker);
    speaker.subscribe("joined");
  }

  #closeSpeaker(sessionId: string): void {
    const { scope, meter, log } = this.#options;
    const speaker = this.#speakers.get(sessionId);
    if (!speaker || scope.signal.aborted) return;
    this.#speakers.delete(sessionId);
    const lastWords = speaker.drain(AbortSignal.any([scope.signal, AbortSignal.timeout(LEAVE_DRAIN_MS)]));
    this.#leaving.add(lastWords);
    scope.run(async () => {
      try {
        await lastWords;
        await speaker[Symbol.asyncDispose]();
      } catch (error) {
        meter.count("transcription_errors_total", "unexpected");
        log.error("speaker not closed cleanly", error, { speaker: sessionId });
      } finally {
        this.#leaving.delete(lastWords);
      }
    });
  }

  #send(listenerId: string, caption: Caption): void {
    this.#signaling.sendTranscript(listenerId, {
      text: caption.text,
      languageId: caption.languageId,
      speakerSessionId: caption.speakerId,
      final: caption.final,
    });
  }

  #retryOutbox(): void {
    const { scope, clock } = this.#options;
    if (this.#outboxTimer || scope.signal.aborted || this.#ended) return;
    this.#outboxTimer = clock.timer(OUTBOX_RETRY_MS, () => {
      this.#outboxTimer = undefined;
      this.#fanOut.flush();
    });
  }

  /**
   * A room nobody listens to is left after a while. The timer runs exactly while that is known: nobody wants captions,
   * or nobody who does is in the room, which only a joined room can tell.
   */
  #watchListeners(): void {
    const { scope, clock, emptyRoomMs } = this.#options;
    const isWanted = this.#listeners.wantedCount > 0;
    if (isWanted && (!this.#signaling.isJoined || this.#listeners.presentCount > 0)) {
      this.#emptyTimer?.[Symbol.dispose]();
      this.#emptyTimer = undefined;
    } else if (!this.#emptyTimer && !scope.signal.aborted) {
      const mayBeHere = isWanted && !this.#knowsSessions;
      const waitMs = mayBeHere ? Math.max(emptyRoomMs, ROSTER_WAIT_MS) : emptyRoomMs;
      this.#emptyTimer = clock.timer(waitMs, () => this.#end({ reason: "nobody_listens" }));
    }
  }

  #noteStay(): void {
    const { clock } = this.#options;
    const joinedAtMs = this.#joinedAtMs ?? Infinity;
    this.#hasStayed ||= clock.now() - joinedAtMs >= LIMITS.signalingStayMs;
    this.#joinedAtMs = undefined;
  }

  #end(end: RoomEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnd(end);
  }
}
