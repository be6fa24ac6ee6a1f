/**
 * The signalling of a participant's browser in a Talk call: sends hello to the HPB with a ticket, joins the room
 * with a Nextcloud session id, and keeps the transcripts that arrive. Works against the fake HPB and a real one; a
 * WebRTC publisher can be built on `sendTo` and `onMessage`. Being in the call (not just the room) is Nextcloud's to
 * say: see `FakeNextcloud.setInCall`.
 */
import { createHmac, randomBytes } from "node:crypto";
import type { TestParticipant, Transcript } from "./call.ts";

/** A decoded message of the HPB, in the wire's own spelling. */
export type HpbMessage = { id?: string; type: string } & Record<string, unknown>;

export interface ParticipantOptions {
  /** http://... of the HPB. */
  hpbUrl: string;
  nextcloudUrl: string;
  roomToken: string;
  ncSessionId: string;
  /** Empty: a guest. */
  userId?: string;
  ticket?: string;
  /** The features in a browser's hello; the HPB forwards them to everybody in the room. */
  features?: readonly string[];
  /** A service: lets itself in with the HPB's internal secret. */
  internal?: { secret: string; features: string[] };
}

const JOIN_TIMEOUT_MS = 10_000;
/** The HPB answers `bye` at once; a dead one never does. */
const BYE_TIMEOUT_MS = 1_000;

export class HpbParticipant implements TestParticipant {
  ncSessionId: string;
  readonly transcripts: Transcript[] = [];
  readonly #socket: WebSocket;
  readonly #listeners = new Set<(message: HpbMessage) => void>();
  readonly #closed = Promise.withResolvers<void>();
  #sessionId = "";
  #requests = 0;

  private constructor(options: ParticipantOptions) {
    this.ncSessionId = options.ncSessionId;
    this.#socket = new WebSocket(`${options.hpbUrl.replace(/^http/, "ws")}/spreed`);
    this.#socket.onmessage = ({ data }: MessageEvent<string>) => this.#received(JSON.parse(data));
    this.#socket.onclose = () => this.#closed.resolve();
  }

  /** Sends hello and joins the room; rejects when the HPB refuses either, or with TimeoutError. */
  static async join(options: ParticipantOptions): Promise<HpbParticipant> {
    const participant = new HpbParticipant(options);
    try {
      await participant.#join(options);
      return participant;
    } catch (error) {
      await participant.disconnect();
      throw error;
    }
  }

  get sessionId(): string {
    return this.#sessionId;
  }

  /** Settles once the socket is closed, by either side. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Sends a message in the wire's spelling; gives it an id, and returns that. */
  send(message: Record<string, unknown>): string {
    const id = `p${++this.#requests}`;
    this.#socket.send(JSON.stringify({ id, ...message }));
    return id;
  }

  /** Sends `data` to a session: one's own for a publisher, another's for a subscriber. */
  sendTo(sessionId: string, data: Record<string, unknown>): string {
    return this.send({
      type: "message",
      message: { recipient: { type: "session", sessionid: sessionId }, data },
    });
  }

  /** Calls `listener` with every message from now on; disposing stops that. */
  onMessage(listener: (message: HpbMessage) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** The next message that matches; rejects with TimeoutError, or when the socket closes. */
  async message(matches: (message: HpbMessage) => boolean, deadlineMs: number): Promise<HpbMessage> {
    const found = Promise.withResolvers<HpbMessage>();
    const timer = setTimeout(
      () => found.reject(new DOMException("No such message in time", "TimeoutError")),
      deadlineMs,
    );
    void this.#closed.promise.then(() => found.reject(new Error("Cannot await a message: the HPB closed")));
    using _listening = this.onMessage((message) => {
      if (matches(message)) found.resolve(message);
    });
    try {
      return await found.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  async until(matches: (transcript: Transcript) => boolean, deadlineMs: number): Promise<Transcript> {
    const past = this.transcripts.find(matches);
    if (past) return past;
    const seen = this.transcripts.length;
    await this.message(() => this.transcripts.slice(seen).some(matches), deadlineMs);
    return this.transcripts.slice(seen).find(matches)!;
  }

  /** Goes to another room as Talk's front end does: on the same connection, with the Nextcloud session it got there. */
  async moveTo(roomToken: string, ncSessionId: string): Promise<void> {
    await this.#request({ type: "room", room: { roomid: roomToken, sessionid: ncSessionId } });
    this.ncSessionId = ncSessionId;
  }

  /** Cuts the connection without a goodbye: the HPB keeps the session for its resume window. */
  async disconnect(): Promise<void> {
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close();
    await this.#closed.promise;
  }

  /** Leaves politely: the HPB forgets the session at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.send({ type: "bye", bye: {} });
      const timer = setTimeout(() => this.#socket.close(), BYE_TIMEOUT_MS);
      await this.#closed.promise;
      clearTimeout(timer);
    }
    await this.#closed.promise;
  }

  async #join(options: ParticipantOptions): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.onopen = () => resolve();
      this.#socket.onerror = () => reject(new Error("Cannot connect to the HPB"));
    });
    const hello = await this.#request({ type: "hello", hello: helloOf(options) });
    this.#sessionId = (hello.hello as { sessionid: string }).sessionid;
    await this.#request({
      type: "room",
      room: { roomid: options.roomToken, sessionid: options.ncSessionId },
    });
  }

  async #request(message: Record<string, unknown>): Promise<HpbMessage> {
    const id = this.send(message);
    const reply = await this.message((reply) => reply.id === id, JOIN_TIMEOUT_MS);
    if (reply.type === "error") {
      throw new Error(`Cannot ${message.type}: ${(reply.error as { code: string }).code}`);
    }
    return reply;
  }

  #received(message: HpbMessage): void {
    const { data } = (message.message ?? {}) as { data?: Record<string, unknown> };
    if (message.type === "message" && data?.type === "transcript") {
      this.transcripts.push({
        message: String(data.message),
        langId: String(data.langId),
        speakerSessionId: String(data.speakerSessionId),
        final: data.final === true,
        atMs: performance.now(),
      });
    }
    for (const listener of [...this.#listeners]) listener(message);
  }
}

function helloOf({ nextcloudUrl, userId = "", ticket = "ticket", features, internal }: ParticipantOptions) {
  const url = `${nextcloudUrl}/ocs/v2.php/apps/spreed/api/v3/signaling/backend`;
  if (!internal) return { version: "1.0", features, auth: { url, params: { userid: userId, ticket } } };
  const { secret } = internal;
  const random = randomBytes(32).toString("hex");
  const token = createHmac("sha256", secret).update(random).digest("hex");
  return {
    version: "2.0",
    features: internal.features,
    auth: { type: "internal", params: { random, token, backend: url } },
  };
}
