/**
 * What happens while a speaker is silent: packets are held encoded, the oldest forgotten, and now and then one is
 * worth a listen. A decoder takes as long over silence as over speech, so not asking it is most of the saving.
 * Decodes nothing itself and judges no loudness.
 */
import type { AudioLedger, CodedFrame } from "../domain/mod.ts";
import { FrameQueue } from "./frame_queue.ts";
import { isDtxPacket, SHORTEST_FRAME_TICKS, TICKS_PER_MS } from "./opus_packet.ts";

/** One packet in five of 20 ms. A voice is found at most this late, well inside 400 ms of pre-roll. */
const PROBE_EVERY_MS = 100;
/** Packets listened to in a row once something stirs: a decoder fed now and then needs a few to show the true level. */
const ALERT_PACKETS = 4;
/** A payload this many times as large as silence usually is, and more than noise makes it, is worth a listen. */
const LARGER = 1.5;
const LARGER_BYTES = 4;
/** Part by which each packet moves what is usual. */
const USUAL_SHARE = 1 / 8;

/**
 * After a voice the probing decoder still sounds of the moment it last listened, in the middle of a word. The first
 * packets only wash that out: measured on speech, 20 dB too loud in the first and right from the third on.
 */
const PRIMING_PACKETS = 3;

/** What to do with a packet: leave it, decode it for what that does to the decoder, or judge what it sounds like. */
export type Attention = "leave" | "prime" | "judge";

export interface SilenceGateOptions {
  ledger: AudioLedger;
  preRollMs: number;
}

export class SilenceGate {
  readonly #ledger: AudioLedger;
  readonly #preRollMs: number;
  readonly #framesMax: number;
  /** The newest frames, at least `preRollMs` long once that much came, beginning with an Opus packet. */
  readonly #held = new FrameQueue();
  #sinceProbeMs = PROBE_EVERY_MS;
  #alertPackets = 0;
  #primingPackets = PRIMING_PACKETS;
  /** Bytes of a packet while nobody speaks; 0 before the first. */
  #usualBytes = 0;

  constructor(options: SilenceGateOptions) {
    this.#ledger = options.ledger;
    this.#preRollMs = options.preRollMs;
    this.#framesMax = Math.ceil(options.preRollMs / (SHORTEST_FRAME_TICKS / TICKS_PER_MS)) + 1;
  }

  /** Time since a packet was last judged, ms: what the one asked for now stands for. */
  get sinceProbeMs(): number {
    return this.#sinceProbeMs;
  }

  /** Takes the next frame; says whether to listen to it. Only Opus packets with audio in them are. */
  hold(frame: CodedFrame): Attention {
    this.#held.push(frame);
    this.#dropOld();
    this.#sinceProbeMs += frame.durationMs;
    if (frame.kind !== "coded" || isDtxPacket(frame.payload)) return "leave";
    return this.#attentionFor(frame.payload.length);
  }

  /** The packet judged was no voice; `stirring` asks for the next ones too. */
  heardNothing(stirring: boolean): void {
    this.#sinceProbeMs = 0;
    if (stirring) this.#alertPackets = ALERT_PACKETS;
  }

  /** A voice began: hands over what is held, oldest first, and forgets it. Good until the next frame is held. */
  release(): readonly CodedFrame[] {
    const held = Array.from({ length: this.#held.size }, (_, index) => this.#held.at(index));
    this.#reset();
    return held;
  }

  /** Forgets what is held. */
  clear(): void {
    while (this.#held.size > 0) this.#dropOldest();
    this.#reset();
  }

  #reset(): void {
    this.#held.clear();
    this.#sinceProbeMs = PROBE_EVERY_MS;
    this.#alertPackets = 0;
    this.#primingPackets = PRIMING_PACKETS;
    this.#usualBytes = 0;
  }

  #attentionFor(bytes: number): Attention {
    if (this.#usualBytes > 0 && bytes > this.#usualBytes * LARGER + LARGER_BYTES) {
      this.#alertPackets = ALERT_PACKETS;
    }
    this.#usualBytes += (bytes - this.#usualBytes) * (this.#usualBytes === 0 ? 1 : USUAL_SHARE);
    if (this.#primingPackets > 0) {
      this.#primingPackets--;
      return "prime";
    }
    if (this.#alertPackets > 0) {
      this.#alertPackets--;
      return "judge";
    }
    return this.#sinceProbeMs >= PROBE_EVERY_MS ? "judge" : "leave";
  }

  /** Keeps `preRollMs`, and no pause at the beginning: what comes before a pause is not the start of a word. */
  #dropOld(): void {
    const held = this.#held;
    while (held.size > 0) {
      const isSpare = held.size > 1 &&
        (held.durationMs - held.oldestMs >= this.#preRollMs || held.size > this.#framesMax);
      if (!isSpare && held.isOldestCoded) return;
      this.#dropOldest();
    }
  }

  #dropOldest(): void {
    if (this.#held.isOldestCoded) this.#ledger.add("silent");
    this.#held.shift();
  }
}
