/**
 * One call being captioned: passes on what the HPB reports to its speakers and its listeners, and the captions of the
 * ones to the others. Everything here happens at once, in the order it was reported; what takes time runs in the
 * speakers' scopes.
 */
import { STAY_MS } from "./signaling/mod.ts";
import { type Caption, type Clock, type IceServer, type Log, type Meter } from "../domain/mod.ts";
import { reportInternalError, type Scope } from "../flow/mod.ts";
import type { Session, Sessions } from "../sessions/mod.ts";
import { Listeners, type Wanted } from "./listeners.ts";
import type { RoomSpeaker } from "./room_speaker.ts";
import { RoomSpeakers } from "./room_speakers.ts";
import type { TargetMemory } from "./target_memory.ts";
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
  connect: (scope: Scope, onEvent: (event: SignalingEvent) => void) => RoomSignaling;
  /** Of all doors. */
  sessions: Sessions;
  /** STUN and TURN servers for a new subscription. */
  iceServers: () => Promise<readonly IceServer[]>;
  /** Of all rooms: who comes from another one keeps their language. */
  targets: TargetMemory;
  emptyRoomMs: number;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** Its owner closes it then. */
  onEnd: (end: RoomEnd) => void;
  /** A broken invariant ended it: its owner closes it then. */
  onBroken: (error: unknown) => void;
}

/** After joining, the HPB gets this long to list who is in the room before the room can count as empty. */
const ROSTER_WAIT_MS = 10_000;
/**
 * After a full re-join every node of the HPB reports its own participants again, within a second or two. Whoever has
 * not been named by then is gone.
 */
const SETTLE_MS = 5_000;

export class Room {
  readonly #options: RoomOptions;
  readonly #signaling: RoomSignaling;
  readonly #listeners: Listeners;
  readonly #speakers: RoomSpeakers;
  readonly #session: Session<RoomSpeaker>;
  #joinedAtMs: number | undefined;
  #hasStayed = false;
  #hasJoined = false;
  /** False from a full (re-)join until the HPB has named listeners: until then captions would reach nobody. */
  #knowsListeners = false;
  /** Listeners who were here before a full re-join and have not been named since. */
  readonly #missing = new Set<string>();
  /** Runs from a full (re-)join until whoever has not been named is given up. */
  #settleTimer: Disposable | undefined;
  #ended = false;

  /** Throws UnavailableError where there is no place for it. */
  constructor(options: RoomOptions) {
    this.#options = options;
    const { languageId, sessions, targets, connect, onBroken } = options;
    this.#listeners = new Listeners(targets);
    const session = sessions.open<RoomSpeaker>("join the call", {
      languageId,
      viewers: () => this.#listeners.present(),
      isReady: () => this.#signaling.canSend && this.#knowsListeners,
      send: (listenerId, caption) => this.#send(listenerId, caption),
      onFreed: () => this.#speakers.openWaiting(),
      onEmpty: () => this.#end({ reason: "nobody_listens" }),
      leave: (goodbye) => this.#signaling.bye(goodbye),
      onBroken,
    });
    const { scope } = session;
    this.#session = session;
    this.#signaling = connect(scope, (event) => this.#receive(event));
    this.#speakers = new RoomSpeakers({
      ...options,
      session,
      scope,
      host: sessions.host,
      joins: sessions.joins,
      requestOffer: (sessionId) => this.#signaling.requestOffer(sessionId),
      sendAnswer: (sessionId, sid, sdp) => this.#signaling.sendAnswer(sessionId, sid, sdp),
    });
    scope.defer(() => {
      this.#listeners.release();
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

  get languageId(): string {
    return this.#session.languageId;
  }

  /** How many asked for captions, here or not. */
  get wantedCount(): number {
    return this.#listeners.wantedCount;
  }

  /** How many of them are not here. */
  get absentCount(): number {
    return this.#listeners.absentCount;
  }

  /** Whether someone asked for captions by this Nextcloud session. */
  wants(ncSessionId: string): boolean {
    return this.#listeners.wants(ncSessionId);
  }

  /** Forgets who asked longest ago of those who are not here, if anybody is not. */
  forgetAbsent(): void {
    const oldest = this.#listeners.oldestAbsent;
    if (oldest !== undefined) this.removeListener(oldest);
  }

  /** Those who asked for captions, here or not. */
  wantedListeners(): Wanted[] {
    return this.#listeners.wanted();
  }

  addListener(ncSessionId: string): void {
    this.#listeners.add(ncSessionId);
    const dropped = this.#listeners.takeDropped();
    if (dropped > 0) this.#options.meter.count("tiro_listeners_dropped_total", "room_full", dropped);
    this.#session.keep(); // they get the whole time to come
    this.#watchListeners();
  }

  /** Whoever comes by this HPB session is a listener. */
  expectListener(sessionId: string): void {
    this.#listeners.expect(sessionId);
    this.#session.keep();
    this.#watchListeners();
  }

  removeListener(ncSessionId: string): void {
    this.#listeners.remove(ncSessionId);
    if (this.#missing.delete(ncSessionId) && this.#missing.size === 0) this.#listenersKnown();
    this.#watchListeners();
  }

  /** Whether someone by this Nextcloud session is in the room or has asked for captions. */
  knows(ncSessionId: string): boolean {
    return this.#listeners.knows(ncSessionId);
  }

  /** The language one who is known gets captions in; null for the one spoken. */
  setTranslationTarget(ncSessionId: string, targetId: string | null): void {
    const changed = this.#listeners.setTarget(ncSessionId, targetId);
    if (changed !== undefined) this.#session.targetChanged(changed);
  }

  setLanguage(languageId: string): void {
    this.#session.setLanguage(languageId);
  }

  /** Leaves the call with its last words. Resolves when nothing of it is left; never rejects. */
  close(): Promise<void> {
    this.#ended = true;
    return this.#options.sessions.close(this.#session);
  }

  /** What goes wrong over one speaker's message is that speaker's failure, and not the room's. */
  #tell(sessionId: string, what: (speaker: RoomSpeaker) => void): void {
    const speaker = this.#speakers.get(sessionId);
    if (!speaker) return;
    try {
      what(speaker);
    } catch (error) {
      reportInternalError("speaker", error);
      speaker.failed(error);
    }
  }

  #receive(event: SignalingEvent): void {
    if (this.#ended || this.#session.isDraining) return;
    switch (event.type) {
      case "joined":
        this.#joinedAtMs = this.#options.clock.now();
        this.#hasJoined = true;
        if (event.resumed) this.#speakers.resumed();
        else this.#joinedAnew();
        this.#watchListeners();
        this.#session.flush();
        return;
      case "sessions_joined":
        for (const { sessionId, ncSessionId, internal } of event.sessions) {
          this.#speakers.joined(sessionId);
          if (internal || ncSessionId === undefined) continue;
          this.#listeners.sessionJoined(sessionId, ncSessionId);
          this.#missing.delete(ncSessionId);
        }
        if (this.#missing.size === 0) this.#listenersKnown();
        return this.#watchListeners();
      case "sessions_left":
        for (const sessionId of event.sessionIds) {
          this.#listeners.sessionLeft(sessionId);
          this.#speakers.left(sessionId);
        }
        return this.#watchListeners();
      case "participants":
        return this.#speakers.update(event.users);
      case "offer":
        return this.#tell(event.from, (speaker) => speaker.offered(event.offer));
      case "candidate":
        return this.#tell(event.from, (speaker) => speaker.candidate(event.sid, event.candidate));
      case "offer_failed":
        return this.#tell(event.sessionId, (speaker) => speaker.refused(event.code));
      case "answer_refused":
        return this.#tell(event.sessionId, (speaker) => speaker.answerRefused(event));
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
        // Signalling comes back by itself; speakers are heard meanwhile, captions wait, who is here is not known.
        return this.#watchListeners();
    }
  }

  #joinedAnew(): void {
    for (const ncSessionId of this.#listeners.forgetSessions()) this.#missing.add(ncSessionId);
    this.#knowsListeners = false;
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
    this.#session.flush();
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
   * A room nobody listens to is left after a while. The timer runs exactly while that is known: nobody wants captions,
   * or nobody who does is in the room, which only a joined room can tell.
   */
  #watchListeners(): void {
    const { emptyRoomMs } = this.#options;
    const isWanted = this.#listeners.wantedCount > 0;
    if (isWanted && (!this.#signaling.isJoined || this.#listeners.presentCount > 0)) {
      return this.#session.keep();
    }
    const mayBeHere = isWanted && !this.#knowsListeners;
    this.#session.endAfter(mayBeHere ? Math.max(emptyRoomMs, ROSTER_WAIT_MS) : emptyRoomMs);
  }

  #end(end: RoomEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnd(end);
  }
}
