/**
 * Packets of a silent speaker: kept encoded for the pre-roll, the oldest dropped, and one selected now and then for the
 * probing decoder. Decoding silence costs as much as decoding speech, so most of it is skipped.
 */
import type { AudioLedger, CodedFrame } from "../domain/mod.ts";
import { FrameQueue } from "./frame_queue.ts";
import { isDtxPacket, SHORTEST_FRAME_TICKS, TICKS_PER_MS } from "./opus_packet.ts";

/** One packet of 20 ms in five. A voice is detected at most this late, well within 400 ms of pre-roll. */
const PROBE_EVERY_MS = 100;
/** Packets judged in a row once the level rises: a decoder fed now and then needs a few to show the true level. */
const ALERT_PACKETS = 4;
/** A payload larger than silence usually is, by this factor and by this many bytes, is judged. */
const LARGER = 1.5;
const LARGER_BYTES = 4;
/** Weight of each packet in the moving average of payload sizes. */
const USUAL_SHARE = 1 / 8;
/**
 * After a voice the probing decoder's state is from the middle of a word. The first packets only replace it: measured on
 * speech, 20 dB too loud in the first and right from the third on.
 */
const PRIMING_PACKETS = 3;

/** What to do with a packet: skip it, decode it for the decoder's state, or judge its level. */
export type Attention = "skip" | "prime" | "judge";

export class SilenceGate {
  readonly #ledger: AudioLedger;
  readonly #preRollMs: number;
  readonly #framesMax: number;
  /** The newest frames, at least `preRollMs` once that much came, beginning with a coded one. */
  readonly #held = new FrameQueue();
  #sinceProbeMs = PROBE_EVERY_MS;
  #alertPackets = 0;
  #primingPackets = PRIMING_PACKETS;
  /** Average payload during silence; 0 before the first. */
  #usualBytes = 0;

  constructor({ ledger, preRollMs }: { ledger: AudioLedger; preRollMs: number }) {
    this.#ledger = ledger;
    this.#preRollMs = preRollMs;
    this.#framesMax = Math.ceil(preRollMs / (SHORTEST_FRAME_TICKS / TICKS_PER_MS)) + 1;
  }

  /** Time since a packet was last judged, ms. */
  get sinceProbeMs(): number {
    return this.#sinceProbeMs;
  }

  /** Keeps the next frame; returns what to do with it. Frames without audio are skipped. */
  hold(frame: CodedFrame): Attention {
    this.#held.push(frame);
    this.#dropOld();
    this.#sinceProbeMs += frame.durationMs;
    if (frame.kind !== "coded" || isDtxPacket(frame.payload)) return "skip";
    return this.#attentionFor(frame.payload.length);
  }

  /** The packet judged was no voice; where it was nearly one, the next ones are judged too. */
  noVoice(isNearly: boolean): void {
    this.#sinceProbeMs = 0;
    if (isNearly) this.#alertPackets = ALERT_PACKETS;
  }

  /** A voice began: removes and returns what is held, oldest first. Valid until the next frame is held. */
  release(): readonly CodedFrame[] {
    const held = Array.from({ length: this.#held.size }, (_, index) => this.#held.at(index));
    this.#reset();
    return held;
  }

  /** Drops what is held. */
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
    return this.#sinceProbeMs >= PROBE_EVERY_MS ? "judge" : "skip";
  }

  /** Keeps `preRollMs`, and no pause at the start: what comes before a pause is not the start of a word. */
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
