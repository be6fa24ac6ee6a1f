/**
 * Audio of a door to the audio of the voice in it, whatever it is encoded as:
 *
 *     encoded audio, and the silence before it -> voice (gate, decoder) -> chunks
 *
 * Media time is counted in audio received. A gap in the timestamps, or in arrival where it is longer than network delay,
 * is silence. Audio that is sent faster than real time is dropped and counted: see media_budget.ts. When no more arrives
 * while somebody speaks, the part of a chunk that is held is passed on.
 */
import type { AudioLedger, CodedFrame } from "../domain/mod.ts";
import type { FrameDecoder } from "./frame_decoder.ts";
import { MediaBudget } from "./media_budget.ts";
import { TICKS_PER_MS } from "./opus_packet.ts";
import type { EmitAudio, VoiceDecoder } from "./voice_decoder.ts";
import { VoicedChunks, type VoiceOptions } from "./voiced_chunks.ts";

export interface DoorVoiceOptions extends VoiceOptions {
  /** Label of the metric of dropped audio. */
  queue: "pcm" | "container";
  /** Encoded bytes that may wait. */
  bytesMax: number;
  /** Owned from here on. */
  voice: VoiceDecoder;
  /** Opens a decoder for what waited. */
  decoder: () => FrameDecoder;
  /** Timestamps differ less than this from the count of samples, ms. */
  jitterMs: number;
  /** Whether a sender's timestamps stand still while it pauses. */
  hidesPauses: boolean;
}

/** Networks delay audio by less; a longer gap in arrival is silence. */
const GAP_MS = 1_000;
/** What is held is passed on when the next audio is this late: TCP sends a lost segment again after 200 ms or more. */
const HELD_MS = 300;
export class DoorVoice implements Disposable {
  readonly #options: DoorVoiceOptions;
  readonly #ledger: AudioLedger;
  readonly #voice: VoiceDecoder;
  /** For speech-to-text. */
  readonly chunks: VoicedChunks;
  readonly #budget = new MediaBudget();
  /** Media time of the next audio passed on, ms. */
  #startMs = 0;
  /** Audio received, ms: media time including what its owner holds. */
  #receivedMs = 0;
  /** The timestamp of media time 0; undefined before the first. */
  #zeroMs: number | undefined;
  /** When media time 0 was spoken, by its arrival; undefined before the first. */
  #beganAtMs: number | undefined;
  #receivedAtMs = 0;
  /** Whether the newest silence is only a gap in arrival. */
  #isByArrival = false;
  /** When what is held is passed on; undefined once it was. */
  #dueAtMs: number | undefined;

  constructor(options: DoorVoiceOptions) {
    this.#options = options;
    this.#ledger = options.ledger;
    this.#voice = options.voice;
    this.chunks = new VoicedChunks(options);
  }

  /**
   * Audio arrives now: returns the silence before it, ms. `leftMs` is its duration, and of the audio after it that arrived
   * with it. Its timestamp is in ms from any zero.
   */
  arrive(leftMs: number, timestampMs: number | undefined, nowMs: number): number {
    this.#budget.arrived(nowMs);
    const gapMs = this.#gapBefore(nowMs - leftMs, timestampMs);
    this.#receivedAtMs = nowMs;
    // The next comes as much later as there is in all that came now.
    this.#dueAtMs = Math.max(this.#dueAtMs ?? 0, nowMs + leftMs + HELD_MS);
    return this.#isByArrival ? gapMs : Math.min(gapMs, this.#budget.gapTicks / TICKS_PER_MS);
  }

  /** How far the audio is ahead of arrival, as of the last, ms. */
  get aheadMs(): number {
    return -this.#budget.behindTicks / TICKS_PER_MS;
  }

  /** Media time for audio that has arrived; false when it was sent too fast, and its blocks are dropped. */
  admit(durationMs: number, blocks: number): boolean {
    if (durationMs * TICKS_PER_MS <= this.#budget.packetTicks) {
      this.#spend(durationMs);
      return true;
    }
    this.#ledger.add("received", blocks);
    this.#ledger.add("dropped", blocks);
    this.#options.meter.count("tiro_queue_dropped_total", this.#options.queue, blocks);
    return false;
  }

  /** Passes on admitted audio. The payload is copied where it is kept. */
  pass(payload: Uint8Array, durationMs: number): void {
    this.#ledger.add("received");
    this.#take({
      kind: "coded",
      startMs: this.#startMs,
      durationMs,
      payload,
      receivedAtMs: this.#receivedAtMs,
    });
  }

  /** Passes on the silence that `arrive` returned. */
  pause(durationMs: number): void {
    // Where it was a network that stalled, what was spoken meanwhile follows, and must neither wait nor be dropped.
    if (this.#isByArrival) this.#receivedMs += durationMs;
    else this.#spend(durationMs);
    this.#take({
      kind: "silence",
      startMs: this.#startMs,
      durationMs,
      receivedAtMs: this.#receivedAtMs,
    });
  }

  /** When `passHeld` is to be called, if nothing arrives before; undefined while nobody speaks. */
  nextDeadline(): number | undefined {
    return this.#voice.isOpen ? this.#dueAtMs : undefined;
  }

  /** Passes on the part of a chunk that is held. */
  passHeld(): void {
    this.#dueAtMs = undefined;
    this.chunks.passHeld();
  }

  /** All that arrived was passed on: calls the reader. */
  notify(): void {
    this.chunks.notify();
  }

  /** The audio has ended; what waits in `chunks` can still be taken. */
  flush(): void {
    this.#dueAtMs = undefined;
    this.#voice.flush(this.#emit);
    this.chunks.end();
  }

  [Symbol.dispose](): void {
    this.chunks[Symbol.dispose]();
    this.#voice[Symbol.dispose]();
  }

  /** Silence between the audio before and a sample spoken then, ms. */
  #gapBefore(spokenAtMs: number, timestampMs: number | undefined): number {
    const behindMs = spokenAtMs - (this.#beganAtMs ??= spokenAtMs) - this.#receivedMs;
    const pausedMs = spokenAtMs - this.#receivedAtMs > GAP_MS ? Math.max(0, behindMs) : 0;
    this.#isByArrival = timestampMs === undefined;
    if (timestampMs === undefined) return pausedMs;
    const gapMs = timestampMs - (this.#zeroMs ??= timestampMs - this.#receivedMs) - this.#receivedMs;
    if (this.#options.hidesPauses && pausedMs > Math.max(0, gapMs)) {
      this.#zeroMs = timestampMs - this.#receivedMs - pausedMs;
      this.#isByArrival = true;
      return pausedMs;
    }
    if (Math.abs(gapMs) <= this.#options.jitterMs) return 0;
    // A clock that was set back, or runs too fast, counts from here.
    if (gapMs < 0 || gapMs > behindMs + GAP_MS) this.#zeroMs = timestampMs - this.#receivedMs;
    return Math.max(0, Math.min(gapMs, behindMs + GAP_MS));
  }

  #spend(durationMs: number): void {
    this.#receivedMs += durationMs;
    this.#budget.spend(durationMs * TICKS_PER_MS);
  }

  #take(frame: CodedFrame): void {
    this.#voice.receive(frame, this.#emit);
    this.#startMs += frame.durationMs;
  }

  readonly #emit: EmitAudio = (audio, frame) => this.chunks.push(audio, frame);
}
