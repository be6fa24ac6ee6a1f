/** Captioned sessions, whatever door they came in by: speakers, viewers, languages, fan-out, joining limits, drain. */
export type { Recipient } from "../captioning/mod.ts";
export type { DoorParts } from "./door_parts.ts";
export { Joining, type JoinReason, type JoinTurn } from "./joining.ts";
export { Session, type SessionOptions } from "./session.ts";
export { SessionLanguages } from "./session_languages.ts";
export { type OwnSessionOptions, Sessions, type SessionsOptions, type SessionsStatus } from "./sessions.ts";
export { SessionSpeaker, type SessionSpeakerOptions } from "./speaker.ts";
export { Speakers, type Speaks } from "./speakers.ts";
export { SpokenLanguages } from "./spoken_languages.ts";
