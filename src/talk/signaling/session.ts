/**
 * One room of the HPB, through every reconnect: hello, join, resume, rejoin, leave. Sans-IO: takes messages and time,
 * returns outputs; sockets and timers are in `connection.ts`.
 *
 *     idle -> connecting -> greeting -> joining -> joined -> leaving -> ended
 *                ^    |       |  |         |       ^    |
 *                |    |       |  '---------|-------'    |      any -> ended: a final error, the fifth
 *                |    v       v   resumed  v            v      failure in a row, a deleted room, our bye
 *                waiting <----+------------+------------'
 *                         lost, refused, silent
 *
 * A dropped session is resumed by its resume id while the HPB keeps it (30 s) and receives what it missed; after that a
 * full hello is sent and the room joined anew: on the same socket, unless the gate has a hello pending (`hello_gate.ts`).
 */
import { RESUME_WINDOW_MS } from "./limits.ts";
import { Attempts, ATTEMPTS_MAX, type AttemptsOptions } from "./attempts.ts";
import type { ServerMessage } from "./codec.ts";
import {
  FINAL_CODES,
  FORGOTTEN_CODES,
  isFinalBye,
  isShutOut,
  OLD_HELLO_CODES,
  refusal,
  SignalingError,
} from "./error_codes.ts";
import type { IdentitiesWanted } from "./events.ts";
import { hello, type HelloOptions } from "./hello.ts";
import { RoomState } from "./room_state.ts";
import {
  ANSWER_TIMEOUT_MS,
  BYE_TIMEOUT_MS,
  HELLO_TIMEOUT_MS,
  NEXT,
  PROBE_TIMEOUT_MS,
  QUIET_MS,
  type SessionOutput,
  type State,
  toOutput,
} from "./session_state.ts";

export interface SessionOptions extends HelloOptions, AttemptsOptions {
  roomToken: string;
  /** Whether display names are reported. */
  namesWanted?: boolean;
  identitiesWanted?: IdentitiesWanted;
  /** Whether a full hello may be sent on this socket now; if not, another `connect` follows for it. */
  mayGreet?: () => boolean;
}

/** Announced by an HPB that replies to our probes. */
const PROBE_FEATURE = "transient-data";

export class SignalingSession {
  readonly #options: SessionOptions;
  readonly #attempts: Attempts;
  readonly #room: RoomState;
  #state: State = { kind: "idle" };
  #helloVersion: "1.0" | "2.0" = "2.0";
  #sessionId = "";
  #resumeId?: string;
  /** Whether the HPB replies to a probe; otherwise another join serves as one. */
  #hasProbes = false;
  /** Of the newest join sent while in the room. */
  #rejoinId?: string;
  /** Until when the HPB keeps the lost session, and whether that was in the room. */
  #resumable?: { untilMs: number; inRoom: boolean };
  #isReportedDisconnected = false;
  #requests = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#attempts = new Attempts(options);
    this.#room = new RoomState(options);
  }

  get isJoined(): boolean {
    return this.#state.kind === "joined";
  }

  get state(): State["kind"] {
    return this.#state.kind;
  }

  start(): SessionOutput[] {
    return this.#connect(false);
  }

  /** The socket is open. The HPB closes it unless a hello comes within 2 s. */
  opened(nowMs: number): SessionOutput[] {
    if (this.#state.kind !== "connecting") return [];
    if (!this.#isResumable(nowMs)) this.#forget();
    return this.#greet(nowMs);
  }

  /** No socket was opened: the gate admits no hello now; `code` is why. */
  heldBack(code: string, nowMs: number): SessionOutput[] {
    return this.#state.kind === "connecting" ? this.#refused("say hello", code, nowMs) : [];
  }

  /** The socket could not be opened, or was closed; `code` is why. */
  lost(code: string, nowMs: number): SessionOutput[] {
    switch (this.#state.kind) {
      case "connecting":
      case "greeting":
      case "joining":
      case "joined":
        return this.#retry(code, nowMs);
      case "leaving":
        return this.#end();
      default:
        return [];
    }
  }

  receive(message: ServerMessage, nowMs: number): SessionOutput[] {
    const state = this.#state;
    switch (state.kind) {
      case "greeting":
        return this.#greeted(state, message, nowMs);
      case "joining":
        return this.#answered(state, message, nowMs);
      case "joined":
        this.#enter({ kind: "joined", receivedMs: nowMs });
        return this.#inRoom(message, nowMs);
      case "leaving":
        return message.kind === "bye" ? this.#end() : [];
      default:
        return [];
    }
  }

  /** Requests an offer: `offer` or `offer_failed` follows, unless the room is joined anew, which voids the id. */
  requestOffer(sessionId: string, nowMs: number): SessionOutput[] {
    const id = this.#nextId();
    const failed = this.isJoined ? undefined : "disconnected";
    const asked = this.#room.subscriptions.request(sessionId, id, failed, nowMs);
    return asked ? [{ type: "send", message: { kind: "request_offer", to: sessionId }, id }] : [];
  }

  /** Answers the offer `sid`; nothing is sent when not in the room, where the offer is void. */
  sendAnswer(sessionId: string, sid: string, sdp: string): SessionOutput[] {
    if (!this.isJoined) return [];
    const id = this.#nextId();
    const message = { kind: "answer", to: sessionId, sid, sdp } as const;
    const isNew = this.#room.subscriptions.answering(sessionId, sid, id);
    return [{ type: "send", message, id: isNew ? id : undefined }];
  }

  /** Sends bye, so that the HPB drops the session, and ends with `closed`. */
  leave(nowMs: number): SessionOutput[] {
    const { kind } = this.#state;
    if (kind === "leaving" || kind === "ended") return [];
    if (kind !== "joining" && kind !== "joined") return this.#end();
    this.#enter({ kind: "leaving", deadlineMs: nowMs + BYE_TIMEOUT_MS });
    return [{ type: "send", message: { kind: "bye" } }];
  }

  /** Called when `nextDeadline` has passed. */
  due(nowMs: number): SessionOutput[] {
    if (this.#state.kind === "ended") return [];
    const failed = this.#room.subscriptions.due(nowMs, this.isJoined ? undefined : "disconnected").map(
      toOutput,
    );
    return [...failed, ...this.#due(nowMs)];
  }

  nextDeadline(): number | undefined {
    if (this.#state.kind === "ended") return undefined;
    const next = Math.min(this.#deadlineMs, this.#room.subscriptions.nextDeadline() ?? Infinity);
    return next === Infinity ? undefined : next;
  }

  /** Of the state; Infinity where it has none. */
  get #deadlineMs(): number {
    const state = this.#state;
    if (state.kind === "waiting") return state.untilMs;
    if (state.kind === "joined") return state.probe?.deadlineMs ?? state.receivedMs + QUIET_MS;
    return "deadlineMs" in state ? state.deadlineMs : Infinity;
  }

  #due(nowMs: number): SessionOutput[] {
    const state = this.#state;
    if (nowMs < this.#deadlineMs) return [];
    switch (state.kind) {
      case "waiting":
        return this.#connect(this.#isResumable(nowMs));
      case "joined":
        return state.probe ? this.#retry("silent", nowMs) : this.#probe(state.receivedMs, nowMs);
      case "leaving":
        return this.#end();
      default:
        return this.#retry("timeout", nowMs);
    }
  }

  #enter(next: State): void {
    if (!NEXT[this.#state.kind].includes(next.kind)) {
      throw new Error(`Cannot go from "${this.#state.kind}" to "${next.kind}": no such transition`);
    }
    this.#state = next;
  }

  #connect(resuming: boolean): SessionOutput[] {
    this.#enter({ kind: "connecting" });
    return [{ type: "connect", resuming }];
  }

  #isResumable(nowMs: number): boolean {
    return this.#resumeId !== undefined && this.#resumable !== undefined && nowMs < this.#resumable.untilMs;
  }

  #greet(nowMs: number): SessionOutput[] {
    const resuming = this.#resumeId !== undefined;
    const { mayGreet = () => true } = this.#options;
    if (!resuming && !mayGreet()) return [{ type: "drop" }, ...this.#connect(false)];
    const id = this.#nextId();
    const deadlineMs = nowMs + (resuming ? ANSWER_TIMEOUT_MS : HELLO_TIMEOUT_MS);
    this.#enter({ kind: "greeting", resuming, id, deadlineMs });
    const version = this.#helloVersion;
    if (this.#resumeId !== undefined) {
      return [{ type: "send", id, message: { kind: "resume", version, resumeId: this.#resumeId } }];
    }
    return [{ type: "send", id, message: hello(version, this.#options) }];
  }

  #greeted(state: State & { kind: "greeting" }, message: ServerMessage, nowMs: number): SessionOutput[] {
    if (message.kind === "bye") return this.#byeReceived(message.reason, nowMs);
    if (message.kind !== "hello" && message.kind !== "error") return [];
    if (message.id !== undefined && message.id !== state.id) return [];
    if (message.kind === "hello") return this.#admitted(state.resuming, message, nowMs);
    const { code } = message;
    if (state.resuming) {
      // Whatever the reason: even after too many failed resumes a full hello is allowed.
      this.#forget();
      return this.#greet(nowMs);
    }
    if (OLD_HELLO_CODES.has(code) && this.#helloVersion === "2.0") {
      this.#helloVersion = "1.0";
      return this.#greet(nowMs);
    }
    return this.#refused("say hello", code, nowMs);
  }

  #admitted(resuming: boolean, hello: ServerMessage & { kind: "hello" }, nowMs: number): SessionOutput[] {
    this.#sessionId = hello.sessionId;
    this.#resumeId = hello.resumeId ?? this.#resumeId;
    if (hello.features) this.#hasProbes = hello.features.includes(PROBE_FEATURE);
    const wasInRoom = resuming && this.#resumable?.inRoom === true;
    this.#resumable = undefined;
    const attempt: SessionOutput = { type: "attempt", outcome: "accepted" };
    return [attempt, ...(wasInRoom ? this.#joined(true, nowMs) : this.#join(nowMs))];
  }

  #join(nowMs: number): SessionOutput[] {
    const id = this.#nextId();
    this.#enter({ kind: "joining", id, deadlineMs: nowMs + ANSWER_TIMEOUT_MS });
    const { roomToken } = this.#options;
    return [
      { type: "send", message: { kind: "in_call" } },
      { type: "send", message: { kind: "join", roomToken }, id },
    ];
  }

  #answered(state: State & { kind: "joining" }, message: ServerMessage, nowMs: number): SessionOutput[] {
    if (message.kind === "bye") return this.#byeReceived(message.reason, nowMs);
    if (message.kind !== "room" && message.kind !== "error") return [];
    if (message.id !== undefined && message.id !== state.id) return [];
    if (message.kind === "room") {
      return message.roomToken === "" ? this.#retry("room_join_failed", nowMs) : this.#joined(false, nowMs);
    }
    return message.code === "already_joined"
      ? this.#joined(false, nowMs)
      : this.#refused("join the room", message.code, nowMs);
  }

  #joined(resumed: boolean, nowMs: number): SessionOutput[] {
    this.#enter({ kind: "joined", receivedMs: nowMs });
    this.#attempts.joined(nowMs);
    this.#isReportedDisconnected = false;
    if (!resumed) {
      this.#room.reset(this.#sessionId);
    }
    return [toOutput({ type: "joined", resumed })];
  }

  #inRoom(message: ServerMessage, nowMs: number): SessionOutput[] {
    switch (message.kind) {
      case "room_deleted":
        return this.#deleted();
      case "disinvited":
        return message.roomToken === this.#options.roomToken ? this.#deleted() : [];
      case "room":
        if (message.roomToken === "") return this.#deleted();
        // The reply to a join sent as a probe: we had been in no room. Else the room's properties changed.
        return message.id !== undefined && message.id === this.#rejoinId ? this.#joined(false, nowMs) : [];
      case "bye":
        return this.#byeReceived(message.reason, nowMs);
      case "error":
        return this.#errorReceived(message.id, message.code, nowMs);
      default:
        return this.#room.receive(message);
    }
  }

  /** An error while in the room: of one request, of the session, or unrelated. */
  #errorReceived(id: string | undefined, code: string, nowMs: number): SessionOutput[] {
    const failed = id === undefined ? undefined : this.#room.subscriptions.fail(id, code);
    if (failed) return [toOutput(failed)];
    if (code === "already_joined" || code === "ignored") return []; // the reply to a probe
    if (code === "not_in_room") return this.#join(nowMs);
    if (FORGOTTEN_CODES.has(code)) {
      this.#resumeId = undefined;
      return this.#retry(code, nowMs);
    }
    if (code === "duplicate_session") return this.#end(refusal("stay in the room", code));
    // Of one recipient, or one message.
    return [{ type: "ignored", reason: "error", code }];
  }

  /** The server's bye ends the session, so there is nothing to resume. */
  #byeReceived(reason: string | undefined, nowMs: number): SessionOutput[] {
    this.#resumeId = undefined;
    if (isFinalBye(reason)) return this.#end(refusal("stay in the room", reason));
    return this.#retry("bye", nowMs);
  }

  #deleted(): SessionOutput[] {
    return [toOutput({ type: "room_deleted" }), ...this.#end()];
  }

  /** Pings of the socket may be answered by a proxy. A HPB without transient data is asked to join the same room. */
  #probe(receivedMs: number, nowMs: number): SessionOutput[] {
    this.#enter({ kind: "joined", receivedMs, probe: { deadlineMs: nowMs + PROBE_TIMEOUT_MS } });
    const id = this.#nextId();
    if (this.#hasProbes) return [{ type: "send", message: { kind: "probe" }, id }];
    this.#rejoinId = id;
    const { roomToken } = this.#options;
    return [{ type: "send", message: { kind: "join", roomToken, sessionId: this.#sessionId }, id }];
  }

  #refused(action: string, code: string, nowMs: number): SessionOutput[] {
    if (!FINAL_CODES.has(code)) return this.#retry(code, nowMs);
    const attempt: SessionOutput[] = this.#state.kind === "greeting"
      ? [{ type: "attempt", outcome: "refused", code }]
      : [];
    return [...attempt, ...this.#end(refusal(action, code))];
  }

  #retry(code: string, nowMs: number): SessionOutput[] {
    const { kind } = this.#state;
    const outputs: SessionOutput[] = [{ type: "drop" }];
    if (kind === "connecting" || kind === "greeting") {
      outputs.push({ type: "attempt", outcome: isShutOut(code) ? "refused" : "failed", code });
    }
    if (kind === "joined" || kind === "joining") {
      this.#resumable = { untilMs: nowMs + RESUME_WINDOW_MS, inRoom: kind === "joined" };
    }
    const delayMs = this.#attempts.failed(code, kind === "joined", nowMs);
    if (delayMs === undefined) {
      const message = `Cannot reach the HPB: "${code}" after ${ATTEMPTS_MAX} attempts`;
      return [...outputs, ...this.#end(new SignalingError(message, { code, retryable: true }))];
    }
    this.#enter({ kind: "waiting", untilMs: nowMs + delayMs });
    if (!this.#isReportedDisconnected) outputs.push(toOutput({ type: "disconnected" }));
    this.#isReportedDisconnected = true;
    return outputs;
  }

  #end(error?: SignalingError): SessionOutput[] {
    const { kind } = this.#state;
    const outputs: SessionOutput[] = [];
    if (kind === "joined" || kind === "joining") outputs.push({ type: "send", message: { kind: "bye" } });
    if (kind !== "idle" && kind !== "waiting") outputs.push({ type: "drop" });
    this.#enter({ kind: "ended" });
    this.#room.subscriptions.clear();
    return [...outputs, toOutput({ type: "closed", error })];
  }

  #forget(): void {
    this.#resumeId = this.#resumable = undefined;
  }

  #nextId(): string {
    return `t${++this.#requests}`;
  }
}
