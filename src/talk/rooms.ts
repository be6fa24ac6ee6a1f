/**
 * All calls being captioned: opens a room at the first request for it, finds the room a request is about, and closes
 * rooms for good. Requests never wait for the HPB.
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
import type { Rooms, RoomsStatus, TranscribeOutcome, TranscribeRequest } from "./api/rooms.ts";
import { Breaker, type SignalingTrouble } from "./breaker.ts";
import { makeRoomForListener } from "./listeners_bound.ts";
import { type LostRoom, LostRooms } from "./lost_rooms.ts";
import { Room, type RoomEnd, type RoomSignaling } from "./room.ts";
import { TargetMemory } from "./target_memory.ts";
import { SignalingConnection, type SignalingEvent } from "./signaling/mod.ts";

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
  /** Participants of all rooms who asked for captions. Default LIMITS.viewers. */
  listenersMax?: number;
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
  /** Captions were asked for: somebody is about to speak. */
  onWanted?: () => void;
  /** For tests: signalling without a socket. */
  connect?: (roomToken: string, scope: Scope, onEvent: (event: SignalingEvent) => void) => RoomSignaling;
}

interface OpenRoom {
  readonly room: Room;
  /** The newest Talk gave: their passwords run out. */
  turnServers: readonly IceServer[];
  /** What it was brought back from, where it was. */
  readonly lost?: LostRoom;
}

export class TalkRooms implements Rooms {
  readonly #options: TalkOptions;
  readonly #languages: SpokenLanguages;
  readonly #breaker: Breaker;
  readonly #rooms = new Map<string, OpenRoom>();
  /** Rooms being left, with their tokens: last words are on their way, sockets are closing. */
  readonly #closing = new Map<Promise<void>, string>();
  readonly #lost: LostRooms;
  readonly #targets: TargetMemory;

  constructor(options: TalkOptions) {
    this.#options = options;
    this.#languages = options.languages;
    this.#breaker = new Breaker({
      clock: options.clock,
      onTrouble: (trouble) => this.#signalingChanged(trouble),
    });
    this.#targets = new TargetMemory(options.clock);
    const { scope, clock, meter } = options;
    this.#lost = scope.use(
      new LostRooms({
        clock,
        roomsMax: options.sessions.max,
        bringBack: (roomToken, lost) => this.#bringBack(roomToken, lost),
        onGivenUp: () => this.#gaveUp(),
      }),
    );
    const gauge = (name: string, help: string, read: () => number) =>
      scope.use(meter.gauge(name, help, read));
    gauge("tiro_rooms_lost", "Calls lost with the HPB and tried again", () => this.#lost.size);
    gauge(
      "tiro_listeners_wanted",
      "Participants who asked for captions, in their call or not",
      () => this.#roomsWithListeners().reduce((sum, { wantedCount }) => sum + wantedCount, 0),
    );
  }

  get languages(): readonly Language[] {
    return this.#languages.languages;
  }

  get defaultLanguageId(): string {
    return this.#languages.defaultId;
  }

  transcribe(request: TranscribeRequest): TranscribeOutcome {
    const { roomToken, ncSessionId, enable, turnServers } = request;
    if (!enable) {
      const room = this.#rooms.get(roomToken)?.room ?? this.#lost.get(roomToken)?.before;
      room?.removeListener(ncSessionId);
      return {};
    }
    const languageId = this.#languages.find(request.languageId);
    const open = this.#rooms.get(roomToken);
    const known = open?.room;
    const lost = this.#lost.get(roomToken);
    if (open && turnServers.length > 0) open.turnServers = turnServers;
    if (this.#breaker.isOpen && !known?.isJoined) throw this.#unavailable();
    // A call that is being captioned, or was until the HPB went away, goes on.
    const refusal = known ?? lost ? undefined : this.#options.sessions.refusal;
    if (refusal) {
      throw new UnavailableError(`Cannot join the call: ${refusal.cause}`, refusal.code);
    }
    if (!(known ?? lost?.before)?.wants(ncSessionId)) {
      makeRoomForListener(this.#roomsWithListeners(), this.#options);
    }
    const newestTurn = turnServers.length > 0 ? turnServers : lost?.turnServers ?? [];
    const room = known ?? this.#open(roomToken, languageId, newestTurn);
    this.#lost.take(roomToken);
    if (lost) this.#takeOver(lost.before, room);
    room.addListener(ncSessionId);
    this.#options.onWanted?.();
    const { translationTargetId } = request;
    if (translationTargetId === undefined) return {};
    const { sessions, log, meter } = this.#options;
    const { targetId, untranslated } = targetOrSpoken(
      { translations: sessions.translations, log, meter },
      room.languageId,
      translationTargetId,
    );
    room.setTranslationTarget(ncSessionId, targetId);
    return { untranslated };
  }

  leave(roomToken: string): void {
    this.#lost.take(roomToken);
    this.#close(roomToken);
  }

  setTranslationTarget(roomToken: string, ncSessionId: string, targetId: string | null): void {
    const room = this.#rooms.get(roomToken)?.room;
    if (!room) throw new NotFoundError("Cannot translate captions: this call is not being captioned");
    if (!room.knows(ncSessionId)) {
      throw new PreconditionError(
        "Cannot translate captions: the participant is not in the call and has not asked for captions",
      );
    }
    const resolved = targetId === null
      ? null
      : targetLanguage(this.#options.sessions.translations, room.languageId, targetId);
    room.setTranslationTarget(ncSessionId, resolved);
  }

  leaveAll(): void {
    this.#lost.clear();
    for (const roomToken of this.#rooms.keys()) this.#close(roomToken);
  }

  setLanguage(roomToken: string, languageId: string): void {
    const open = this.#rooms.get(roomToken);
    if (!open) throw new NotFoundError("Cannot set the language: this call is not being captioned");
    open.room.setLanguage(this.#languages.findChosen(languageId));
  }

  status(): RoomsStatus {
    const { sessions: rooms, viewers: listeners, ...others } = this.#options.sessions.status();
    return {
      rooms,
      listeners,
      ...others,
      signalingReachable: this.#breaker.refusal !== undefined || !this.#breaker.isOpen,
      signalingRefused: this.#breaker.trouble?.kind === "refused",
    };
  }

  /** Those of lost calls are kept too. */
  #roomsWithListeners(): Room[] {
    return [...this.#openRooms(), ...this.#lost.rooms()];
  }

  #openRooms(): Room[] {
    return [...this.#rooms.values()].map(({ room }) => room);
  }

  #open(roomToken: string, languageId: string, turnServers: readonly IceServer[], lost?: LostRoom): Room {
    const { sessions, settings, emptyRoomMs, clock, log, meter } = this.#options;
    const closing = [...this.#closing.values()].filter((token) => token === roomToken).length;
    if (closing >= CLOSING_AT_ONCE) {
      throw new UnavailableError("Cannot join the call: it is being left; ask again in a moment", "busy");
    }
    const room: Room = new Room({
      languageId,
      connect: (scope, onEvent) => this.#connect(roomToken, scope, onEvent),
      sessions,
      iceServers: async () => [...await settings.iceServers(), ...open.turnServers],
      targets: this.#targets,
      emptyRoomMs,
      clock,
      log,
      meter,
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
    const { connect, hpbUrl, internalSecret, nextcloudUrl, tls, clock, log, meter } = this.#options;
    if (connect) return connect(roomToken, scope, onEvent);
    return new SignalingConnection({
      url: hpbUrl,
      secret: internalSecret,
      nextcloudUrl,
      roomToken,
      tls,
      scope,
      onEvent,
      gate: this.#breaker,
      log,
      meter,
      clock,
    });
  }

  #ended(roomToken: string, room: Room, end: RoomEnd): void {
    if (end.reason === "signaling") this.#signalingLost(room, end.error ?? new Error("signalling closed"));
    else this.#options.log.info("leaving a call", { reason: end.reason });
    const open = this.#rooms.get(roomToken);
    this.#close(roomToken);
    if (this.#options.sessions.isDraining || !open) return;
    if (end.reason === "switched") {
      const { turnServers } = open;
      this.#follow(end.roomToken, {
        before: room,
        turnServers,
        tries: 0,
        sinceMs: this.#options.clock.now(),
      });
    } else if (end.reason === "signaling" && this.#mayComeBack(end.error)) this.#keep(roomToken, open);
  }

  /** A room that was lost is tried again. */
  #keep(roomToken: string, { room, turnServers, lost }: OpenRoom): void {
    const again = lost && !room.hasStayed
      ? { tries: lost.tries + 1, sinceMs: lost.sinceMs }
      : { tries: 1, sinceMs: this.#options.clock.now() };
    this.#lost.add(roomToken, { before: room, turnServers, ...again });
  }

  /** While the HPB refuses the service, no call is lost by a fault of its own. */
  #mayComeBack(error: unknown): boolean {
    return error instanceof TiroError && error.retryable || this.#breaker.refusal !== undefined;
  }

  #bringBack(roomToken: string, lost: LostRoom): void {
    if (lost.before.wantedListeners().length === 0 || this.#options.sessions.isDraining) return;
    if (this.#breaker.refusal) this.#lost.add(roomToken, { ...lost, isHeld: true });
    else this.#follow(roomToken, lost);
  }

  /**
   * Opens the room for those who listened in the one before; they may join those of other rooms there. Where there is
   * no place for it now, it is tried again later.
   */
  #follow(roomToken: string, lost: LostRoom): void {
    const { before, turnServers, isHeld } = lost;
    const other = this.#lost.take(roomToken);
    if (other) this.#takeOver(other.before, before);
    try {
      const next = this.#rooms.get(roomToken)?.room ??
        this.#open(roomToken, before.languageId, turnServers, lost);
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
    const { log, meter } = this.#options;
    if (!trouble) {
      log.info("signalling works again", { callsLost: this.#lost.size });
      return this.#lost.hurry();
    }
    meter.count("transcription_errors_total", `signaling_${trouble.kind}`);
    log.error(`signalling ${trouble.kind}`, trouble.error);
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

  #gaveUp(): void {
    this.#options.meter.count("transcription_errors_total", "call_given_up");
    this.#options.log.warn("lost call given up");
  }

  #takeOver(before: Room, next: Room): void {
    for (const { ncSessionId, targetId, sessionId } of before.wantedListeners()) {
      next.addListener(ncSessionId);
      if (targetId !== null) next.setTranslationTarget(ncSessionId, targetId);
      // In another room they have another Nextcloud session.
      if (sessionId !== undefined) next.expectListener(sessionId);
    }
  }

  /** A broken invariant ends the room it was broken in: nothing of it runs any more, so it is opened anew. */
  #broke(roomToken: string, room: Room, error: unknown): void {
    const open = this.#rooms.get(roomToken);
    if (open?.room !== room) return; // being left
    this.#complain("call lost", "unexpected", error);
    this.#close(roomToken);
    if (!this.#options.sessions.isDraining) this.#keep(roomToken, open);
  }

  /**
   * Out of the list at once, so that a new request opens a new room; what is open of the old one closes behind it.
   * However that goes, it is no reason to end the other rooms.
   */
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

/** A call that is left and asked for again and again in that time does not take the places of the others. */
const CLOSING_AT_ONCE = 2;
