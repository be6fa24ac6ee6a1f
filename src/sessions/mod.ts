/** Captioned sessions of any door: speakers, viewers, languages, fan-out, join limits, drain. */
export type { Recipient } from "../captioning/mod.ts";
export type { DoorParts } from "./door_parts.ts";
export { JoinLimiter, type JoinReason, type JoinSlot } from "./join_limiter.ts";
export type { Session } from "./session.ts";
export { Sessions, type SessionsStatus } from "./sessions.ts";
export { wordsTakenBy } from "./session_words.ts";
export { SessionSpeaker } from "./speaker.ts";
export { SpokenLanguages } from "./spoken_languages.ts";
export { targetLanguage, targetOrSpoken } from "./target_language.ts";
