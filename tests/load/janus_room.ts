/**
 * A real Janus as the SFU of a load test, to prove interoperation: few publishers and as many subscriptions as there are
 * speakers, driven by its WebSocket API. A packet costs it some 35 µs of processor time, mostly looking through its
 * connections; this process sends only the publishers' own, one every 2 ms in all.
 */
import type { Buffer } from "node:buffer";
import { type RTCRtpTransceiver, RtpHeader } from "werift";
import { opusCodec, Peer } from "../../src/webrtc/peer.ts";
import { JanusApi } from "./janus_api.ts";
import { PUBLISHERS } from "./marks.ts";
import { PublisherSchedule, type PublisherScheduleOptions } from "./publisher_schedule.ts";
import type { IceCandidateJson, SfuRoom, Subscription } from "./sfu_room.ts";

const ROOM = 1;
const CONNECT_TIMEOUT_MS = 15_000;

export class JanusRoom implements SfuRoom {
  readonly publishers: PublisherSchedule;
  readonly #api: JanusApi;
  readonly #connections: Publisher[] = [];
  readonly #connected: number[] = Array.from({ length: PUBLISHERS }, () => 0);
  readonly #sent: number[] = Array.from({ length: PUBLISHERS }, () => 0);

  private constructor(api: JanusApi, options: Omit<PublisherScheduleOptions, "publish">) {
    this.#api = api;
    this.publishers = new PublisherSchedule({
      ...options,
      publish: (publisher, ...packet) => {
        this.#sent[publisher]++;
        this.#connections[publisher].send(...packet);
      },
    });
  }

  /** Resolves when all publishers send. */
  static async open(
    { url, ...options }: Omit<PublisherScheduleOptions, "publish"> & { url: string },
  ): Promise<JanusRoom> {
    const room = new JanusRoom(await JanusApi.connect(url), options);
    try {
      await room.#open();
      return room;
    } catch (error) {
      await room[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Candidates are sent before and after the offer. */
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

  get connected(): number {
    return this.#connected.reduce((sum, count) => sum + count, 0);
  }

  /** Were they all connected as now since then. */
  sentSince(since: readonly number[]): number {
    return this.#sent.reduce((sum, sent, index) => sum + (sent - since[index]) * this.#connected[index], 0);
  }

  sentCounts(): readonly number[] {
    return [...this.#sent];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.publishers[Symbol.dispose]();
    await Promise.all(this.#connections.map((publisher) => publisher.close()));
    await this.#api.close();
  }

  async #open(): Promise<void> {
    const handle = await this.#api.attach(() => {});
    const room = { request: "create", room: ROOM, publishers: PUBLISHERS, audiocodec: "opus" };
    await this.#api.message(handle, room);
    for (let index = 0; index < PUBLISHERS; index++) {
      this.#connections.push(await Publisher.connect(this.#api, index));
    }
    this.publishers.start();
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

  send(payload: Buffer, packet: number, timestamp: number): void {
    const header = new RtpHeader({
      payloadType: opusCodec().payloadType,
      ssrc: this.#audio.sender.ssrc,
      sequenceNumber: packet & 0xffff,
      timestamp: timestamp >>> 0,
    });
    this.#audio.dtlsTransport.sendRtp(payload, header).catch(() => {});
  }

  async close(): Promise<void> {
    await this.#peer[Symbol.asyncDispose]();
  }
}
