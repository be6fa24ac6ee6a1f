/**
 * PCM of a speaker to the audio of the voice in it:
 *
 *     bytes -> mono float -> resampler -> blocks of 20 ms -> voice (gate) -> chunks
 *
 * Media time is counted in samples. A gap in the timestamps, or in arrival where it is longer than network delay, is
 * silence. Audio that is sent faster than real time is dropped and counted: see media_budget.ts.
 */
import { InvalidRequestError, LIMITS, type PcmFormat } from "../domain/mod.ts";
import { FrameDecoder } from "./frame_decoder.ts";
import { MediaBudget } from "./media_budget.ts";
import type { PacketDecoder, Samples } from "./opus.ts";
import { TICKS_PER_MS } from "./opus_packet.ts";
import { Resampler } from "./resampler.ts";
import { type EmitAudio, VoiceDecoder } from "./voice_decoder.ts";
import { VoicedChunks, type VoiceOptions } from "./voiced_chunks.ts";

export interface PcmVoiceOptions extends VoiceOptions {
  format: PcmFormat;
}

/** The usual duration of an Opus packet: voice is detected, kept and dropped in steps of this. */
const BLOCK_MS = 20;
/** Timestamps rounded to ms, and clocks of sound cards, differ less than this from the count of samples. */
const JITTER_MS = 20;
/** Networks delay audio by less; a longer gap in arrival is silence. */
const GAP_MS = 1_000;
const INT16_SCALE = 32_768;
const NO_SAMPLES: Samples = new Float32Array();

export class PcmVoice implements Disposable {
  readonly #options: PcmVoiceOptions;
  readonly #resampler: Resampler | undefined;
  readonly #voice: VoiceDecoder;
  /** For speech-to-text. */
  readonly chunks: VoicedChunks;
  readonly #budget = new MediaBudget();
  /** The block being filled, 16-bit samples at the rate of speech-to-text. */
  readonly #block: Int16Array;
  #filled = 0;
  /** Media time at the start of the block, ms. */
  #startMs = 0;
  /** Audio received, ms: media time including what the resampler holds. */
  #receivedMs = 0;
  /** The timestamp of media time 0; undefined before the first. */
  #zeroMs: number | undefined;
  /** When media time 0 was spoken, by its arrival; undefined before the first. */
  #beganAtMs: number | undefined;
  #receivedAtMs = 0;

  /** Throws RangeError for rates whose ratio is no reasonable fraction. */
  constructor(options: PcmVoiceOptions) {
    this.#options = options;
    const { format, sampleRateHz, ledger } = options;
    if (format.sampleRateHz !== sampleRateHz) {
      this.#resampler = new Resampler({ fromHz: format.sampleRateHz, toHz: sampleRateHz });
    }
    this.#block = new Int16Array(Math.round(sampleRateHz * BLOCK_MS / 1_000));
    this.#voice = new VoiceDecoder({ sampleRateHz, ledger }, {
      main: new Int16Decoder(),
      probe: new Int16Decoder(),
    });
    this.chunks = new VoicedChunks({
      ...options,
      bytesMax: LIMITS.speechPcmBytes,
      decoder: () => new FrameDecoder(new Int16Decoder(), sampleRateHz),
    });
  }

  /** Takes audio as it arrives. Throws InvalidRequestError for what is no whole sample. */
  receive({ bytes, timestampMs }: { bytes: Uint8Array; timestampMs?: number }, nowMs: number): void {
    const { format: { sampleRateHz }, ledger, meter } = this.#options;
    const samples = monoOf(bytes, this.#options.format);
    const durationMs = samples.length / sampleRateHz * 1_000;
    this.#budget.arrived(nowMs);
    const gapMs = Math.min(
      this.#gapBefore(nowMs - durationMs, timestampMs),
      this.#budget.gapTicks / TICKS_PER_MS,
    );
    this.#receivedAtMs = nowMs;
    if (gapMs > 0) this.#pause(gapMs);
    if (durationMs * TICKS_PER_MS > this.#budget.packetTicks) {
      const blocks = Math.ceil(durationMs / BLOCK_MS);
      ledger.add("received", blocks);
      ledger.add("dropped", blocks);
      meter.count("tiro_queue_dropped_total", "pcm", blocks);
      return;
    }
    this.#pass(durationMs);
    this.#fill(this.#resampler?.process(samples) ?? samples);
    this.chunks.notify();
  }

  /** The audio has ended; what waits in `chunks` can still be taken. */
  flush(): void {
    this.#endStream();
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
    if (timestampMs === undefined) {
      return spokenAtMs - this.#receivedAtMs > GAP_MS ? Math.max(0, behindMs) : 0;
    }
    const gapMs = timestampMs - (this.#zeroMs ??= timestampMs - this.#receivedMs) - this.#receivedMs;
    if (Math.abs(gapMs) <= JITTER_MS) return 0;
    // A clock that was set back, or runs too fast, counts from here.
    if (gapMs < 0 || gapMs > behindMs + GAP_MS) this.#zeroMs = timestampMs - this.#receivedMs;
    return Math.max(0, Math.min(gapMs, behindMs + GAP_MS));
  }

  #pause(durationMs: number): void {
    this.#endStream();
    this.#pass(durationMs);
    const startMs = this.#startMs;
    this.#voice.receive(
      { kind: "silence", startMs, durationMs, receivedAtMs: this.#receivedAtMs },
      this.#emit,
    );
    this.#startMs += durationMs;
  }

  #pass(durationMs: number): void {
    this.#receivedMs += durationMs;
    this.#budget.spend(durationMs * TICKS_PER_MS);
  }

  #fill(samples: Samples): void {
    for (const sample of samples) {
      this.#block[this.#filled++] = Math.round(Math.min(Math.max(sample, -1), 1) * (INT16_SCALE - 1));
      if (this.#filled === this.#block.length) this.#complete();
    }
  }

  /** Passes on what the resampler and the last block hold. */
  #endStream(): void {
    this.#fill(this.#resampler?.flush() ?? NO_SAMPLES);
    if (this.#filled > 0) this.#complete();
  }

  #complete(): void {
    const block = this.#block.subarray(0, this.#filled);
    const durationMs = block.length / this.#options.sampleRateHz * 1_000;
    this.#filled = 0;
    this.#options.ledger.add("received");
    this.#voice.receive({
      kind: "coded",
      startMs: this.#startMs,
      durationMs,
      payload: new Uint8Array(block.buffer, block.byteOffset, block.byteLength),
      receivedAtMs: this.#receivedAtMs,
    }, this.#emit);
    this.#startMs += durationMs;
  }

  readonly #emit: EmitAudio = (audio, frame) => this.chunks.push(audio, frame);
}

/** Mono, in [-1, 1]. */
function monoOf(bytes: Uint8Array, { encoding, channels }: PcmFormat): Samples {
  const sampleBytes = encoding === "s16le" ? 2 : 4;
  if (bytes.length % (sampleBytes * channels) !== 0) {
    throw new InvalidRequestError(
      `must be whole samples of ${channels} x ${sampleBytes} bytes (${encoding})`,
      "bytes",
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = encoding === "s16le"
    ? (at: number) => view.getInt16(at, true) / INT16_SCALE
    : (at: number) => finite(view.getFloat32(at, true));
  const mono = new Float32Array(bytes.length / (sampleBytes * channels));
  for (let n = 0, at = 0; n < mono.length; n++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++, at += sampleBytes) sum += read(at);
    mono[n] = sum / channels;
  }
  return mono;
}

/** A sender may send any bits: NaN is silence, and the rest is clamped. */
function finite(sample: number): number {
  return Number.isNaN(sample) ? 0 : Math.min(Math.max(sample, -1), 1);
}

/** In place of an Opus decoder. No packet is ever lost, so nothing is concealed. */
class Int16Decoder implements PacketDecoder {
  decode(payload: Uint8Array): Samples {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
    const samples = new Float32Array(payload.length / 2);
    for (let n = 0; n < samples.length; n++) samples[n] = view.getInt16(2 * n, true) / INT16_SCALE;
    return samples;
  }
  conceal(): Samples {
    return NO_SAMPLES;
  }
  recover(): Samples {
    return NO_SAMPLES;
  }
  [Symbol.dispose](): void {}
}
