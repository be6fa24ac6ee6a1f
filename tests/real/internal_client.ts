/**
 * The smallest internal client that can receive a speaker: hello with the internal secret, room, one subscription through
 * `src/webrtc`. It proves the stack independently of the service's own signalling: no resume, no retries.
 */
import { createHmac, randomBytes } from "node:crypto";
import { packetsOf } from "../fakes/packets.ts";
import {
  AudioLedger,
  type AudioLoss,
  type Clock,
  type IceCandidate,
  type IceServer,
  type RtpPacket,
} from "../../src/domain/mod.ts";
import { type WebRtcNetwork, WebRtcReceiver } from "../../src/webrtc/mod.ts";
import type { HpbMessage } from "../fakes/participant.ts";
import { FakeLog, FakeMeter } from "../fakes/telemetry.ts";

export interface InternalClientOptions {
  hpbUrl: string;
  nextcloudUrl: string;
  internalSecret: string;
  roomToken: string;
  /** Of what it receives. */
  clock?: Clock;
  /** Default: none. */
  iceServers?: readonly IceServer[];
  network?: WebRtcNetwork;
  /** Called with every participant list. */
  onList?: (users: unknown[]) => void;
}

const DEADLINE_MS = 15_000;
/** A minute of packets. */
const HEARD_MAX = 3_000;

export class InternalClient implements AsyncDisposable {
  /** Every packet of the subscription, the newest minute of them. */
  readonly heard: RtpPacket[] = [];
  readonly #socket: WebSocket;
  readonly troubles: AudioLoss[] = [];
  /** What was refused of what came. */
  readonly meter = new FakeMeter();
  readonly #receiver: WebRtcReceiver;
  readonly #listening: Promise<void>;
  readonly #watchers = new Set<(message?: HpbMessage) => void>();
  readonly #closed = Promise.withResolvers<void>();
  #requests = 0;

  readonly #iceServers: readonly IceServer[];

  private constructor({ hpbUrl, clock, iceServers = [], network, onList }: InternalClientOptions) {
    this.#iceServers = iceServers;
    if (onList) this.#watchers.add((message) => onListed(message, onList));
    this.#receiver = new WebRtcReceiver({
      ledger: new AudioLedger(),
      log: new FakeLog(),
      meter: this.meter,
      onAudioLost: (reason) => this.troubles.push(reason),
      network,
      onAudio: () => {},
      clock,
    });
    this.#socket = new WebSocket(`${hpbUrl.replace(/^http/, "ws")}/spreed`);
    this.#socket.onmessage = ({ data }: MessageEvent<string>) => this.#changed(JSON.parse(data));
    this.#socket.onclose = () => {
      this.#closed.resolve();
      this.#changed();
    };
    this.#listening = this.#listen();
  }

  /** Joins the room and the call, without audio of its own. */
  static async join(options: InternalClientOptions): Promise<InternalClient> {
    const client = new InternalClient(options);
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
    const recipient = { type: "session", sessionid: sessionId };
    this.#watchers.add((message) => {
      const data = dataOf(message);
      if (data.type !== "candidate") return;
      const { sid, payload } = data as { sid: string; payload: { candidate: IceCandidate } };
      this.#receiver.addCandidate(sid, payload.candidate);
    });
    const asked = { type: "requestoffer", roomType: "video" };
    const offered = this.#message((message) => dataOf(message).type === "offer");
    this.#send({ type: "message", message: { recipient, data: asked } });
    const { sid, payload: offer } = dataOf(await offered) as { sid: string; payload: { sdp: string } };
    const { sdp } = await this.#receiver.answer({ sid, sdp: offer.sdp }, this.#iceServers);
    const payload = { type: "answer", sdp, nick: "" };
    const data = { to: sessionId, type: "answer", roomType: "video", sid, payload };
    this.#send({ type: "message", message: { recipient, data } });
    await this.until(() => this.heard.length > 0);
  }

  /** Resolves once `condition` holds; looked at after every message and packet. */
  until(condition: () => boolean, deadlineMs = DEADLINE_MS): Promise<void> {
    return condition() ? Promise.resolve() : this.#watch(condition, deadlineMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#receiver[Symbol.asyncDispose]();
    await this.#listening;
    if (this.#socket.readyState < WebSocket.CLOSING) this.#socket.close();
    await this.#closed.promise;
  }

  async #listen(): Promise<void> {
    for await (const packet of packetsOf(this.#receiver.source)) {
      if (this.heard.length === HEARD_MAX) this.heard.shift();
      this.heard.push(packet);
      this.#changed();
    }
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
    });
    this.#send({ type: "internal", internal: { type: "incall", incall: { incall: 1 } } });
    const { sessionid } = hello as { sessionid: string };
    await this.#request({ type: "room", room: { roomid: roomToken, sessionid } });
  }

  #send(message: Record<string, unknown>): string {
    const id = `i${++this.#requests}`;
    this.#socket.send(JSON.stringify({ id, ...message }));
    return id;
  }

  #request(message: Record<string, unknown>): Promise<HpbMessage> {
    const id = this.#send(message);
    return this.#message((reply) => reply.id === id);
  }

  /** The next message that matches; rejects at an error of the HPB. */
  async #message(matches: (message: HpbMessage) => boolean): Promise<HpbMessage> {
    let found: HpbMessage | undefined;
    await this.#watch((message) => {
      if (message?.type === "error") {
        throw new Error(`Cannot use the HPB: ${(message.error as { code: string }).code}`);
      }
      if (message && matches(message)) found = message;
      return found !== undefined;
    }, DEADLINE_MS);
    return found!;
  }

  /** Resolves once `holds` says so, rejects with what it throws, when the socket closes, or with TimeoutError. */
  async #watch(holds: (message?: HpbMessage) => boolean, deadlineMs: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const watcher = (message?: HpbMessage) => {
      try {
        if (holds(message)) resolve();
        else if (this.#socket.readyState === WebSocket.CLOSED) {
          reject(new Error("Cannot wait: the HPB closed"));
        }
      } catch (error) {
        reject(error);
      }
    };
    const timer = setTimeout(() => reject(new DOMException("Not in time", "TimeoutError")), deadlineMs);
    this.#watchers.add(watcher);
    try {
      await promise;
    } finally {
      this.#watchers.delete(watcher);
      clearTimeout(timer);
    }
  }

  #changed(message?: HpbMessage): void {
    for (const watcher of [...this.#watchers]) watcher(message);
  }
}

function dataOf(message?: HpbMessage): Record<string, unknown> {
  return (message?.message as { data?: Record<string, unknown> } | undefined)?.data ?? {};
}

function onListed(message: HpbMessage | undefined, onList: (users: unknown[]) => void): void {
  const { target, update } = (message?.event ?? {}) as { target?: string; update?: { users?: unknown[] } };
  if (target === "participants" && update) onList(update.users ?? []);
}
