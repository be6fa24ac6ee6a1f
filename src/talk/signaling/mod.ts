/** One room's connection to the High-Performance Backend. */
export { SignalingConnection, type SignalingOptions } from "./connection.ts";
export type { Participant, RoomSession, SignalingEvent } from "./events.ts";
export type { AttemptOutcome } from "./session.ts";
