/**
 * The SFU of a load test: a real Janus with few publishers and as many subscriptions as there are speakers, driven by its
 * WebSocket API (https://janus.conf.meetecho.com/docs/rest.html, plugin videoroom). What goes out costs Janus' C code a
 * few microseconds a packet; this process sends only the publishers' own packets, one every 2 ms in all.
 */
import { Buffer } from "node:buffer";
import { type RTCRtpTransceiver, RtpHeader } from "werift";
import { opusCodec, Peer } from "../../src/webrtc/peer.ts";
import { PACKET_MS } from "../fakes/speech.ts";
import { isTalking, PUBLISHERS, TURN_PACKETS } from "./marks.ts";

type Json = Record<string, unknown>;

/** What the network does to a publisher's packets, and so to all its subscriptions at once. */
export interface Impairments {
  /** Shares of 0 to 1. */
  loss: number;
  reorder: number;
  /** Each packet is held back by up to this, ms. */
  jitterMs: number;
}

export interface IceCandidateJson {
  candidate: string;
  sdpMid?: string;
  sdpMLineIndex?: number;
}

export interface Subscription {
  /** Which publisher is heard. */
  readonly publisher: number;
  readonly offer: string;
  answer(sdp: string): Promise<void>;
  close(): Promise<void>;
}

/** RFC 7587: the RTP clock of Opus is 48 kHz. */
const TIMESTAMP_STEP = 48 * PACKET_MS;
const ROOM = 1;
const REQUEST_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 15_000;
/** Janus forgets a session after 60 s. */
const KEEP_ALIVE_MS = 20_000;

export class JanusRoom implements AsyncDisposable {
  readonly #api: JanusApi;
  readonly #publishers: Publisher[] = [];
  readonly #connected: number[] = Array.from({ length: PUBLISHERS }, () => 0);
  readonly #sent: number[] = Array.from({ length: PUBLISHERS }, () => 0);
  /** Lateness of each packet at the publisher, ms. */
  lateMs: number[] = [];
  /** While true, time passes and nothing is sent. */
  held = false;
  impairments: Impairments = { loss: 0, reorder: 0, jitterMs: 0 };
  /** performance.now() when packet 0 of publisher 0 was due. */
  startMs = 0;
  #beats = 0;
  #timer?: ReturnType<typeof setTimeout>;
  #closed = false;

  private constructor(
    api: JanusApi,
    private readonly packets: { talk: Buffer[][]; pause: Buffer[] },
    private readonly talkPercent: number,
  ) {
    this.#api = api;
  }

  /** Resolves when all publishers send. */
  static async open(options: {
    url: string;
    packets: { talk: Uint8Array[][]; pause: Uint8Array[] };
    talkPercent: number;
  }): Promise<JanusRoom> {
    const buffers = (packets: Uint8Array[]) => packets.map((packet) => Buffer.from(packet));
    const { talk, pause } = options.packets;
    const room = new JanusRoom(
      await JanusApi.connect(options.url),
      { talk: talk.map(buffers), pause: buffers(pause) },
      options.talkPercent,
    );
    try {
      await room.#open();
      return room;
    } catch (error) {
      await room[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A subscription of its own to a publisher; `onCandidate` is told Janus' candidates, before and after the offer. */
  async subscribe(
    publisher: number,
    onCandidate: (candidate: IceCandidateJson) => void,
  ): Promise<Subscription> {
    let up = false;
    const handle = await this.#api.attach((event) => {
      if (event.janus === "trickle") {
        const candidate = event.candidate as IceCandidateJson;
        if (candidate.candidate) onCandidate(candidate);
      }
      const isUp = event.janus === "webrtcup" ? true : event.janus === "hangup" ? false : up;
      if (isUp !== up) this.#connected[publisher] += isUp ? 1 : -1;
      up = isUp;
    });
    const body = { request: "join", ptype: "subscriber", room: ROOM, streams: [{ feed: publisher + 1 }] };
    const { jsep } = await this.#api.message(handle, body);
    const offer = (jsep as { sdp?: string } | undefined)?.sdp;
    if (offer === undefined) throw new Error("Cannot subscribe: Janus sent no offer");
    return {
      publisher,
      offer,
      answer: async (sdp) => {
        await this.#api.message(handle, { request: "start" }, { type: "answer", sdp });
      },
      close: async () => {
        if (up) this.#connected[publisher]--;
        up = false;
        await this.#api.detach(handle);
      },
    };
  }

  /** Subscriptions connected now. */
  get connected(): number {
    return this.#connected.reduce((sum, count) => sum + count, 0);
  }

  /** Packets sent to all subscriptions, were they all connected as now since the counts in `since`. */
  sentSince(since: readonly number[]): number {
    return this.#sent.reduce((sum, sent, index) => sum + (sent - since[index]) * this.#connected[index], 0);
  }

  sentCounts(): readonly number[] {
    return [...this.#sent];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#publishers.map((publisher) => publisher.close()));
    await this.#api.close();
  }

  async #open(): Promise<void> {
    const handle = await this.#api.attach(() => {});
    const room = { request: "create", room: ROOM, publishers: PUBLISHERS, audiocodec: "opus" };
    await this.#api.message(handle, room);
    for (let index = 0; index < PUBLISHERS; index++) {
      this.#publishers.push(await Publisher.connect(this.#api, index));
    }
    this.startMs = performance.now();
    this.#beat();
  }

  /** Packet n of publisher p is due 20n + 2p ms after the start. */
  #beat(): void {
    const stepMs = PACKET_MS / PUBLISHERS;
    for (;;) {
      const lateMs = performance.now() - this.startMs - this.#beats * stepMs;
      if (lateMs < 0) break;
      this.lateMs.push(lateMs);
      this.#send(this.#beats % PUBLISHERS, Math.floor(this.#beats / PUBLISHERS));
      this.#beats++;
    }
    const waitMs = this.startMs + this.#beats * stepMs - performance.now();
    this.#timer = setTimeout(() => this.#beat(), Math.max(0, waitMs));
  }

  #send(index: number, packet: number): void {
    const publisher = this.#publishers[index];
    const turn = isTalking(index, Math.floor(packet / TURN_PACKETS), this.talkPercent)
      ? this.packets.talk[index]
      : this.packets.pause;
    const send = publisher.next(turn[packet % TURN_PACKETS], packet * TIMESTAMP_STEP, this.held);
    if (!send) return;
    const { loss, reorder, jitterMs } = this.impairments;
    if (Math.random() < loss) return;
    const counted = () => {
      if (this.#closed) return;
      this.#sent[index]++;
      send();
    };
    const heldBackMs = Math.random() < reorder ? 1.5 * PACKET_MS : jitterMs * Math.random();
    if (heldBackMs === 0) counted();
    else setTimeout(counted, heldBackMs);
  }
}

class Publisher {
  readonly #peer = new Peer({
    iceServers: [],
    network: {},
    codecs: { audio: [opusCodec()], video: [] },
    onRtp: () => {},
  });
  readonly #audio: RTCRtpTransceiver;
  #sequence = 0;

  private constructor() {
    this.#audio = this.#peer.connection.addTransceiver("audio", { direction: "sendonly" });
  }

  static async connect(api: JanusApi, index: number): Promise<Publisher> {
    const publisher = new Publisher();
    const { connection } = publisher.#peer;
    const connected = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => connected.reject(new Error("Cannot publish: Janus does not connect in time")),
      CONNECT_TIMEOUT_MS,
    );
    const fail = (error: unknown) => connected.reject(error);
    connection.connectionStateChange.subscribe((state) => {
      if (state === "connected") connected.resolve();
    });
    try {
      const handle = await api.attach((event) => {
        if (event.janus !== "trickle") return;
        const { candidate, sdpMLineIndex } = event.candidate as IceCandidateJson;
        if (candidate) {
          connection.addIceCandidate({ candidate, sdpMLineIndex: sdpMLineIndex ?? 0 }).catch(fail);
        }
      });
      const sdp = await publisher.#peer.setLocal(await connection.createOffer());
      const body = { request: "joinandconfigure", ptype: "publisher", room: ROOM, id: index + 1 };
      const { jsep } = await api.message(handle, body, { type: "offer", sdp });
      await publisher.#peer.setRemoteAnswer((jsep as { sdp: string }).sdp);
      await connected.promise;
      return publisher;
    } catch (error) {
      await publisher.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives the packet its header; calling the result sends it. Held packets take no sequence number. */
  next(payload: Buffer, timestamp: number, held: boolean): (() => void) | undefined {
    if (held) return undefined;
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const header = new RtpHeader({
      payloadType: opusCodec().payloadType,
      ssrc: this.#audio.sender.ssrc,
      sequenceNumber: this.#sequence,
      timestamp: timestamp >>> 0,
    });
    return () => {
      this.#audio.dtlsTransport.sendRtp(payload, header).catch(() => {});
    };
  }

  async close(): Promise<void> {
    await this.#peer[Symbol.asyncDispose]();
  }
}

/** One session of Janus' WebSocket API. */
class JanusApi {
  readonly #handles = new Map<number, (event: Json) => void>();
  /** Events of a handle that is only just being made. */
  readonly #pending = new Map<string, PromiseWithResolvers<Json>>();
  readonly #closed = Promise.withResolvers<void>();
  #session = 0;
  #transactions = 0;
  #keepAlive?: ReturnType<typeof setInterval>;

  private constructor(private readonly socket: WebSocket) {
    socket.onmessage = ({ data }: MessageEvent<string>) => this.#receive(JSON.parse(data));
    socket.onclose = () => this.#closed.resolve();
  }

  static async connect(url: string): Promise<JanusApi> {
    const socket = new WebSocket(url, "janus-protocol");
    const api = new JanusApi(socket);
    await new Promise<void>((resolve, reject) => {
      socket.onopen = () => resolve();
      socket.onerror = () => reject(new Error("Cannot connect to Janus"));
    });
    api.#session = idOf(await api.#request({ janus: "create" }));
    api.#keepAlive = setInterval(() => api.#send({ janus: "keepalive", transaction: "k" }), KEEP_ALIVE_MS);
    return api;
  }

  async attach(onEvent: (event: Json) => void): Promise<number> {
    const handle = idOf(await this.#request({ janus: "attach", plugin: "janus.plugin.videoroom" }));
    this.#handles.set(handle, onEvent);
    return handle;
  }

  /** Resolves with the plugin's answer; rejects when it is an error. */
  async message(handle: number, body: Json, jsep?: Json): Promise<Json> {
    const reply = await this.#request({
      janus: "message",
      handle_id: handle,
      body,
      ...(jsep ? { jsep } : {}),
    });
    const { data } = (reply.plugindata ?? {}) as { data?: Json };
    if (data?.error !== undefined) throw new Error(`Cannot ${body.request}: Janus says ${data.error_code}`);
    return reply;
  }

  async detach(handle: number): Promise<void> {
    this.#handles.delete(handle);
    await this.#request({ janus: "detach", handle_id: handle });
  }

  async close(): Promise<void> {
    clearInterval(this.#keepAlive);
    for (const { reject } of this.#pending.values()) reject(new Error("Cannot ask Janus: closed"));
    this.#pending.clear();
    if (this.socket.readyState < WebSocket.CLOSING) this.socket.close();
    await this.#closed.promise;
  }

  #send(message: Json): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify({ ...(this.#session ? { session_id: this.#session } : {}), ...message }));
  }

  async #request(message: Json): Promise<Json> {
    const transaction = `t${++this.#transactions}`;
    const reply = Promise.withResolvers<Json>();
    const timer = setTimeout(
      () => reply.reject(new Error(`Cannot ${message.janus}: Janus does not answer`)),
      REQUEST_TIMEOUT_MS,
    );
    this.#pending.set(transaction, reply);
    this.#send({ ...message, transaction });
    try {
      return await reply.promise;
    } finally {
      clearTimeout(timer);
      this.#pending.delete(transaction);
    }
  }

  #receive(event: Json): void {
    if (event.janus === "ack") return; // the answer follows as an event
    const pending = this.#pending.get(String(event.transaction));
    if (pending && event.janus === "error") {
      return pending.reject(new Error(`Janus says ${(event.error as { code: number }).code}`));
    }
    if (pending && event.janus !== "trickle") pending.resolve(event);
    else if (typeof event.sender === "number") this.#handles.get(event.sender)?.(event);
  }
}

function idOf(reply: Json): number {
  return (reply.data as { id: number }).id;
}
