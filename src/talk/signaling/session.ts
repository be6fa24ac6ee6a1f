/**
 * One stay in one room of the HPB, through every reconnect: hello, join, resume, rejoin, leave. Sans-IO: messages and
 * time go in, what to do comes out; sockets and timers are `connection.ts`.
 *
 *     idle -> connecting -> greeting -> joining -> joined -> leaving -> ended
 *                ^    |       |  |         |       ^    |
 *                |    |       |  '---------|-------'    |      any -> ended: a final error, the fifth
 *                |    v       v   resumed  v            v      failure in a row, a deleted room, our bye
 *                waiting <----+------------+------------'
 *                         lost, refused, silent
 *
 * A dropped session is resumed by its resume id for as long as the HPB keeps it (30 s) and gets what it missed; after
 * that a full hello goes out and the room is joined anew: on the same socket, unless others have a hello on its way and
 * it has to wait for what becomes of that (`hello_gate.ts`).
 */
import { RESUME_WINDOW_MS } from "./limits.ts";
import { Attempts, ATTEMPTS_MAX, type AttemptsOptions } from "./attempts.ts";
import type { ServerMessage } from "./codec.ts";
import {
  isFinal,
  isFinalBye,
  isForgotten,
  isOldHello,
  isShutOut,
  refusal,
  SignalingError,
} from "./error_codes.ts";
import type { SignalingEvent } from "./events.ts";
import { hello, type HelloOptions } from "./hello.ts";
import { Roster } from "./roster.ts";
import { NEXT, type SessionOutput, type State } from "./session_state.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface SessionOptions extends HelloOptions, AttemptsOptions {
  roomToken: string;
  /** Whether a full hello may go out on this socket now; if not, there will be another `connect` for it. */
  mayGreet?: () => boolean;
}

/** What an HPB announces that answers our probes. */
const PROBE_FEATURE = "transient-data";

/**
 * The HPB holds its answer to a refused hello back, doubling to 25 s: who gave up before would not know that it was
 * refused, and try until it is shut out.
 */
const HELLO_TIMEOUT_MS = 30_000;
const ANSWER_TIMEOUT_MS = 15_000;
/** A call where nothing happens is quiet; its socket may also be dead without a word. Then ask: see `#probe`. */
const QUIET_MS = 60_000;
const PROBE_TIMEOUT_MS = 10_000;
/** The HPB answers a goodbye at once. */
const BYE_TIMEOUT_MS = 1_000;
export class SignalingSession {
  readonly #options: SessionOptions;
  readonly #attempts: Attempts;
  readonly #subscriptions = new Subscriptions();
  readonly #roster = new Roster();
  #state: State = { kind: "idle" };
  #helloVersion: "1.0" | "2.0" = "2.0";
  #sessionId = "";
  #resumeId?: string;
  /** Whether the HPB answers a probe that changes nothing; otherwise asking to join again has to do. */
  #answersProbes = false;
  /** Of the newest join sent while in the room. */
  #rejoinId?: string;
  /** Until when the HPB keeps the lost session, and whether it was in the room. */
  #resumable?: { untilMs: number; inRoom: boolean };
  #toldDisconnected = false;
  #requests = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#attempts = new Attempts(options);
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

  /** No socket was opened: no hello may go out now, for a reason others have met; `code` is what they met. */
  heldBack(code: string, nowMs: number): SessionOutput[] {
    return this.#state.kind === "connecting" ? this.#refused("say hello", code, nowMs) : [];
  }

  /** The socket could not be opened, or is gone; `code` names why. */
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
        this.#enter({ kind: "joined", heardMs: nowMs });
        return this.#inRoom(message, nowMs);
      case "leaving":
        return message.kind === "bye" ? this.#end() : [];
      default:
        return [];
    }
  }

  /**
   * Asks the SFU for an offer. An `offer` or an `offer_failed` follows for certain, unless the room is joined anew
   * (`joined` without `resumed`), which voids the session id.
   */
  requestOffer(sessionId: string, nowMs: number): SessionOutput[] {
    const id = this.#nextId();
    const failed = this.isJoined ? undefined : "disconnected";
    const asked = this.#subscriptions.request(sessionId, id, failed, nowMs);
    return asked ? [{ type: "send", message: { kind: "request_offer", to: sessionId }, id }] : [];
  }

  /** Answers the offer `sid`; nothing leaves when not in the room, where the offer is void by then. */
  sendAnswer(sessionId: string, sid: string, sdp: string): SessionOutput[] {
    if (!this.isJoined) return [];
    const id = this.#nextId();
    const message = { kind: "answer", to: sessionId, sid, sdp } as const;
    return [{
      type: "send",
      message,
      id: this.#subscriptions.answering(sessionId, sid, id) ? id : undefined,
    }];
  }

  /** Says goodbye, so that the HPB does not keep the session, and ends with `closed`. */
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
    const failed = this.#subscriptions.due(nowMs, this.isJoined ? undefined : "disconnected").map(toOutput);
    return [...failed, ...this.#due(nowMs)];
  }

  nextDeadline(): number | undefined {
    const state = this.#state;
    if (state.kind === "ended") return undefined;
    const offers = this.#subscriptions.nextDeadline();
    const own = state.kind === "waiting"
      ? state.untilMs
      : state.kind === "joined"
      ? state.probe?.deadlineMs ?? state.heardMs + QUIET_MS
      : "deadlineMs" in state
      ? state.deadlineMs
      : undefined;
    if (own === undefined || offers === undefined) return own ?? offers;
    return Math.min(own, offers);
  }

  #due(nowMs: number): SessionOutput[] {
    const state = this.#state;
    switch (state.kind) {
      case "waiting":
        return nowMs < state.untilMs ? [] : this.#connect(this.#isResumable(nowMs));
      case "greeting":
      case "joining":
        return nowMs < state.deadlineMs ? [] : this.#retry("timeout", nowMs);
      case "joined":
        if (state.probe) return nowMs < state.probe.deadlineMs ? [] : this.#retry("silent", nowMs);
        return nowMs < state.heardMs + QUIET_MS ? [] : this.#probe(state.heardMs, nowMs);
      case "leaving":
        return nowMs < state.deadlineMs ? [] : this.#end();
      default:
        return [];
    }
  }

  /** The one place where states change. */
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
    if (message.kind === "bye") return this.#saidBye(message.reason, nowMs);
    if (message.kind !== "hello" && message.kind !== "error") return [];
    if (message.id !== undefined && message.id !== state.id) return [];
    if (message.kind === "hello") return this.#admitted(state.resuming, message, nowMs);
    const { code } = message;
    if (state.resuming) {
      // Whatever the reason; even who is shut out of resuming (the HPB counts that apart) may say a full hello.
      this.#forget();
      return this.#greet(nowMs);
    }
    if (isOldHello(code) && this.#helloVersion === "2.0") {
      this.#helloVersion = "1.0";
      return this.#greet(nowMs);
    }
    return this.#refused("say hello", code, nowMs);
  }

  #admitted(resuming: boolean, hello: ServerMessage & { kind: "hello" }, nowMs: number): SessionOutput[] {
    this.#sessionId = hello.sessionId;
    this.#resumeId = hello.resumeId ?? this.#resumeId;
    if (hello.features) this.#answersProbes = hello.features.includes(PROBE_FEATURE);
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
    if (message.kind === "bye") return this.#saidBye(message.reason, nowMs);
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
    this.#enter({ kind: "joined", heardMs: nowMs });
    this.#attempts.joined(nowMs);
    this.#toldDisconnected = false;
    if (!resumed) {
      this.#roster.reset(this.#sessionId);
      this.#subscriptions.clear();
    }
    return [toOutput({ type: "joined", resumed })];
  }

  #inRoom(message: ServerMessage, nowMs: number): SessionOutput[] {
    switch (message.kind) {
      case "sessions_joined":
        return [...this.#roster.joined(message.sessions).map(toOutput), ...this.#overfull()];
      case "sessions_left":
        this.#subscriptions.left(message.sessionIds);
        return this.#roster.left(message.sessionIds).map(toOutput);
      case "participants":
        return [...this.#roster.listed(message.users, message.changed).map(toOutput), ...this.#overfull()];
      case "too_large":
        return this.#roster.skipped().map(toOutput);
      case "everyone":
        return [toOutput(this.#roster.everyone(message.inCall))];
      case "switch_to":
        return [toOutput({ type: "switch_to", roomToken: message.roomToken })];
      case "room_deleted":
        return this.#deleted();
      case "disinvited":
        return message.roomToken === this.#options.roomToken ? this.#deleted() : [];
      case "room":
        if (message.roomToken === "") return this.#deleted();
        // A join instead of a probe was answered with one: the HPB had us in no room. Else the room's properties changed.
        return message.id !== undefined && message.id === this.#rejoinId ? this.#joined(false, nowMs) : [];
      case "offer": {
        const { from, sid, sdp } = message;
        if (!this.#subscriptions.offered(from, sid)) return [{ type: "unasked" }];
        return [toOutput({ type: "offer", from, offer: { sid, sdp } })];
      }
      case "candidate": {
        const { from, sid, candidate } = message;
        if (!this.#subscriptions.trickled(from, sid)) return [{ type: "unasked" }];
        return [toOutput({ type: "candidate", from, sid, candidate })];
      }
      case "bye":
        return this.#saidBye(message.reason, nowMs);
      case "error":
        return this.#complained(message.id, message.code, nowMs);
      default:
        return [];
    }
  }

  #overfull(): SessionOutput[] {
    const sessions = this.#roster.takeDropped();
    return sessions > 0 ? [{ type: "overfull", sessions }] : [];
  }

  /** An error while in the room: about one request, about us, or about nothing that matters. */
  #complained(id: string | undefined, code: string, nowMs: number): SessionOutput[] {
    const failed = id === undefined ? undefined : this.#subscriptions.fail(id, code);
    if (failed) return [toOutput(failed)];
    if (code === "already_joined" || code === "ignored") return []; // the answer to a probe
    if (code === "not_in_room") return this.#join(nowMs);
    if (isForgotten(code)) {
      this.#resumeId = undefined;
      return this.#retry(code, nowMs);
    }
    if (code === "duplicate_session") return this.#end(refusal("stay in the room", code));
    // About one recipient, or one message: no reason to leave.
    return [{ type: "ignored", code }];
  }

  /** The server's goodbye ends the session, so there is nothing to resume. */
  #saidBye(reason: string | undefined, nowMs: number): SessionOutput[] {
    this.#resumeId = undefined;
    if (isFinalBye(reason)) return this.#end(refusal("stay in the room", reason));
    return this.#retry("bye", nowMs);
  }

  #deleted(): SessionOutput[] {
    return [toOutput({ type: "room_deleted" }), ...this.#end()];
  }

  /**
   * Asks for a sign of life, which the HPB's answer to anything is. The socket's own pings only show that something at
   * the other end is alive, a proxy perhaps. Releases that know no transient data are asked to join the room we are in.
   */
  #probe(heardMs: number, nowMs: number): SessionOutput[] {
    this.#enter({ kind: "joined", heardMs, probe: { deadlineMs: nowMs + PROBE_TIMEOUT_MS } });
    const id = this.#nextId();
    if (this.#answersProbes) return [{ type: "send", message: { kind: "probe" }, id }];
    this.#rejoinId = id;
    const { roomToken } = this.#options;
    return [{ type: "send", message: { kind: "join", roomToken, sessionId: this.#sessionId }, id }];
  }

  #refused(action: string, code: string, nowMs: number): SessionOutput[] {
    if (!isFinal(code)) return this.#retry(code, nowMs);
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
    if (!this.#toldDisconnected) outputs.push(toOutput({ type: "disconnected" }));
    this.#toldDisconnected = true;
    return outputs;
  }

  #end(error?: SignalingError): SessionOutput[] {
    const { kind } = this.#state;
    const outputs: SessionOutput[] = [];
    if (kind === "joined" || kind === "joining") outputs.push({ type: "send", message: { kind: "bye" } });
    if (kind !== "idle" && kind !== "waiting") outputs.push({ type: "drop" });
    this.#enter({ kind: "ended" });
    this.#subscriptions.clear();
    return [...outputs, toOutput({ type: "closed", error })];
  }

  #forget(): void {
    this.#resumeId = this.#resumable = undefined;
  }

  #nextId(): string {
    return `t${++this.#requests}`;
  }
}

function toOutput(event: SignalingEvent): SessionOutput {
  return { type: "event", event };
}
