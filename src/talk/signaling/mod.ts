/** One room's connection to the High-Performance Backend. */
export { SignalingConnection, type SignalingOptions } from "./connection.ts";
export { refusal, SignalingError } from "./error_codes.ts";
export type { Identity } from "./codec.ts";
export {
  type IdentitiesWanted,
  isInCall,
  type Participant,
  type RoomSession,
  type SignalingEvent,
  speaks,
} from "./events.ts";
export type { HelloAttempt, HelloGate } from "./hello_gate.ts";
export { STAY_MS } from "./limits.ts";
export type { AttemptOutcome } from "./session_state.ts";
