/** The speakers of one room: opens and closes those in the call with audio, by what the HPB reports. */
import type { Caption } from "../domain/mod.ts";
import type { Session } from "../sessions/mod.ts";
import { CallerNames, callersOf, speakerOf } from "./callers.ts";
import type { RoomOptions, RoomSignaling } from "./room.ts";
import { RoomSpeaker } from "./room_speaker.ts";
import { type Participant, speaks } from "./signaling/mod.ts";

export interface RoomSpeakersOptions
  extends Pick<RoomOptions, "sessions" | "iceServers" | "clock" | "log" | "meter"> {
  /** The room's. */
  session: Session<RoomSpeaker>;
  signaling: Pick<RoomSignaling, "requestOffer" | "sendAnswer">;
  /** Of Nextcloud, by the HPB's session id, where it is known and wanted. */
  userId: (sessionId: string) => string | undefined;
}

export class RoomSpeakers {
  readonly #options: RoomSpeakersOptions;
  readonly #speakers: Session<RoomSpeaker>["speakers"];
  /** Everyone whose call flags are known. */
  readonly #participants = new Map<string, Participant>();
  /** Of these, those who speak and for whom there is no place. */
  #turnedAway = new Set<string>();
  /** Of these, those who have left. */
  #ghosts = new Set<string>();
  /** Speakers from before a full re-join who have not been named since; their ids may be void. */
  readonly #unconfirmed = new Set<string>();

  constructor(options: RoomSpeakersOptions) {
    this.#options = options;
    this.#speakers = options.session.speakers;
  }

  /** `participants` is everyone whose call flags are known. */
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
    if (isGhost(known)) this.openWaiting(); // no offer was requested until now
  }

  /** They left the room. */
  left(sessionId: string): void {
    this.#participants.delete(sessionId);
    this.#close(sessionId);
  }

  /** Signalling was resumed; every session id is valid as before. */
  resumed(): void {
    for (const [, speaker] of this.#speakers) speaker.signalingBack();
  }

  /** The room was joined anew: session ids are valid only if they are named again, and all subscriptions have ended. */
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

  /** A bridge without callers publishes nothing; nor, probably, does a participant without a sign of life. */
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

  /** Opens those who speak and are not open, while there are places; those who have joined first. */
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
      else if (!this.#freePlaceFor(participant)) this.#turnedAway.add(sessionId);
    }
    const speakers = this.#turnedAway.difference(before).size;
    if (speakers === 0) return;
    meter.count("transcription_errors_total", "speakers_max", speakers);
    log.warn("speakers not captioned: the room is full", { speakersMax: this.#speakers.max, speakers });
  }

  #countGhosts(found: readonly Participant[]): void {
    const { meter, log } = this.#options;
    const before = this.#ghosts;
    this.#ghosts = new Set(found.map(({ sessionId }) => sessionId));
    for (const sessionId of this.#ghosts.difference(before)) {
      meter.count("tiro_signaling_ignored_total", "ghost");
      log.debug("participant left out: not in the room, and no sign of life for minutes", {
        speaker: sessionId,
      });
    }
  }

  /** Closes one who may have left, so that one who certainly joined is opened once that is done. */
  #freePlaceFor({ joined }: Participant): boolean {
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

  #open(id: string): void {
    const { session, log } = this.#options;
    const onCaption = (caption: Caption) => session.deliver(caption);
    const names = new CallerNames(() => speakerOf(id, this.#participants.values()));
    const speaker = new RoomSpeaker({
      ...this.#options,
      id,
      isInRoom: () => this.#participants.get(id)?.joined === true,
      userId: () => this.#options.userId(id),
      onCaption: this.#isBridge(id) ? (caption) => onCaption(names.name(caption)) : onCaption,
      isExpected: () => this.#isExpected(id),
      scope: session.scope.child("speaker"),
      log: log.child({ speaker: id }),
    });
    this.#speakers.add(id, speaker);
    speaker.subscribe("joined");
  }

  #close(sessionId: string): void {
    if (this.#speakers.isDraining) return;
    this.#unconfirmed.delete(sessionId);
    this.#speakers.close(sessionId);
  }
}

/** Nextcloud's list names them without a sign of life, and the HPB has not reported them joining: they have left. */
function isGhost({ joined, stale }: Participant): boolean {
  return stale && !joined;
}
