/** What is sent to one client: messages in order, finals always, partials while the client reads. */
import type { Caption } from "../domain/mod.ts";
import type { ServerSocket } from "../http/mod.ts";
import { CODES, type VoiceCode } from "./codes.ts";
import type { ServerMessage } from "./schemas.ts";

/** Unread bytes past which partials are left out: the next one has their text too. Some 50 of them. */
const PARTIALS_UNREAD_BYTES = 16 * 1024;
/** Unread bytes past which the client does not read. Below LIMITS.socketSendBytes, so that it is closed with its code. */
const UNREAD_BYTES = 48 * 1024;

export class Client {
  #hasEnded = false;

  constructor(
    private readonly socket: Pick<ServerSocket, "send" | "close" | "bufferedBytes">,
    /** It has been sent more than it reads. */
    private readonly onUnread: () => void,
  ) {}

  send(message: ServerMessage): void {
    if (this.#hasEnded) return;
    this.socket.send(JSON.stringify(message));
    if (this.socket.bufferedBytes > UNREAD_BYTES) this.onUnread();
  }

  caption({ text, final, languageId, spoken: { startMs, endMs }, utterance }: Caption): void {
    if (!final && this.socket.bufferedBytes > PARTIALS_UNREAD_BYTES) return;
    this.send({
      type: final ? "final" : "partial",
      text,
      language: languageId,
      startMs: Math.round(startMs),
      endMs: Math.round(endMs),
      utterance,
    });
  }

  /** Reports the cause, and closes. */
  fail(code: VoiceCode, message: string = CODES[code].message): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.socket.send(JSON.stringify({ type: "error", code, message } satisfies ServerMessage));
    this.socket.close(CODES[code].close, code);
  }

  /** All has been captioned. */
  done(audioMs: number | undefined): void {
    this.send({ type: "done", ...(audioMs !== undefined && { audioMs }) });
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.socket.close(1000, "done");
  }

  /** The connection has ended. */
  left(): void {
    this.#hasEnded = true;
  }
}
