/**
 * The smallest internal client that can hear someone: hello with the internal secret, room, one subscription through
 * werift. It proves the stack independently of the service under test, and is no model for it: no resume, no retries.
 */
import { createHmac, randomBytes } from "node:crypto";
import { WeriftPeer } from "./werift_peer.ts";

export interface InternalClientOptions {
  hpbUrl: string;
  nextcloudUrl: string;
  internalSecret: string;
  roomToken: string;
}

/** A received packet, as far as these tests look at it. */
export interface HeardPacket {
  payloadType: number;
  timestamp: number;
  payload: Uint8Array;
}

type Message = { id?: string; type: string } & Record<string, unknown>;

const DEADLINE_MS = 15_000;
/** A minute of packets. */
const HEARD_MAX = 3_000;

export class InternalClient implements AsyncDisposable {
  readonly heard: HeardPacket[] = [];
  readonly #socket: WebSocket;
  readonly #watchers = new Set<() => void>();
  readonly #messages: Message[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #peer?: WeriftPeer;
  #requests = 0;

  private constructor(hpbUrl: string) {
    this.#socket = new WebSocket(`${hpbUrl.replace(/^http/, "ws")}/spreed`);
    this.#socket.onmessage = ({ data }: MessageEvent<string>) => {
      this.#messages.push(JSON.parse(data));
      this.#changed();
    };
    this.#socket.onclose = () => {
      this.#closed.resolve();
      this.#changed();
    };
  }

  /** Joins the room and the call, without audio of its own. */
  static async join(options: InternalClientOptions): Promise<InternalClient> {
    const client = new InternalClient(options.hpbUrl);
    try {
      await client.#join(options);
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Settles once the socket is closed. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** Asks the SFU for a speaker's audio; resolves when the first packet is here. */
  async subscribe(sessionId: string): Promise<void> {
    this.#send({
      type: "message",
      message: {
        recipient: { type: "session", sessionid: sessionId },
        data: { type: "requestoffer", roomType: "video" },
      },
    });
    const offer = await this.#message((message) => dataOf(message).type === "offer");
    const { sid, payload } = dataOf(offer) as { sid: string; payload: { sdp: string } };
    const peer = this.#peer = new WeriftPeer();
    const { pc } = peer;
    pc.onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe(({ header, payload }) => {
        if (this.heard.length === HEARD_MAX) this.heard.shift();
        const { payloadType, timestamp } = header;
        this.heard.push({ payloadType, timestamp, payload: new Uint8Array(payload) });
        this.#changed();
      });
    });
    await pc.setRemoteDescription({ type: "offer", sdp: payload.sdp });
    peer.stayOnMachine();
    await pc.setLocalDescription(await pc.createAnswer());
    this.#send({
      type: "message",
      message: {
        recipient: { type: "session", sessionid: sessionId },
        data: {
          to: sessionId,
          type: "answer",
          roomType: "video",
          sid,
          payload: { type: "answer", sdp: pc.localDescription!.sdp, nick: "" },
        },
      },
    });
    // The SFU's candidates may have come with the offer, and more may follow.
    const seen = new Set<Message>();
    await this.until(() => {
      for (const message of this.#messages) {
        const data = dataOf(message) as {
          type?: string;
          sid?: string;
          payload?: { candidate?: { candidate?: string } };
        };
        if (seen.has(message) || data.type !== "candidate" || data.sid !== sid) continue;
        seen.add(message);
        const candidate = data.payload?.candidate?.candidate;
        if (candidate) void pc.addIceCandidate({ candidate, sdpMLineIndex: 0 });
      }
      return this.heard.length > 0;
    });
  }

  /** Resolves once `condition` holds; looked at after every message and packet. */
  async until(condition: () => boolean, deadlineMs = DEADLINE_MS): Promise<void> {
    if (condition()) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (condition()) resolve();
      else if (this.#socket.readyState === WebSocket.CLOSED) reject(new Error("Cannot wait: the HPB closed"));
    };
    const timer = setTimeout(() => reject(new DOMException("Not in time", "TimeoutError")), deadlineMs);
    this.#watchers.add(look);
    try {
      await promise;
    } finally {
      this.#watchers.delete(look);
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#peer?.[Symbol.asyncDispose]();
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close();
    await this.#closed.promise;
  }

  async #join({ nextcloudUrl, internalSecret, roomToken }: InternalClientOptions): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.onopen = () => resolve();
      this.#socket.onerror = () => reject(new Error("Cannot connect to the HPB"));
    });
    const random = randomBytes(32).toString("hex");
    const token = createHmac("sha256", internalSecret).update(random).digest("hex");
    const backend = `${nextcloudUrl}/ocs/v2.php/apps/spreed/api/v3/signaling/backend`;
    const auth = { type: "internal", params: { random, token, backend } };
    const { hello } = await this.#request({
      type: "hello",
      hello: { version: "2.0", auth, features: ["internal-incall"] },
    }) as unknown as { hello: { sessionid: string } };
    this.#send({ type: "internal", internal: { type: "incall", incall: { incall: 1 } } });
    await this.#request({ type: "room", room: { roomid: roomToken, sessionid: hello.sessionid } });
  }

  #send(message: Record<string, unknown>): string {
    const id = `i${++this.#requests}`;
    this.#socket.send(JSON.stringify({ id, ...message }));
    return id;
  }

  async #request(message: Record<string, unknown>): Promise<Message> {
    const id = this.#send(message);
    return await this.#message((reply) => reply.id === id);
  }

  async #message(matches: (message: Message) => boolean): Promise<Message> {
    const isError = (message: Message) => message.type === "error";
    await this.until(() => this.#messages.some((message) => matches(message) || isError(message)));
    const failure = this.#messages.find(isError);
    if (failure) throw new Error(`Cannot use the HPB: ${(failure.error as { code: string }).code}`);
    return this.#messages.find(matches)!;
  }

  #changed(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }
}

function dataOf(message: Message): Record<string, unknown> {
  return (message.message as { data?: Record<string, unknown> } | undefined)?.data ?? {};
}
