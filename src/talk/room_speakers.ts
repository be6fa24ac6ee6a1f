/**
 * The speakers of one room: who of those in the call is captioned, by what the HPB reports of them. Opens and closes
 * them; what takes time runs in their scopes.
 */
import type { Caption, Clock, IceServer, Log, Meter, SpeakerHost } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import type { JoinLimiter, Session } from "../sessions/mod.ts";
import { CallerNames, callersOf, speakerOf } from "./callers.ts";
import { RoomSpeaker } from "./room_speaker.ts";
import { type Participant, speaks } from "./signaling/mod.ts";

export interface RoomSpeakersOptions {
  /** Whose speakers these are. */
  session: Session<RoomSpeaker>;
  host: SpeakerHost;
  /** The line all rooms' speakers wait in. */
  joins: JoinLimiter;
  iceServers: () => Promise<readonly IceServer[]>;
  requestOffer: (sessionId: string) => void;
  sendAnswer: (sessionId: string, sid: string, sdp: string) => void;
  /** The room's scope. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

export class RoomSpeakers {
  readonly #options: RoomSpeakersOptions;
  readonly #speakers: Session<RoomSpeaker>["speakers"];
  /** Everyone whose call flags are known. */
  readonly #participants = new Map<string, Participant>();
  /** Of these, those who speak and for whom there is no place. */
  #turnedAway = new Set<string>();
  /** Of these, those who are there no more. */
  #ghosts = new Set<string>();
  /** Speakers from before a full re-join who have not been named since; their ids may be void. */
  readonly #unconfirmed = new Set<string>();

  constructor(options: RoomSpeakersOptions) {
    this.#options = options;
    this.#speakers = options.session.speakers;
  }

  get(sessionId: string): RoomSpeaker | undefined {
    return this.#speakers.get(sessionId);
  }

  /** Makes the speakers those who are in the call with audio; `participants` is everyone whose call flags are known. */
  update(participants: readonly Participant[]): void {
    const callersBefore = new Set(this.#callers());
    this.#participants.clear();
    for (const each of participants) this.#participants.set(each.sessionId, each);
    for (const sessionId of [...this.#speakers.ids()]) {
      const known = this.#participants.get(sessionId);
      if (known ? !speaks(known) : !this.#unconfirmed.has(sessionId)) this.#close(sessionId);
    }
    for (const sessionId of this.#unconfirmed) {
      if (!this.#participants.has(sessionId)) continue;
      this.#unconfirmed.delete(sessionId);
      this.#speakers.get(sessionId)?.subscribe("rejoined");
    }
    if (this.#callers().some((sessionId) => !callersBefore.has(sessionId))) this.#askBridges();
    this.openWaiting();
  }

  /** They joined the room; a list may have named them before. */
  joined(sessionId: string): void {
    const known = this.#participants.get(sessionId);
    if (!known) return;
    this.#participants.set(sessionId, { ...known, joined: true });
    if (isGhost(known)) this.openWaiting(); // it was not asked for until now
  }

  /** They left the room. */
  left(sessionId: string): void {
    this.#participants.delete(sessionId);
    this.#close(sessionId);
  }

  /** Signalling is back, and every session as it was. */
  resumed(): void {
    for (const [, speaker] of this.#speakers) speaker.signalingBack();
  }

  /** The room was joined anew: session ids are valid only if they are named again, and all subscriptions are gone. */
  rejoined(): void {
    this.#participants.clear();
    for (const sessionId of this.#speakers.ids()) this.#unconfirmed.add(sessionId);
  }

  /** Closes those who were not named again since the room was joined anew. */
  closeUnconfirmed(): void {
    for (const sessionId of this.#unconfirmed) this.#close(sessionId);
  }

  /** Somebody dialled in: a bridge that had nothing to publish may have now. */
  #askBridges(): void {
    for (const [sessionId, speaker] of this.#speakers) {
      if (this.#isBridge(sessionId) && !speaker.isReceiving) speaker.hurry();
    }
  }

  /** A bridge that nobody has called has nothing to publish; nor has one, probably, who gave no sign of life. */
  #isExpected(sessionId: string): boolean {
    if (this.#participants.get(sessionId)?.stale) return false;
    return !this.#isBridge(sessionId) || this.#callers().length > 0;
  }

  #isBridge(sessionId: string): boolean {
    return this.#participants.get(sessionId)?.internal === true;
  }

  #callers(): string[] {
    return callersOf(this.#participants.values()).map(({ sessionId }) => sessionId);
  }

  /** Opens who speaks and is not open, while there are places; those who have joined first. */
  openWaiting(): void {
    const { meter, log } = this.#options;
    if (this.#speakers.isDraining) return;
    const silent = [...this.#participants.values()].filter((each) =>
      speaks(each) && !this.#speakers.has(each.sessionId)
    );
    this.#countGhosts(silent.filter(isGhost));
    const waiting = silent.filter((each) => !isGhost(each) && !this.#speakers.leavesOften(each.sessionId));
    const before = this.#turnedAway;
    this.#turnedAway = new Set();
    for (const participant of waiting.sort((a, b) => Number(b.joined) - Number(a.joined))) {
      const { sessionId } = participant;
      if (this.#speakers.hasPlace) this.#open(sessionId);
      else if (!this.#makeWay(participant)) {
        this.#turnedAway.add(sessionId);
      }
    }
    const speakers = [...this.#turnedAway].filter((sessionId) => !before.has(sessionId)).length;
    if (speakers === 0) return;
    meter.count("transcription_errors_total", "speakers_max", speakers);
    log.warn("speakers not captioned: the room is full", { speakersMax: this.#speakers.max, speakers });
  }

  #countGhosts(found: readonly Participant[]): void {
    const { meter, log } = this.#options;
    const before = this.#ghosts;
    this.#ghosts = new Set(found.map(({ sessionId }) => sessionId));
    for (const sessionId of this.#ghosts) {
      if (before.has(sessionId)) continue;
      meter.count("tiro_signaling_ignored_total", "ghost");
      log.debug("participant left out: not in the room, and no sign of life for minutes", {
        speaker: sessionId,
      });
    }
  }

  /** Closes one who may not be there any more, so that one who certainly is can be opened once that is done. */
  #makeWay({ joined }: Participant): boolean {
    if (!joined) return false;
    for (const [sessionId, speaker] of this.#speakers) {
      const isUncertain = this.#unconfirmed.has(sessionId) ||
        (!speaker.isReceiving && this.#participants.get(sessionId)?.joined !== true);
      if (!isUncertain) continue;
      this.#close(sessionId);
      return true;
    }
    return false;
  }

  #open(sessionId: string): void {
    const { requestOffer, sendAnswer, session, scope, log } = this.#options;
    const onCaption = (caption: Caption) => session.deliver(caption);
    const isBridge = this.#isBridge(sessionId);
    const names = new CallerNames(() => speakerOf(sessionId, this.#participants.values()));
    const speaker = new RoomSpeaker({
      ...this.#options,
      sessionId,
      room: this,
      languageId: session.languageId,
      requestOffer: () => requestOffer(sessionId),
      sendAnswer: (sid, sdp) => sendAnswer(sessionId, sid, sdp),
      isInRoom: () => this.#participants.get(sessionId)?.joined === true,
      onCaption: isBridge ? (caption) => onCaption(names.name(caption)) : onCaption,
      isExpected: () => this.#isExpected(sessionId),
      scope: scope.child("speaker"),
      log: log.child({ speaker: sessionId }),
    });
    this.#speakers.add(sessionId, speaker);
    speaker.subscribe("joined");
  }

  #close(sessionId: string): void {
    if (this.#speakers.isDraining) return;
    this.#unconfirmed.delete(sessionId);
    this.#speakers.close(sessionId);
  }
}

/**
 * Stands in Nextcloud's list and is there no more: no sign of life, and the HPB has not reported them joining. Whoever
 * has joined is there, however old a list is.
 */
function isGhost({ joined, stale }: Participant): boolean {
  return stale && !joined;
}
