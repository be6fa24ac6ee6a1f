/**
 * All calls being captioned: opens a room at the first request for it, and closes rooms. Requests never wait for the
 * HPB: joining, leaving and reconnecting run in the background.
 */
import {
  type Clock,
  type IceServer,
  type Language,
  type Log,
  type Meter,
  NotFoundError,
  PreconditionError,
  TiroError,
  UnavailableError,
} from "../domain/mod.ts";
import type { Scope, TlsOptions } from "../flow/mod.ts";
import { type Sessions, type SpokenLanguages, targetLanguage, targetOrSpoken } from "../sessions/mod.ts";
import { Breaker, type SignalingTrouble } from "./breaker.ts";
import { makeRoomForListener } from "./listeners_bound.ts";
import { type LostRoom, LostRooms } from "./lost_rooms.ts";
import { Room, type RoomEnd, type RoomOptions, type RoomSignaling } from "./room.ts";
import { TargetMemory } from "./target_memory.ts";
import { type IdentitiesWanted, SignalingConnection, type SignalingEvent } from "./signaling/mod.ts";

export interface TranscribeRequest {
  roomToken: string;
  /** The listener's Nextcloud session id (not the HPB's). */
  ncSessionId: string;
  /** False removes the listener. */
  enable: boolean;
  /** Language spoken in the room, in any spelling. */
  languageId: string;
  /** Names and terms to expect in the room; undefined to leave them as they are. */
  words?: readonly string[];
  /** Language of the listener's captions, in any spelling; null for the original, undefined to leave it as it is. */
  translationTargetId?: string | null;
  /** TURN servers Talk gave for this room, if any; used beside Nextcloud's own settings. */
  turnServers: readonly IceServer[];
}

export interface TalkOptions {
  /** ws(s)://.../spreed */
  hpbUrl: string;
  internalSecret: string;
  nextcloudUrl: string;
  tls: TlsOptions;
  languages: SpokenLanguages;
  /** Of all doors. */
  sessions: Sessions;
  /** STUN and TURN servers as of now; never rejects. */
  settings: { iceServers(): Promise<readonly IceServer[]> };
  emptyRoomMs: number;
  /** What transcripts and the audit log need of participants. Default: nothing. */
  identitiesWanted?: IdentitiesWanted;
  /** Participants of all rooms who asked for captions. Default LIMITS.viewers. */
  listenersMax?: number;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** Captions were asked for: speech is expected soon. */
  onWanted?: () => void;
  /** For tests: signalling without a socket. */
  connect?: (roomToken: string, scope: Scope, onEvent: (event: SignalingEvent) => void) => RoomSignaling;
}

interface OpenRoom {
  readonly room: Room;
  /** The newest Talk gave: their credentials expire. */
  turnServers: readonly IceServer[];
  /** The lost room it replaces, if it does. */
  readonly lost?: LostRoom;
}

/** A call that is left and asked for again and again while it is being left takes no more places than these. */
const CLOSING_AT_ONCE = 2;

/** Its methods throw InvalidRequestError, NotFoundError, UnavailableError. */
export class TalkRooms {
  readonly #options: TalkOptions;
  readonly #breaker: Breaker;
  readonly #rooms = new Map<string, OpenRoom>();
  /** Rooms being left, with their tokens. */
  readonly #closing = new Map<Promise<void>, string>();
  readonly #lost: LostRooms;
  readonly #targets: TargetMemory;

  constructor(options: TalkOptions) {
    this.#options = options;
    const { scope, clock, meter } = options;
    this.#breaker = new Breaker({ clock, onTrouble: (trouble) => this.#signalingChanged(trouble) });
    this.#targets = new TargetMemory(clock);
    this.#lost = scope.use(
      new LostRooms({
        clock,
        roomsMax: options.sessions.max,
        bringBack: (roomToken, lost) => this.#bringBack(roomToken, lost),
        onGivenUp: () => {
          meter.count("transcription_errors_total", "call_given_up");
          options.log.warn("lost call given up");
        },
      }),
    );
    const gauge = (name: string, help: string, read: () => number) =>
      scope.use(meter.gauge(name, help, read));
    gauge("tiro_rooms_lost", "Calls lost with the HPB that are still retried", () => this.#lost.size);
    gauge(
      "tiro_listeners_wanted",
      "Participants who asked for captions, in their call or not",
      () => this.#roomsWithListeners().reduce((sum, { listeners }) => sum + listeners.wantedCount, 0),
    );
  }

  /** Languages speech can be recognised in. */
  get languages(): readonly Language[] {
    return this.#options.languages.languages;
  }

  /** Language of a request that names none. */
  get defaultLanguageId(): string {
    return this.#options.languages.defaultId;
  }

  /** `untranslated`: why captions come in the language spoken although another was asked for. */
  transcribe(request: TranscribeRequest): { untranslated?: string } {
    const { roomToken, ncSessionId, enable, turnServers } = request;
    if (!enable) {
      const room = this.#rooms.get(roomToken)?.room ?? this.#lost.get(roomToken)?.before;
      room?.removeListener(ncSessionId);
      return {};
    }
    const { languages, sessions, log, meter } = this.#options;
    const languageId = languages.find(request.languageId);
    const open = this.#rooms.get(roomToken);
    const known = open?.room;
    const lost = this.#lost.get(roomToken);
    if (open && turnServers.length > 0) open.turnServers = turnServers;
    if (this.#breaker.isOpen && !known?.isJoined) throw this.#unavailable();
    // A call that is being captioned, or was until the HPB was lost, continues.
    const refusal = known ?? lost ? undefined : sessions.refusal;
    if (refusal) {
      throw new UnavailableError(`Cannot join the call: ${refusal.cause}`, refusal.code);
    }
    if (!(known ?? lost?.before)?.listeners.wants(ncSessionId)) {
      makeRoomForListener(this.#roomsWithListeners(), this.#options);
    }
    const newestTurn = turnServers.length > 0 ? turnServers : lost?.turnServers ?? [];
    const { words = lost?.before.session.words.session } = request;
    const continues = lost !== undefined;
    const room = known ?? this.#open(roomToken, { languageId, words, continues }, newestTurn);
    if (known) known.session.setWords({ session: request.words });
    this.#lost.take(roomToken);
    if (lost) this.#takeOver(lost.before, room);
    room.addListener(ncSessionId);
    this.#options.onWanted?.();
    const { translationTargetId } = request;
    if (translationTargetId === undefined) return {};
    const { targetId, untranslated } = targetOrSpoken(
      { translations: sessions.translations, log, meter },
      room.session.languageId,
      translationTargetId,
    );
    room.setTranslationTarget(ncSessionId, targetId);
    return { untranslated };
  }

  /** Leaves a room; nothing where it is not open. */
  leave(roomToken: string): void {
    this.#lost.take(roomToken);
    this.#close(roomToken);
  }

  /**
   * Translates one listener's captions, or with null no longer. Also thrown: PreconditionError when the participant is
   * neither in the room nor asked for, and what Translations.resolveTarget throws.
   */
  setTranslationTarget(roomToken: string, ncSessionId: string, targetId: string | null): void {
    const room = this.#rooms.get(roomToken)?.room;
    if (!room) throw new NotFoundError("Cannot translate captions: this call is not being captioned");
    if (!room.listeners.knows(ncSessionId)) {
      throw new PreconditionError(
        "Cannot translate captions: the participant is not in the call and has not asked for captions",
      );
    }
    const resolved = targetId === null
      ? null
      : targetLanguage(this.#options.sessions.translations, room.session.languageId, targetId);
    room.setTranslationTarget(ncSessionId, resolved);
  }

  leaveAll(): void {
    this.#lost.clear();
    for (const roomToken of this.#rooms.keys()) this.#close(roomToken);
  }

  setLanguage(roomToken: string, languageId: string): void {
    const open = this.#rooms.get(roomToken);
    if (!open) throw new NotFoundError("Cannot set the language: this call is not being captioned");
    open.room.session.setLanguage(this.#options.languages.findChosen(languageId));
  }

  /** What prevents joining calls, as /healthz reports it. */
  get trouble(): "signaling" | "signaling_refused" | undefined {
    if (this.#breaker.trouble?.kind === "refused") return "signaling_refused";
    return this.#breaker.isOpen ? "signaling" : undefined;
  }

  /** Lost calls have listeners too. */
  #roomsWithListeners(): Room[] {
    return [...Array.from(this.#rooms.values(), ({ room }) => room), ...this.#lost.rooms()];
  }

  #open(
    roomToken: string,
    spoken: Pick<RoomOptions, "languageId" | "words" | "continues">,
    turnServers: readonly IceServer[],
    lost?: LostRoom,
  ): Room {
    const { settings, log } = this.#options;
    const closing = [...this.#closing.values()].filter((token) => token === roomToken).length;
    if (closing >= CLOSING_AT_ONCE) {
      throw new UnavailableError("Cannot join the call: it is being left; ask again in a moment", "busy");
    }
    const room: Room = new Room({
      ...this.#options,
      ...spoken,
      roomToken,
      connect: (scope, onEvent) => this.#connect(roomToken, scope, onEvent),
      iceServers: async () => [...await settings.iceServers(), ...open.turnServers],
      targets: this.#targets,
      onEnd: (end) => this.#ended(roomToken, room, end),
      onBroken: (error) => this.#broke(roomToken, room, error),
    });
    const open: OpenRoom = { room, turnServers, lost };
    this.#rooms.set(roomToken, open);
    log.info("joining a call", { rooms: this.#rooms.size });
    room.start();
    return room;
  }

  #connect(roomToken: string, scope: Scope, onEvent: (event: SignalingEvent) => void): RoomSignaling {
    const { connect, hpbUrl, internalSecret, ...options } = this.#options;
    if (connect) return connect(roomToken, scope, onEvent);
    const own = { url: hpbUrl, secret: internalSecret, roomToken, scope, onEvent, gate: this.#breaker };
    const namesWanted = options.sessions.wordsTaken.names;
    return new SignalingConnection({ ...options, ...own, namesWanted });
  }

  #ended(roomToken: string, room: Room, end: RoomEnd): void {
    if (end.reason === "signaling") this.#signalingLost(room, end.error ?? new Error("signalling closed"));
    else this.#options.log.info("leaving a call", { reason: end.reason });
    const open = this.#rooms.get(roomToken);
    this.#close(roomToken);
    if (this.#options.sessions.isDraining || !open) return;
    if (end.reason === "switched") {
      const { turnServers } = open;
      const sinceMs = this.#options.clock.now();
      this.#follow(end.roomToken, { before: room, turnServers, tries: 0, sinceMs });
    } else if (end.reason === "signaling" && this.#mayComeBack(end.error)) this.#keep(roomToken, open);
  }

  /** A room that was lost is retried. */
  #keep(roomToken: string, { room, turnServers, lost }: OpenRoom): void {
    const again = lost && !room.hasStayed
      ? { tries: lost.tries + 1, sinceMs: lost.sinceMs }
      : { tries: 1, sinceMs: this.#options.clock.now() };
    this.#lost.add(roomToken, { before: room, turnServers, ...again });
  }

  /** While the HPB refuses the service, any call is lost for that reason. */
  #mayComeBack(error: unknown): boolean {
    return error instanceof TiroError && error.retryable || this.#breaker.refusal !== undefined;
  }

  #bringBack(roomToken: string, lost: LostRoom): void {
    if (lost.before.listeners.wantedCount === 0 || this.#options.sessions.isDraining) return;
    if (this.#breaker.refusal) this.#lost.add(roomToken, { ...lost, isHeld: true });
    else this.#follow(roomToken, lost);
  }

  /** Opens the room for the listeners of the one before, or adds them if it is open. Retried later if there is no place. */
  #follow(roomToken: string, lost: LostRoom): void {
    const { before, turnServers, isHeld } = lost;
    const other = this.#lost.take(roomToken);
    if (other) this.#takeOver(other.before, before);
    try {
      const next = this.#rooms.get(roomToken)?.room ??
        this.#open(
          roomToken,
          { languageId: before.session.languageId, words: before.session.words.session, continues: true },
          turnServers,
          lost,
        );
      this.#takeOver(before, next);
    } catch (error) {
      if (!(error instanceof UnavailableError)) throw error;
      this.#options.meter.count("transcription_errors_total", error.code);
      if (!isHeld) this.#options.log.error("call not followed", error);
      this.#lost.add(roomToken, { ...lost, isHeld: true });
    }
  }

  /** An outage is logged once, and each call lost in it counted. */
  #signalingLost(room: Room, error: unknown): void {
    const what = room.hasJoined ? "call lost" : "call not joined";
    if (!this.#breaker.trouble) return this.#complain(what, "signaling", error);
    this.#options.meter.count("transcription_errors_total", "signaling");
    this.#options.log.info(what, { code: error instanceof TiroError ? error.code : undefined });
  }

  #signalingChanged(trouble: SignalingTrouble | undefined): void {
    const { log } = this.#options;
    if (trouble) {
      return this.#complain(`signalling ${trouble.kind}`, `signaling_${trouble.kind}`, trouble.error);
    }
    log.info("signalling works again", { callsLost: this.#lost.size });
    this.#lost.hurry();
  }

  #unavailable(): UnavailableError {
    const { refusal } = this.#breaker;
    return refusal
      ? new UnavailableError(
        `Cannot join the call: the signalling server refuses this service. ${refusal.message}`,
        "signaling_refused",
        refusal,
      )
      : new UnavailableError(
        "Cannot join the call: the signalling server is out of reach",
        "signaling_unreachable",
      );
  }

  #takeOver(before: Room, next: Room): void {
    for (const { ncSessionId, targetId, sessionId } of before.listeners.wanted()) {
      next.addListener(ncSessionId);
      if (targetId !== null) next.setTranslationTarget(ncSessionId, targetId);
      // In another room they have another Nextcloud session.
      if (sessionId !== undefined) next.expectListener(sessionId);
    }
  }

  /** An unexpected error ended all tasks of the room, so it is reopened. */
  #broke(roomToken: string, room: Room, error: unknown): void {
    const open = this.#rooms.get(roomToken);
    if (open?.room !== room) return; // being left
    this.#complain("call lost", "unexpected", error);
    this.#close(roomToken);
    if (!this.#options.sessions.isDraining) this.#keep(roomToken, open);
  }

  /** A new request opens a new room from now on; the old one is closed in the background. */
  #close(roomToken: string): void {
    const open = this.#rooms.get(roomToken);
    if (!open) return;
    this.#rooms.delete(roomToken);
    const closed = open.room.close().finally(() => this.#closing.delete(closed));
    this.#closing.set(closed, roomToken);
  }

  #complain(message: string, code: string, error: unknown): void {
    this.#options.meter.count("transcription_errors_total", code);
    this.#options.log.error(message, error);
  }
}
