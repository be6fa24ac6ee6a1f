/** The states of a SignalingSession, and its timeouts and its outputs. The transitions are in `session.ts`. */
import type { ClientMessage } from "./encode.ts";
import type { SignalingEvent } from "./events.ts";

export type AttemptOutcome = "accepted" | "refused" | "failed";

export type SessionOutput =
  /** Open a socket; then call `opened`, `lost` or `heldBack`. Without `resuming` it is for a full hello. */
  | { type: "connect"; resuming: boolean }
  /** `id` is in the reply. */
  | { type: "send"; message: ClientMessage; id?: string }
  /** Close the socket, and report nothing more about it. */
  | { type: "drop" }
  | { type: "event"; event: SignalingEvent }
  /** How an attempt to connect ended: hello accepted, hello refused, or neither. */
  | { type: "attempt"; outcome: AttemptOutcome; code?: string }
  /** An unrelated error, an offer or candidate that was not requested, or sessions the roster has no place for. */
  | { type: "ignored"; reason: "error" | "unasked" | "too_many"; code?: string; count?: number };

export type State =
  /** Not started. */
  | { kind: "idle" }
  /** A socket is being opened. */
  | { kind: "connecting" }
  /** A hello was sent: the short one that resumes, or the full one. */
  | { kind: "greeting"; resuming: boolean; id: string; deadlineMs: number }
  /** Hello accepted, join sent. */
  | { kind: "joining"; id: string; deadlineMs: number }
  /** In the room. `probe`: a reply is awaited. */
  | { kind: "joined"; receivedMs: number; probe?: { deadlineMs: number } }
  /** No socket, until the next attempt. */
  | { kind: "waiting"; untilMs: number }
  /** Our bye was sent. */
  | { kind: "leaving"; deadlineMs: number }
  | { kind: "ended" };

/** Allowed transitions. */
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

/** The HPB delays its reply to a refused hello, doubling to 25 s: a shorter timeout would retry until blocked. */
export const HELLO_TIMEOUT_MS = 30_000;
export const ANSWER_TIMEOUT_MS = 15_000;
/** Without messages the call may be quiet or the socket dead: see `#probe`. */
export const QUIET_MS = 60_000;
export const PROBE_TIMEOUT_MS = 10_000;
/** The HPB replies to a bye at once. */
export const BYE_TIMEOUT_MS = 1_000;

export function toOutput(event: SignalingEvent): SessionOutput {
  return { type: "event", event };
}
