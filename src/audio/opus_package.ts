/**
 * libopus' decoder as the npm package libopus-wasm has it, for MEDIA_OPUS=libopus-wasm; loaded only then. The package
 * opens decoders asynchronously, but within microtasks: a decoder opened in one task can be used in the next, and throws
 * before. `DecoderSource` (opus_choice.ts) opens one ahead for those that are used at once.
 */
import { createDecoder, loadLibopus, type OpusDecoderHandle, OpusError } from "libopus-wasm";
import {
  type OpusRate,
  opusRate,
  PACKET_BYTES_MAX,
  type PacketDecoder,
  type Samples,
  samplesIn,
} from "./opus.ts";

await loadLibopus();

/** Four for each of 1,024 speakers: for the voice, to probe silence, for what waited, and one ahead of that. */
const DECODERS_MAX = 4 * 1_024;
let opened = 0;

export class PackageDecoder implements PacketDecoder {
  readonly #rateHz: OpusRate;
  #handle: OpusDecoderHandle | undefined;
  /** Why there is no handle; undefined while one is opened after a trap. */
  #cause: unknown = new Error("it is still being opened");
  #isOpen = true;

  /** Throws RangeError for a rate libopus does not decode to, and past 4,096 decoders. */
  constructor(sampleRateHz: number) {
    this.#rateHz = opusRate(sampleRateHz);
    if (opened >= DECODERS_MAX) throw new RangeError("Cannot decode Opus: too many decoders are open");
    opened++;
    this.#open();
  }

  decode(payload: Uint8Array): Samples | undefined {
    return this.#run(payload);
  }

  conceal(durationMs: number): Samples {
    const frameSize = samplesIn(durationMs, this.#rateHz);
    return this.#run(null, { frameSize }) ?? new Float32Array(frameSize);
  }

  recover(next: Uint8Array, durationMs: number): Samples {
    const frameSize = samplesIn(durationMs, this.#rateHz);
    return this.#run(next, { frameSize, decodeFec: true }) ?? this.conceal(durationMs);
  }

  /** Frees the decoder; a second time does nothing. */
  [Symbol.dispose](): void {
    if (this.#isOpen) opened--;
    this.#isOpen = false;
    free(this.#handle);
    this.#handle = undefined;
  }

  #open(): void {
    createDecoder({ sampleRate: this.#rateHz, channels: 1 }).then(
      (handle) => this.#isOpen ? this.#handle = handle : free(handle),
      (error: unknown) => this.#cause = error,
    );
  }

  /** Undefined for what libopus refuses, and after disposal. */
  #run(packet: Uint8Array | null, options?: { frameSize: number; decodeFec?: boolean }): Samples | undefined {
    if (!this.#isOpen || (packet?.length ?? 0) > PACKET_BYTES_MAX) return undefined;
    const handle = this.#handle;
    if (!handle && this.#cause === undefined) return undefined;
    if (!handle) throw new Error("Cannot decode Opus: the decoder is not open", { cause: this.#cause });
    try {
      return handle.decodeFloat(packet, options) as Samples; // a copy, which has its own ArrayBuffer
    } catch (error) {
      if (error instanceof OpusError || error instanceof RangeError) return undefined;
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      // A check in libopus failed, which no packet is known to cause: a new decoder takes this one's place. What the trap
      // left on the package's stack stays there. After some 5,000 failed checks that is full: then no decoder of this
      // thread works, none can be opened, and decoding throws.
      this.#handle = this.#cause = undefined;
      this.#open();
      free(handle);
      return undefined;
    }
  }
}

/** After a trap this may trap as well: then the decoder's memory is lost. */
function free(handle: OpusDecoderHandle | undefined): void {
  try {
    handle?.free();
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
  }
}
