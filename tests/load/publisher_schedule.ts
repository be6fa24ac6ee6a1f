/**
 * The publishers of a load test: what each says, when, and what the network does to it. Packet n of publisher p is due
 * 20n + 2p ms after the start, so that what goes out is spread over the 20 ms. Knows nothing of connections: who owns it
 * sends the packets on.
 */
import { Buffer } from "node:buffer";
import { PACKET_MS } from "../fakes/speech.ts";
import { isTalking, PUBLISHERS, TURN_PACKETS } from "./marks.ts";

/** What the network does to a publisher's packets, and so to all its subscriptions at once. */
export interface Impairments {
  /** Shares of 0 to 1. */
  loss: number;
  reorder: number;
  /** Each packet is held back by up to this, ms. */
  jitterMs: number;
}

export interface PublisherScheduleOptions {
  /** Of a cycle: what each publisher sends while it talks, and what all send in a pause. */
  packets: { talk: readonly Uint8Array[][]; pause: readonly Uint8Array[] };
  talkPercent: number;
  impairments: Impairments;
  /** RTP's, from one packet of a publisher to its next; default what a packet lasts. */
  timestampSteps?: readonly number[];
  /** `packet` counts what the publisher sent from 1, lost ones too; `timestamp` is RTP's. Neither wraps. */
  publish: (publisher: number, payload: Buffer, packet: number, timestamp: number) => void;
}

/** RFC 7587: the RTP clock of Opus is 48 kHz. */
const TIMESTAMP_STEP = 48 * PACKET_MS;
const STEP_MS = PACKET_MS / PUBLISHERS;

export class PublisherSchedule implements Disposable {
  /** Lateness of each packet at the publisher, ms. */
  lateMs: number[] = [];
  /** While true, time passes and nothing is sent; no packet is counted. */
  held = false;
  /** performance.now() when packet 0 of publisher 0 was due. */
  startMs = 0;
  readonly #talk: Buffer[][];
  readonly #pause: Buffer[];
  readonly #options: PublisherScheduleOptions;
  readonly #counts: number[] = Array.from({ length: PUBLISHERS }, () => 0);
  /** Of packets that are held back. */
  readonly #heldBack = new Set<ReturnType<typeof setTimeout>>();
  #beats = 0;
  #timer?: ReturnType<typeof setTimeout>;

  constructor(options: PublisherScheduleOptions) {
    const buffers = (packets: readonly Uint8Array[]) => packets.map((packet) => Buffer.from(packet));
    this.#options = options;
    this.#talk = options.packets.talk.map(buffers);
    this.#pause = buffers(options.packets.pause);
  }

  /** What is due since `startMs` is sent at once. */
  start(startMs = performance.now()): void {
    this.startMs = startMs;
    this.#beat();
  }

  /** Nothing is published any more. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const timer of this.#heldBack) clearTimeout(timer);
    this.#heldBack.clear();
  }

  /** Late beats are caught up with, so that speech keeps its length. */
  #beat(): void {
    for (;;) {
      const lateMs = performance.now() - this.startMs - this.#beats * STEP_MS;
      if (lateMs < 0) break;
      this.lateMs.push(lateMs);
      if (!this.held) this.#publish(this.#beats % PUBLISHERS, Math.floor(this.#beats / PUBLISHERS));
      this.#beats++;
    }
    const waitMs = this.startMs + this.#beats * STEP_MS - performance.now();
    this.#timer = setTimeout(() => this.#beat(), Math.max(0, waitMs));
  }

  #publish(publisher: number, beat: number): void {
    const { talkPercent, impairments: { loss, reorder, jitterMs }, timestampSteps, publish } = this.#options;
    const isTalk = isTalking(publisher, Math.floor(beat / TURN_PACKETS), talkPercent);
    const payload = (isTalk ? this.#talk[publisher] : this.#pause)[beat % TURN_PACKETS];
    const packet = ++this.#counts[publisher];
    const timestamp = beat * (timestampSteps?.[publisher] ?? TIMESTAMP_STEP);
    if (Math.random() < loss) return;
    const heldBackMs = Math.random() < reorder ? 1.5 * PACKET_MS : jitterMs * Math.random();
    if (heldBackMs === 0) return publish(publisher, payload, packet, timestamp);
    const timer = setTimeout(() => {
      this.#heldBack.delete(timer);
      publish(publisher, payload, packet, timestamp);
    }, heldBackMs);
    this.#heldBack.add(timer);
  }
}
