/** The engine: voiced PCM -> utterances -> captions -> viewers. Knows no door and no provider. */
export * from "./captioner.ts";
export * from "./fan_out.ts";
export { SttSessions } from "./stt_sessions.ts";
