/** The voice door: apps that bring their own microphone, by WebSocket. */
export { asyncApiDocument } from "./asyncapi.ts";
export { type CodeMeaning, CODES } from "./codes.ts";
export { voiceDoor, type VoiceOptions } from "./door.ts";
export { VOICE_API } from "./routes.ts";
export { STATUS_MESSAGES } from "./trouble_watch.ts";
export type { TranscriptLink } from "./voice_session.ts";
