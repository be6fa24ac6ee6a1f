/**
 * Someone in a call with a microphone, built on werift: joins, offers their audio to the SFU through the HPB, and sends
 * 20 ms Opus packets in real time, encoded digital silence between what they say. Audio only, host candidates only.
 */
import { Buffer } from "node:buffer";
import { MediaStreamTrack, RtpHeader, RtpPacket } from "werift";
import { opusCodec, Peer } from "../../src/webrtc/peer.ts";
import type { TestSpeaker, Transcript } from "../fakes/call.ts";
import type { HpbMessage, HpbParticipant } from "../fakes/participant.ts";
import { encodeOpus, PACKET_MS, type Speech } from "../fakes/speech.ts";

/** A place in the call: who sits down has joined the room and is in the call with audio. */
export interface Seat {
  enter(): Promise<HpbParticipant>;
  /** Nextcloud's side of leaving the call; the participant sends its own bye. */
  leave(): Promise<void>;
}

export class WeriftSpeaker implements TestSpeaker {
  #disposed?: Promise<void>;

  private constructor(
    readonly ncSessionId: string,
    private readonly seat: Seat,
    private participant: HpbParticipant,
    private publisher: WeriftPublisher,
  ) {}

  /** Resolves when the SFU receives their (silent) audio. */
  static async join(seat: Seat): Promise<WeriftSpeaker> {
    const { participant, publisher } = await sitDown(seat);
    return new WeriftSpeaker(participant.ncSessionId, seat, participant, publisher);
  }

  get sessionId(): string {
    return this.participant.sessionId;
  }

  get transcripts(): readonly Transcript[] {
    return this.participant.transcripts;
  }

  until(matches: (transcript: Transcript) => boolean, deadlineMs: number): Promise<Transcript> {
    return this.participant.until(matches, deadlineMs);
  }

  async say(speech: Speech): Promise<void> {
    await this.play(await encodeOpus(speech));
  }

  /** Sends these packets, 20 ms apart; resolves when the last is out. */
  play(packets: readonly Uint8Array[]): Promise<void> {
    return this.publisher.play(packets);
  }

  /** So many of the packets that come next are never sent. */
  lose(packets: number): void {
    this.publisher.losing = packets;
  }

  /** Packets are sent in another way from now on; undefined: as they should be. */
  disguise(as: Disguise | undefined): void {
    this.publisher.disguise = as;
  }

  async rejoin(): Promise<void> {
    await this.publisher.close();
    await this.seat.leave();
    await this.participant[Symbol.asyncDispose]();
    ({ participant: this.participant, publisher: this.publisher } = await sitDown(this.seat));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= (async () => {
      await this.publisher.close();
      await this.participant[Symbol.asyncDispose]();
    })();
  }
}

async function sitDown(seat: Seat) {
  const participant = await seat.enter();
  try {
    return { participant, publisher: await WeriftPublisher.publish(participant) };
  } catch (error) {
    await participant[Symbol.asyncDispose]();
    throw error;
  }
}

const CONNECT_TIMEOUT_MS = 15_000;
const TIMESTAMP_STEP = 48 * PACKET_MS;

/** How somebody sends who does harm. */
export interface Disguise {
  /** So many packets for each that is due; default 1. */
  times?: number;
  /** Changes the header of a packet, the first of which has the number 0. */
  change(header: RtpHeader, packet: number): void;
}

/** The microphone alone, of anybody who may publish. */
export class WeriftPublisher {
  readonly #peer = new Peer({
    iceServers: [],
    network: {},
    codecs: { audio: [opusCodec()], video: [] },
    onRtp: () => {},
  });
  readonly #track = new MediaStreamTrack({ kind: "audio" });
  readonly #silence: Uint8Array;
  /** What is being said. A test's speech is seconds long, so this stays at some hundred packets. */
  readonly #queue: { payload: Uint8Array; sent?: () => void }[] = [];
  /** Packets to count and not to send. */
  losing = 0;
  disguise: Disguise | undefined;
  #disguised = 0;
  #startedMs = 0;
  #packets = 0;
  #timer?: ReturnType<typeof setTimeout>;
  #closed = false;

  private constructor(silence: Uint8Array) {
    this.#silence = silence;
    this.#peer.connection.addTransceiver(this.#track, { direction: "sendonly" });
  }

  /** Offers the audio to the participant's own session, which is how the HPB knows a publisher. */
  static async publish(participant: HpbParticipant): Promise<WeriftPublisher> {
    // The encoder's first packets still ring; later ones are what a quiet microphone settles to.
    const silence = await encodeOpus({ samples: new Float32Array(16_000), sampleRateHz: 16_000 });
    const publisher = new WeriftPublisher(silence.at(-1)!);
    try {
      await publisher.#connect(participant);
    } catch (error) {
      await publisher.close();
      throw error;
    }
    publisher.#startedMs = performance.now();
    publisher.#tick();
    return publisher;
  }

  play(packets: readonly Uint8Array[]): Promise<void> {
    if (this.#closed) return Promise.reject(new Error("Cannot speak: the microphone is closed"));
    const { promise, resolve } = Promise.withResolvers<void>();
    packets.forEach((payload, i) =>
      this.#queue.push({ payload, sent: i === packets.length - 1 ? resolve : undefined })
    );
    return packets.length === 0 ? Promise.resolve() : promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { sent } of this.#queue.splice(0)) sent?.();
    await this.#peer[Symbol.asyncDispose]();
  }

  async #connect(participant: HpbParticipant): Promise<void> {
    const { connection } = this.#peer;
    const { promise: connected, resolve, reject } = Promise.withResolvers<void>();
    const fail = (why: string) => reject(new Error(`Cannot publish: ${why}`));
    const timer = setTimeout(() => fail("the SFU does not connect in time"), CONNECT_TIMEOUT_MS);
    connection.connectionStateChange.subscribe((state) => {
      if (state === "connected") resolve();
      if (state === "failed") fail("the transport failed");
    });
    using _answering = participant.onMessage((message) => {
      if (message.type === "error") fail((message.error as { code: string }).code);
      const said = fromSfu(participant.sessionId, message);
      if (!said) return;
      const applied = "answer" in said
        ? this.#peer.setRemoteAnswer(said.answer)
        : connection.addIceCandidate(said.candidate);
      applied.catch(reject);
    });
    try {
      const sdp = await this.#peer.setLocal(await connection.createOffer());
      participant.sendTo(participant.sessionId, publishOffer(participant.sessionId, sdp));
      await connected;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends every packet that is due, so that a late timer does not stretch time. */
  #tick(): void {
    const due = (performance.now() - this.#startedMs) / PACKET_MS;
    while (this.#packets < due) {
      const next = this.#queue.shift();
      this.#send(next?.payload ?? this.#silence);
      next?.sent?.();
    }
    const waitMs = this.#startedMs + this.#packets * PACKET_MS - performance.now();
    this.#timer = setTimeout(() => this.#tick(), Math.max(1, waitMs));
  }

  #send(payload: Uint8Array): void {
    this.#packets++;
    if (this.losing > 0) {
      this.losing--;
      return;
    }
    const header = new RtpHeader({
      sequenceNumber: this.#packets & 0xffff,
      timestamp: (this.#packets * TIMESTAMP_STEP) >>> 0,
      payloadType: opusCodec().payloadType,
    });
    if (this.disguise) this.#sendDisguised(payload, header, this.disguise);
    else this.#track.writeRtp(new RtpPacket(header, Buffer.from(payload)));
  }

  /** Past werift's sender, which writes its own SSRC. */
  #sendDisguised(payload: Uint8Array, header: RtpHeader, { times = 1, change }: Disguise): void {
    const [{ sender }] = this.#peer.connection.getTransceivers();
    for (let i = 0; i < times; i++) {
      header.ssrc = sender.ssrc;
      change(header, this.#disguised++);
      void sender.dtlsTransport.sendRtp(Buffer.from(payload), header).catch(() => {});
    }
  }
}

/** A publisher's offer as Talk's front end sends it. */
export function publishOffer(sessionId: string, sdp: string): Record<string, unknown> {
  return {
    to: sessionId,
    type: "offer",
    sid: String(Date.now()),
    roomType: "video",
    payload: { type: "offer", sdp, nick: "" },
  };
}

/** What the SFU sends to the publisher `sessionId`: its answer, or one of its candidates. */
export function fromSfu(sessionId: string, message: HpbMessage):
  | { answer: string }
  | { candidate: { candidate: string; sdpMid?: string; sdpMLineIndex?: number } }
  | undefined {
  const { sender, data } = (message.message ?? {}) as {
    sender?: { sessionid?: string };
    data?: { type?: string; payload?: { sdp?: string; candidate?: Record<string, unknown> } };
  };
  if (message.type !== "message" || sender?.sessionid !== sessionId) return undefined;
  if (data?.type === "answer") return { answer: String(data.payload?.sdp) };
  const candidate = data?.type === "candidate" ? data.payload?.candidate : undefined;
  if (!candidate?.candidate) return undefined;
  return {
    candidate: {
      candidate: String(candidate.candidate),
      // Janus may send an empty mid; the line index identifies the same section and is always right.
      sdpMLineIndex: Number(candidate.sdpMLineIndex ?? 0),
    },
  };
}
