/** A signalling session with time under the test's control, and what is in its outputs. */
import assert from "@std/assert";
import type { ServerMessage } from "./codec.ts";
import type { ClientMessage } from "./encode.ts";
import type { SignalingEvent } from "./events.ts";
import { SignalingSession } from "./session.ts";
import type { SessionOutput } from "./session_state.ts";

export const TOKEN = "room";

/** A session with time in hand: jitter is none, so waits are the whole of the backoff. */
export class Rig {
  nowMs = 0;
  /** What the HPB announces. */
  features: string[] | undefined = ["mcu", "transient-data"];
  readonly session = new SignalingSession({
    roomToken: TOKEN,
    secret: "secret",
    backendUrl: "https://nc/backend",
    random: () => 1,
    nonce: () => "n".repeat(32),
  });
  #id = "";

  /** Outputs in short: events as they are, the rest by name. */
  #note(outputs: readonly SessionOutput[]): SessionOutput[] {
    for (const output of outputs) if (output.type === "send" && output.id) this.#id = output.id;
    return [...outputs];
  }

  start = () => this.#note(this.session.start());
  opened = () => this.#note(this.session.opened(this.nowMs));
  lost = (code = "connection_lost") => this.#note(this.session.lost(code, this.nowMs));
  receive = (message: ServerMessage) => this.#note(this.session.receive(message, this.nowMs));
  leave = () => this.#note(this.session.leave(this.nowMs));
  requestOffer = (sessionId: string) => this.#note(this.session.requestOffer(sessionId, this.nowMs));
  answer = (sessionId: string, sid: string) => this.#note(this.session.sendAnswer(sessionId, sid, "sdp"));

  /** The id of the newest request. */
  get id(): string {
    return this.#id;
  }

  /** Answers the newest request. */
  reply = (message: ServerMessage & { kind: "hello" | "room" | "error" }) =>
    this.receive({ ...message, id: this.#id });
  refuse = (code: string) => this.reply({ kind: "error", code });
  admit = (resumeId: string | undefined = "resume", sessionId = "me") =>
    this.reply({ kind: "hello", sessionId, resumeId, features: this.features });
  enter = () => this.reply({ kind: "room", roomToken: TOKEN });

  /** Time passes; what was due in it is done. */
  wait(ms: number): SessionOutput[] {
    const endMs = this.nowMs + ms;
    const outputs: SessionOutput[] = [];
    for (
      let due = this.session.nextDeadline();
      due !== undefined && due <= endMs;
      due = this.session.nextDeadline()
    ) {
      this.nowMs = Math.max(this.nowMs, due);
      outputs.push(...this.session.due(this.nowMs));
    }
    this.nowMs = endMs;
    return this.#note(outputs);
  }

  join(): this {
    this.start();
    this.opened();
    this.admit();
    this.enter();
    assert.ok(this.session.isJoined);
    return this;
  }
}

export const events = (outputs: readonly SessionOutput[]): SignalingEvent[] =>
  outputs.flatMap((output) => output.type === "event" ? [output.event] : []);
export const sent = (outputs: readonly SessionOutput[]): ClientMessage[] =>
  outputs.flatMap((output) => output.type === "send" ? [output.message] : []);

export const kinds = (outputs: readonly SessionOutput[]): string[] =>
  outputs.map((output) =>
    output.type === "event"
      ? output.event.type
      : output.type === "send"
      ? output.message.kind
      : output.type === "ignored"
      ? output.reason
      : output.type
  );
export const closedWith = (outputs: readonly SessionOutput[]) => {
  const [event] = events(outputs).slice(-1);
  assert.equal(event.type, "closed");
  return event.type === "closed" ? event.error : undefined;
};
