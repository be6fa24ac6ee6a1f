/** The protocol of a recogniser's server, which a provider on sockets implements. Sans-IO; one for each session. */
import type { SttError, SttEvent } from "../domain/mod.ts";
import type { WebSocketMessage } from "../flow/mod.ts";

/** What a message of the server means. */
export type SttMessage =
  /** Understood. `isBare`: of a form that servers of other protocols send too. */
  | { kind: "events"; events: readonly SttEvent[]; isBare?: true }
  /** The server takes audio now. */
  | { kind: "ready" }
  /** The server is alive, and has read the audio. */
  | { kind: "ping" }
  /** All audio has been recognised: after `finish`, no event follows. */
  | { kind: "done" }
  /** The server ended the session, or cannot open it. */
  | { kind: "failed"; error: SttError }
  /** Not of this protocol. */
  | { kind: "ignored" };

/** Never throws for what a server sends. */
export interface SttCodec {
  /** Opening waits for `ready`. */
  readonly awaitsReady?: boolean;
  /** After `finish` the server sends `done` or closes. Absent: its words have arrived when it pauses. */
  readonly awaitsDone?: boolean;
  /** Sent after `everyMs` without audio. */
  readonly keepAlive?: { everyMs: number; message: WebSocketMessage };
  /** Sent at once after the handshake. */
  start?(): readonly WebSocketMessage[];
  /** Sent when the server is ready. */
  configure?(): readonly WebSocketMessage[];
  /**
   * Audio at the provider's rate, never empty. `samples` are valid until the message is sent. `voiced` as in PcmFrame. Of
   * what is not sent nothing may be acknowledged.
   */
  encode(
    samples: Float32Array<ArrayBuffer>,
    voiced: boolean,
  ): WebSocketMessage | readonly WebSocketMessage[];
  receive(message: WebSocketMessage): SttMessage;
  /** Sent after the last audio, for the server to send its last words. */
  finish?(): readonly WebSocketMessage[];
  /** The session ended without an error: what was not settled is. */
  closed?(): readonly SttEvent[];
}

export const IGNORED: SttMessage = Object.freeze({ kind: "ignored" });
export const PING: SttMessage = Object.freeze({ kind: "ping" });
export const READY: SttMessage = Object.freeze({ kind: "ready" });
export const DONE: SttMessage = Object.freeze({ kind: "done" });
