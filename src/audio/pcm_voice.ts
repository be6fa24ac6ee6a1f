/**
 * PCM of a speaker to the audio of the voice in it:
 *
 *     bytes -> mono float -> resampler -> blocks of 20 ms -> voice of a door -> chunks
 *
 * Media time is counted in samples: see door_voice.ts.
 */
import { InvalidRequestError, LIMITS, type PcmFormat } from "../domain/mod.ts";
import { DoorVoice } from "./door_voice.ts";
import { FrameDecoder } from "./frame_decoder.ts";
import type { PacketDecoder, Samples } from "./opus.ts";
import { Resampler } from "./resampler.ts";
import { VoiceDecoder } from "./voice_decoder.ts";
import type { VoicedChunks, VoiceOptions } from "./voiced_chunks.ts";

export interface PcmVoiceOptions extends VoiceOptions {
  format: PcmFormat;
}

/** The usual duration of an Opus packet: voice is detected, kept and dropped in steps of this. */
const BLOCK_MS = 20;
/** Timestamps rounded to ms, and clocks of sound cards, differ less than this from the count of samples. */
const JITTER_MS = 20;
const INT16_SCALE = 32_768;
const NO_SAMPLES: Samples = new Float32Array();

export class PcmVoice implements Disposable {
  readonly #format: PcmFormat;
  readonly #sampleRateHz: number;
  readonly #resampler: Resampler | undefined;
  readonly #door: DoorVoice;
  /** The block being filled, 16-bit samples at the rate of speech-to-text. */
  readonly #block: Int16Array;
  #filled = 0;

  /** Throws RangeError for rates whose ratio is no reasonable fraction. */
  constructor({ format, ...options }: PcmVoiceOptions) {
    const { sampleRateHz, ledger } = options;
    this.#format = format;
    this.#sampleRateHz = sampleRateHz;
    if (format.sampleRateHz !== sampleRateHz) {
      this.#resampler = new Resampler({ fromHz: format.sampleRateHz, toHz: sampleRateHz });
    }
    this.#block = new Int16Array(Math.round(sampleRateHz * BLOCK_MS / 1_000));
    this.#door = new DoorVoice({
      ...options,
      queue: "pcm",
      bytesMax: LIMITS.speechPcmBytes,
      voice: new VoiceDecoder({ sampleRateHz, ledger }, {
        main: new Int16Decoder(),
        probe: new Int16Decoder(),
      }),
      decoder: () => new FrameDecoder(new Int16Decoder(), sampleRateHz),
      jitterMs: JITTER_MS,
      hidesPauses: false,
    });
  }

  /** For speech-to-text. */
  get chunks(): VoicedChunks {
    return this.#door.chunks;
  }

  /** Takes audio as it arrives. Throws InvalidRequestError for what is no whole sample, and a timestamp that is no number. */
  receive({ bytes, timestampMs }: { bytes: Uint8Array; timestampMs?: number }, nowMs: number): void {
    checkTimestamp(timestampMs);
    const samples = monoOf(bytes, this.#format);
    const durationMs = samples.length / this.#format.sampleRateHz * 1_000;
    const gapMs = this.#door.arrive(durationMs, timestampMs, nowMs);
    if (gapMs > 0) {
      this.#endStream();
      this.#door.pause(gapMs);
    }
    if (!this.#door.admit(durationMs, Math.ceil(durationMs / BLOCK_MS))) return;
    this.#fill(this.#resampler?.process(samples) ?? samples);
    this.#door.notify();
  }

  /** See DoorVoice. */
  get aheadMs(): number {
    return this.#door.aheadMs;
  }

  nextDeadline(): number | undefined {
    return this.#door.nextDeadline();
  }

  /** To be called at the deadline: passes on what is held, but for the few ms in the resampler. */
  due(): void {
    this.#complete();
    this.#door.passHeld();
  }

  /** The audio has ended; what waits in `chunks` can still be taken. */
  flush(): void {
    this.#endStream();
    this.#door.flush();
  }

  [Symbol.dispose](): void {
    this.#door[Symbol.dispose]();
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
    this.#complete();
  }

  #complete(): void {
    if (this.#filled === 0) return;
    const block = this.#block.subarray(0, this.#filled);
    this.#filled = 0;
    this.#door.pass(
      new Uint8Array(block.buffer, block.byteOffset, block.byteLength),
      block.length / this.#sampleRateHz * 1_000,
    );
  }
}

/** Throws InvalidRequestError: JSON has no such numbers, and media time has no place for them. */
export function checkTimestamp(timestampMs: number | undefined): void {
  if (timestampMs !== undefined && !Number.isFinite(timestampMs)) {
    throw new InvalidRequestError("must be a finite number of milliseconds", "timestampMs");
  }
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
