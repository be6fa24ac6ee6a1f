/**
 * The speakers of one room: who of those in the call is captioned, by what the HPB reports of them. Opens and closes
 * them; what takes time runs in their scopes.
 */
import type { Caption, Clock, IceServer, Log, Meter, SpeakerHost, SpeakerTrouble } from "../domain/mod.ts";
import type { Scope } from "../flow/mod.ts";
import type { Joining } from "./joining.ts";
import { CallerNames, callersOf, speakerOf } from "./callers.ts";
import { RoomSpeaker } from "./room_speaker.ts";
import { type Participant, speaks } from "./signaling/mod.ts";

export interface RoomSpeakersOptions {
  languageId: string;
  host: SpeakerHost;
  /** The line all rooms' speakers wait in. */
  joining: Joining;
  iceServers: () => Promise<readonly IceServer[]>;
  requestOffer: (sessionId: string) => void;
  sendAnswer: (sessionId: string, sid: string, sdp: string) => void;
  onCaption: (caption: Caption) => void;
  speakersMax: number;
  /** The room's scope. */
  scope: Scope;
  clock: Clock;
  log: Log;
  meter: Meter;
}

/** The last words of a speaker who left get this long to come. */
const LEAVE_DRAIN_MS = 3_000;
/**
 * So many pipelines of one speaker who left may have last words to deliver; whoever leaves and comes back more often in
 * that time waits for one of them, and does not fill the room.
 */
const LEAVING_AT_ONCE = 2;

export class RoomSpeakers {
  readonly #options: RoomSpeakersOptions;
  readonly #speakers = new Map<string, RoomSpeaker>();
  /** Everyone whose call flags are known. */
  readonly #participants = new Map<string, Participant>();
  /** Of these, those who speak and for whom there is no place. */
  #turnedAway = new Set<string>();
  /** Of these, those who are there no more. */
  #ghosts = new Set<string>();
  /** Speakers from before a full re-join who have not been named since; their ids may be void. */
  readonly #unconfirmed = new Set<string>();
  /** The last words of speakers who left, with whose they are. */
  readonly #leaving = new Map<Promise<void>, string>();
  #languageId: string;
  #draining = false;

  constructor(options: RoomSpeakersOptions) {
    this.#options = options;
    this.#languageId = options.languageId;
  }

  get size(): number {
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

  get(sessionId: string): RoomSpeaker | undefined {
    return this.#speakers.get(sessionId);
  }

  setLanguage(languageId: string): void {
    this.#languageId = languageId;
    for (const speaker of this.#speakers.values()) speaker.setLanguage(languageId);
  }

  /** Makes the speakers those who are in the call with audio; `participants` is everyone whose call flags are known. */
  update(participants: readonly Participant[]): void {
    const callersBefore = new Set(this.#callers());
    this.#participants.clear();
    for (const each of participants) this.#participants.set(each.sessionId, each);
    for (const sessionId of this.#speakers.keys()) {
      const known = this.#participants.get(sessionId);
      if (known ? !speaks(known) : !this.#unconfirmed.has(sessionId)) this.#close(sessionId);
    }
    for (const sessionId of this.#unconfirmed) {
      if (!this.#participants.has(sessionId)) continue;
      this.#unconfirmed.delete(sessionId);
      this.#speakers.get(sessionId)?.subscribe("rejoined");
    }
    if (this.#callers().some((sessionId) => !callersBefore.has(sessionId))) this.#askBridges();
    this.#openWaiting();
  }

  /** They joined the room; a list may have named them before. */
  joined(sessionId: string): void {
    const known = this.#participants.get(sessionId);
    if (!known) return;
    this.#participants.set(sessionId, { ...known, joined: true });
    if (isGhost(known)) this.#openWaiting(); // it was not asked for until now
  }

  /** They left the room. */
  left(sessionId: string): void {
    this.#participants.delete(sessionId);
    this.#close(sessionId);
  }

  /** Signalling is back, and every session as it was. */
  resumed(): void {
    for (const speaker of this.#speakers.values()) speaker.signalingBack();
  }

  /** The room was joined anew: session ids are valid only if they are named again, and all subscriptions are gone. */
  rejoined(): void {
    this.#participants.clear();
    for (const sessionId of this.#speakers.keys()) this.#unconfirmed.add(sessionId);
  }

  /** Closes those who were not named again since the room was joined anew. */
  closeUnconfirmed(): void {
    for (const sessionId of this.#unconfirmed) this.#close(sessionId);
  }

  /** Delivers what was heard of everyone, and opens nobody any more. Rejects with what a speaker rejects with. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = true;
    const draining = [...this.#speakers.values()].map((speaker) => speaker.drain(signal));
    await Promise.all([...draining, ...this.#leaving.keys()]);
  }

  /** Somebody dialled in: a bridge that had nothing to publish may have now. */
  #askBridges(): void {
    for (const [sessionId, speaker] of this.#speakers) {
      if (this.#isBridge(sessionId) && !speaker.isHeard) speaker.hurry();
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
  #openWaiting(): void {
    const { scope, speakersMax, meter, log } = this.#options;
    if (this.#draining || scope.signal.aborted) return;
    const silent = [...this.#participants.values()].filter((each) =>
      speaks(each) && !this.#speakers.has(each.sessionId)
    );
    this.#countGhosts(silent.filter(isGhost));
    const waiting = silent.filter((each) => !isGhost(each) && !this.#leavesOften(each.sessionId));
    const before = this.#turnedAway;
    this.#turnedAway = new Set();
    for (const participant of waiting.sort((a, b) => Number(b.joined) - Number(a.joined))) {
      const { sessionId } = participant;
      if (this.#speakers.size + this.#leaving.size < speakersMax) this.#open(sessionId);
      else if (!this.#makeWay(participant)) {
        this.#turnedAway.add(sessionId);
      }
    }
    const speakers = [...this.#turnedAway].filter((sessionId) => !before.has(sessionId)).length;
    if (speakers === 0) return;
    meter.count("transcription_errors_total", "speakers_max", speakers);
    log.warn("speakers not captioned: the room is full", { speakersMax, speakers });
  }

  #leavesOften(sessionId: string): boolean {
    let leaving = 0;
    for (const each of this.#leaving.values()) leaving += Number(each === sessionId);
    return leaving >= LEAVING_AT_ONCE;
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
        (!speaker.isHeard && this.#participants.get(sessionId)?.joined !== true);
      if (!isUncertain) continue;
      this.#close(sessionId);
      return true;
    }
    return false;
  }

  #open(sessionId: string): void {
    const { requestOffer, sendAnswer, onCaption, scope, log } = this.#options;
    const isBridge = this.#isBridge(sessionId);
    const names = new CallerNames(() => speakerOf(sessionId, this.#participants.values()));
    const speaker = new RoomSpeaker({
      ...this.#options,
      sessionId,
      room: this,
      languageId: this.#languageId,
      requestOffer: () => requestOffer(sessionId),
      sendAnswer: (sid, sdp) => sendAnswer(sessionId, sid, sdp),
      isInRoom: () => this.#participants.get(sessionId)?.joined === true,
      onCaption: isBridge ? (caption) => onCaption(names.name(caption)) : onCaption,
      isExpected: () => this.#isExpected(sessionId),
      scope: scope.child("speaker"),
      log: log.child({ speaker: sessionId }),
    });
    this.#speakers.set(sessionId, speaker);
    speaker.subscribe("joined");
  }

  #close(sessionId: string): void {
    const { scope, meter, log } = this.#options;
    const speaker = this.#speakers.get(sessionId);
    if (!speaker || this.#draining || scope.signal.aborted) return;
    this.#speakers.delete(sessionId);
    this.#unconfirmed.delete(sessionId);
    const lastWords = speaker.drain(AbortSignal.any([scope.signal, AbortSignal.timeout(LEAVE_DRAIN_MS)]));
    this.#leaving.set(lastWords, sessionId);
    scope.run(async () => {
      try {
        await lastWords;
        await speaker[Symbol.asyncDispose]();
      } catch (error) {
        meter.count("transcription_errors_total", "unexpected");
        log.error("speaker not closed cleanly", error, { speaker: sessionId });
      } finally {
        this.#leaving.delete(lastWords);
        this.#openWaiting(); // there may have been no place for somebody
      }
    });
  }
}

/**
 * Stands in Nextcloud's list and is there no more: no sign of life, and the HPB has not reported them joining. Whoever
 * has joined is there, however old a list is.
 */
function isGhost({ joined, stale }: Participant): boolean {
  return stale && !joined;
}
