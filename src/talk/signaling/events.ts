/** Events of a room's signalling. Session ids are the HPB's unless noted. */
import type { Identity } from "./codec.ts";
import type { SignalingError } from "./error_codes.ts";
import type { IceCandidate, SdpOffer } from "../../domain/mod.ts";

/** Which fields of an Identity are reported. Default: none. */
export type IdentitiesWanted = Partial<Record<"name" | "userId", boolean>>;

/** Someone in the room. */
export interface RoomSession {
  sessionId: string;
  /** Nextcloud session id, which Talk's clients use. */
  ncSessionId?: string;
  /** A service. Certain by a participant list only; before that, assumed by its features. */
  internal: boolean;
}

/** Someone of whom it is known whether they are in the call. */
export interface Participant extends RoomSession {
  /** Call flags: 1 in call, 2 audio, 4 video, 8 phone; 0 is not in the call. */
  inCall: number;
  /** Whether the HPB has reported them joining: lists may also name those who left. */
  joined: boolean;
  /** Nextcloud had no ping of theirs for minutes when it listed them. */
  stale: boolean;
  /** Someone who dialled in: the audio is published by an internal session, the SIP bridge. */
  virtual: boolean;
}

const IN_CALL = 1;
const WITH_AUDIO = 2;

export function isInCall({ inCall }: Participant): boolean {
  return (inCall & IN_CALL) !== 0;
}

/** Whether they publish audio. Of the internal sessions a SIP bridge does; a recorder, or a service like this, does not. */
export function speaks(participant: Participant): boolean {
  return !participant.virtual && isInCall(participant) && (participant.inCall & WITH_AUDIO) !== 0;
}

/** Our own session is in none of these. */
export type SignalingEvent =
  /** In the room. `resumed: false`: every session id known before is void. */
  | { type: "joined"; resumed: boolean }
  | { type: "sessions_joined"; sessions: RoomSession[] }
  | { type: "sessions_left"; sessionIds: string[] }
  /** Everyone whose call flags are known, after an update of some: the others are in it as before. */
  | { type: "participants"; users: Participant[] }
  /** Display names of those in the room, each once. Only where they are wanted. */
  | { type: "names"; names: string[] }
  /** Who some of those in the room are. Only where it is wanted. */
  | { type: "identities"; identities: Identity[] }
  | { type: "call_ended" }
  /** All are to move to another room (breakout rooms). */
  | { type: "switch_to"; roomToken: string }
  /** `closed` follows. */
  | { type: "room_deleted" }
  /** Requested, or a renegotiation by the SFU. */
  | { type: "offer"; from: string; offer: SdpOffer }
  | { type: "candidate"; from: string; sid: string; candidate: IceCandidate }
  /** The request failed: the HPB's error code, or `timeout`, `busy`, `disconnected`. */
  | { type: "offer_failed"; sessionId: string; code: string }
  /** The SFU has no subscription for our answer: the offer was not its own, or is void. */
  | { type: "answer_refused"; sessionId: string; sid: string; isAsked?: true }
  /** Reconnecting. Once, until the next `joined`. */
  | { type: "disconnected" }
  /** The last event. With an error unless it was requested or the room was deleted. */
  | { type: "closed"; error?: SignalingError };
