/**
 * One call being captioned: the HPB's reports update its speakers and listeners, and the speakers' captions go to the
 * listeners. Events are handled synchronously, in order; what takes time runs in the speakers' scopes.
 */
import { type Caption, type Clock, type IceServer, type Log, type Meter } from "../domain/mod.ts";
import { reportInternalError, type Scope } from "../flow/mod.ts";
import type { Session, Sessions } from "../sessions/mod.ts";
import { Identities } from "./identities.ts";
import { Listeners } from "./listeners.ts";
import type { RoomSpeaker } from "./room_speaker.ts";
import { RoomSpeakers } from "./room_speakers.ts";
import { type SignalingConnection, type SignalingEvent, STAY_MS } from "./signaling/mod.ts";
import { spokenNames } from "./spoken_names.ts";
import type { TargetMemory } from "./target_memory.ts";

/** Why the service left a room without being asked. */
export type RoomEnd =
  | { reason: "call_ended" | "room_deleted" | "no_listeners" }
  | { reason: "switched"; roomToken: string }
  | { reason: "signaling"; error?: unknown };

export type RoomSignaling = Pick<
  SignalingConnection,
  "start" | "requestOffer" | "sendAnswer" | "sendTranscript" | "bye" | "isJoined" | "canSend"
>;

export interface RoomOptions {
  roomToken: string;
  /** The call was being captioned, and was lost. */
  continues?: boolean;
  languageId: string;
  /** Names and terms to expect, as requested. */
  words?: readonly string[];
  connect: (scope: Scope, onEvent: (event: SignalingEvent) => void) => RoomSignaling;
  /** Of all doors. */
  sessions: Sessions;
  /** STUN and TURN servers for a new subscription. */
  iceServers: () => Promise<readonly IceServer[]>;
  /** Of all rooms: a listener who comes from another one gets the same language. */
  targets: TargetMemory;
  emptyRoomMs: number;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** It has to be closed. */
  onEnd: (end: RoomEnd) => void;
  /** An unexpected error ended its tasks: it has to be closed. */
  onBroken: (error: unknown) => void;
}

/** After joining, the HPB gets this long to list who is in the room before the room can count as empty. */
const ROSTER_WAIT_MS = 10_000;
/** After a full re-join every node of the HPB reports its participants within a second or two: the others have left. */
const SETTLE_MS = 5_000;

export class Room {
  readonly listeners: Listeners;
  readonly session: Session<RoomSpeaker>;
  readonly #options: RoomOptions;
  readonly #signaling: RoomSignaling;
  readonly #speakers: RoomSpeakers;
  readonly #identities = new Identities();
  #joinedAtMs: number | undefined;
  #hasStayed = false;
  #hasJoined = false;
  /** False from a full (re-)join until the HPB has named listeners: until then captions would reach nobody. */
  #knowsListeners = false;
  /** Listeners who were present before a full re-join and have not been named since. */
  readonly #missing = new Set<string>();
  /** Runs from a full (re-)join until those who have not been named are removed. */
  #settleTimer: Disposable | undefined;
  #ended = false;

  /** Throws UnavailableError where there is no place for it. */
  constructor(options: RoomOptions) {
    this.#options = options;
    const { languageId, words, sessions, targets, connect, meter, onBroken } = options;
    this.listeners = new Listeners(targets, () => meter.count("tiro_listeners_dropped_total", "room_full"));
    let signaling: RoomSignaling | undefined;
    const session = sessions.open<RoomSpeaker>("join the call", {
      about: { door: "talk", name: options.roomToken, ...(options.continues && { continues: true }) },
      languageId,
      speakerName: (sessionId) => this.#identities.name(sessionId),
      viewers: () => this.listeners.present(),
      isReady: () => this.#signaling.canSend && this.#knowsListeners,
      send: (listenerId, caption) => this.#send(listenerId, caption),
      onFreed: () => this.#speakers.openWaiting(),
      onEmpty: () => this.#end({ reason: "no_listeners" }),
      leave: async (goodbye) => await signaling?.bye(goodbye),
      onBroken,
    });
    this.session = session;
    session.setWords({ session: words });
    try {
      signaling = this.#signaling = connect(session.scope, (event) => this.#receive(event));
    } catch (error) {
      void sessions.close(session); // or its place would stay taken
      throw error;
    }
    this.#speakers = new RoomSpeakers({
      ...options,
      session,
      signaling: this.#signaling,
      userId: (sessionId) => this.#identities.userId(sessionId),
    });
    session.scope.defer(() => {
      this.listeners.release();
      this.#settleTimer?.[Symbol.dispose]();
    });
  }

  start(): void {
    this.#signaling.start();
  }

  /** Whether the call was joined for a while: it had captions. */
  get hasStayed(): boolean {
    const joinedAtMs = this.#joinedAtMs ?? Infinity;
    return this.#hasStayed || this.#options.clock.now() - joinedAtMs >= STAY_MS;
  }

  /** Whether the call was ever joined. */
  get hasJoined(): boolean {
    return this.#hasJoined;
  }

  get isJoined(): boolean {
    return this.#signaling.isJoined;
  }

  addListener(ncSessionId: string): void {
    this.listeners.add(ncSessionId);
    this.session.keep(); // they get the whole time to join
    this.#watchListeners();
  }

  /** Whoever joins by this HPB session is a listener. */
  expectListener(sessionId: string): void {
    this.listeners.expect(sessionId);
    this.session.keep();
    this.#watchListeners();
  }

  removeListener(ncSessionId: string): void {
    this.listeners.remove(ncSessionId);
    if (this.#missing.delete(ncSessionId) && this.#missing.size === 0) this.#listenersKnown();
    this.#watchListeners();
  }

  /** The language of a known participant's captions; null for the one spoken. */
  setTranslationTarget(ncSessionId: string, targetId: string | null): void {
    const changed = this.listeners.setTarget(ncSessionId, targetId);
    if (changed !== undefined) this.session.targetChanged(changed);
  }

  /** Delivers the last captions and leaves. Resolves when all is released; never rejects. */
  close(): Promise<void> {
    this.#ended = true;
    return this.#options.sessions.close(this.session);
  }

  /** An error in handling one speaker's message is that speaker's failure, not the room's. */
  #forSpeaker(sessionId: string, handle: (speaker: RoomSpeaker) => void): void {
    const speaker = this.session.speakers.get(sessionId);
    if (!speaker) return;
    try {
      handle(speaker);
    } catch (error) {
      reportInternalError("speaker", error);
      speaker.fail(error);
    }
  }

  #receive(event: SignalingEvent): void {
    if (this.#ended || this.session.isDraining) return;
    switch (event.type) {
      case "joined":
        this.#joinedAtMs = this.#options.clock.now();
        this.#hasJoined = true;
        if (event.resumed) this.#speakers.resumed();
        else this.#joinedAnew();
        this.#watchListeners();
        this.session.flush();
        return;
      case "sessions_joined":
        for (const { sessionId, ncSessionId, internal } of event.sessions) {
          this.#speakers.joined(sessionId);
          if (internal || ncSessionId === undefined) continue;
          this.listeners.sessionJoined(sessionId, ncSessionId);
          this.#missing.delete(ncSessionId);
        }
        if (this.#missing.size === 0) this.#listenersKnown();
        return this.#watchListeners();
      case "sessions_left":
        this.#identities.left(event.sessionIds);
        for (const sessionId of event.sessionIds) {
          this.listeners.sessionLeft(sessionId);
          this.#speakers.left(sessionId);
        }
        return this.#watchListeners();
      case "names":
        return this.session.setWords({ names: spokenNames(event.names) });
      case "identities":
        return this.#identities.add(event.identities);
      case "participants":
        return this.#speakers.update(event.users);
      case "offer":
        return this.#forSpeaker(event.from, (speaker) => speaker.offered(event.offer));
      case "candidate":
        return this.#forSpeaker(event.from, (speaker) => speaker.candidate(event.sid, event.candidate));
      case "offer_failed":
        return this.#forSpeaker(event.sessionId, (speaker) => speaker.refused(event.code));
      case "answer_refused":
        return this.#forSpeaker(event.sessionId, (speaker) => speaker.answerRefused(event));
      case "call_ended":
      case "room_deleted":
        return this.#end({ reason: event.type });
      case "switch_to":
        return this.#end({ reason: "switched", roomToken: event.roomToken });
      case "closed":
        return this.#end({ reason: "signaling", error: event.error });
      case "disconnected":
        this.#hasStayed = this.hasStayed;
        this.#joinedAtMs = undefined;
        // Signalling reconnects; audio arrives meanwhile, captions wait, and who is in the room is unknown.
        return this.#watchListeners();
    }
  }

  #joinedAnew(): void {
    for (const ncSessionId of this.listeners.forgetSessions()) this.#missing.add(ncSessionId);
    this.#knowsListeners = false;
    this.#identities.allLeft();
    this.#speakers.rejoined();
    this.#settleTimer?.[Symbol.dispose]();
    this.#settleTimer = this.#options.clock.timer(SETTLE_MS, () => this.#settled());
  }

  #settled(): void {
    this.#settleTimer = undefined;
    this.#speakers.closeUnconfirmed();
    this.#listenersKnown();
  }

  #listenersKnown(): void {
    this.#missing.clear();
    this.#knowsListeners = true;
    this.session.flush();
  }

  #send(listenerId: string, caption: Caption): void {
    this.#signaling.sendTranscript(listenerId, {
      text: caption.text,
      languageId: caption.languageId,
      speakerSessionId: caption.speakerId,
      final: caption.final,
    });
  }

  /**
   * A room without listeners is left after a while. The timer runs only while that is certain: nobody wants captions, or
   * the room is joined and nobody who does is in it.
   */
  #watchListeners(): void {
    const { emptyRoomMs } = this.#options;
    const isWanted = this.listeners.wantedCount > 0;
    if (isWanted && (!this.#signaling.isJoined || this.listeners.presentCount > 0)) {
      return this.session.keep();
    }
    const mayBeHere = isWanted && !this.#knowsListeners;
    this.session.endAfter(mayBeHere ? Math.max(emptyRoomMs, ROSTER_WAIT_MS) : emptyRoomMs);
  }

  #end(end: RoomEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnd(end);
  }
}
