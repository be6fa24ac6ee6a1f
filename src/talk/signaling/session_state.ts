/** The states of a SignalingSession, and what it has its connection do. How they follow each other is in `session.ts`. */
import type { ClientMessage } from "./codec.ts";
import type { SignalingEvent } from "./events.ts";

export type AttemptOutcome = "accepted" | "refused" | "failed";

export type SessionOutput =
  /** Open a socket; answer with `opened`, `lost` or `heldBack`. Without `resuming` it is for a full hello. */
  | { type: "connect"; resuming: boolean }
  /** `id` comes back in the answer. */
  | { type: "send"; message: ClientMessage; id?: string }
  /** Close the socket; say nothing more about it. */
  | { type: "drop" }
  | { type: "event"; event: SignalingEvent }
  /** How far an attempt to connect got: an accepted hello, a hello refused for good, or neither. */
  | { type: "attempt"; outcome: AttemptOutcome; code?: string }
  /** An error message that is nobody's answer. */
  | { type: "ignored"; code: string }
  /** An offer or a candidate that nobody asked for. */
  | { type: "unasked" }
  /** So many sessions of one message are not kept track of: there are too many. */
  | { type: "overfull"; sessions: number };

export type State =
  /** Not started. */
  | { kind: "idle" }
  /** A socket is being opened. */
  | { kind: "connecting" }
  /** A hello is out: the short one that resumes, or the full one. */
  | { kind: "greeting"; resuming: boolean; id: string; deadlineMs: number }
  /** Hello accepted, the room asked for. */
  | { kind: "joining"; id: string; deadlineMs: number }
  /** In the room. `probe`: we asked for a sign of life. */
  | { kind: "joined"; heardMs: number; probe?: { deadlineMs: number } }
  /** No socket; the next attempt comes by itself. */
  | { kind: "waiting"; untilMs: number }
  /** Our goodbye is out. */
  | { kind: "leaving"; deadlineMs: number }
  /** Over for good. */
  | { kind: "ended" };

/** What each may be followed by. */
export const NEXT: Record<State["kind"], readonly State["kind"][]> = {
  idle: ["connecting", "ended"],
  connecting: ["connecting", "greeting", "waiting", "ended"],
  greeting: ["connecting", "greeting", "joining", "joined", "waiting", "ended"],
  joining: ["joined", "waiting", "leaving", "ended"],
  joined: ["joined", "joining", "waiting", "leaving", "ended"],
  waiting: ["connecting", "ended"],
  leaving: ["ended"],
  ended: [],
};
