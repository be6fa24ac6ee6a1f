/** One room's connection to the High-Performance Backend. */
export { SignalingConnection, type SignalingOptions } from "./connection.ts";
export { refusal } from "./error_codes.ts";
export type { Participant, RoomSession, SignalingEvent } from "./events.ts";
export type { HelloAttempt, HelloGate } from "./hello_gate.ts";
export type { AttemptOutcome } from "./session.ts";
