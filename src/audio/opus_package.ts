/**
 * libopus' decoder as the npm package libopus-wasm has it, for MEDIA_OPUS=libopus-wasm; loaded only then. The package
 * opens decoders asynchronously, but within microtasks once it is loaded: a decoder opened in one task can be used in the
 * next, and throws before. `DecoderSource` (opus_choice.ts) opens one ahead for those that are used at once.
 */
import { createDecoder, loadLibopus, type OpusDecoderHandle, OpusError } from "libopus-wasm";
import { OPUS_RATES_HZ, PACKET_BYTES_MAX, PACKET_MS_MAX, type PacketDecoder, type Samples } from "./opus.ts";

/** Three for each of 1,024 speakers, one of which is opened ahead. */
const DECODERS_MAX = 3_072;
let opened = 0;

export class PackageDecoder implements PacketDecoder {
  readonly #rateHz: (typeof OPUS_RATES_HZ)[number];
  #handle: OpusDecoderHandle | undefined;
  /** Why there is no handle; undefined while one is opened after the last broke. */
  #cause: unknown = new Error("it is still being opened");
  #isOpen = true;

  /** Resolves once decoders can be opened. */
  static async load(): Promise<void> {
    await loadLibopus();
  }

  /** Throws RangeError for a rate libopus does not decode to, and past 3,072 decoders. */
  constructor(sampleRateHz: number) {
    const rateHz = OPUS_RATES_HZ.find((rateHz) => rateHz === sampleRateHz);
    if (rateHz === undefined) {
      throw new RangeError(
        `Cannot decode Opus at ${sampleRateHz} Hz: the rate must be one of ${OPUS_RATES_HZ.join(", ")}`,
      );
    }
    if (opened >= DECODERS_MAX) throw new RangeError("Cannot decode Opus: too many decoders are open");
    opened++;
    this.#rateHz = rateHz;
    this.#open();
  }

  decode(payload: Uint8Array): Samples | undefined {
    return payload.length === 0 ? undefined : this.#run(payload);
  }

  conceal(durationMs: number): Samples {
    const frameSize = this.#samples(durationMs);
    return this.#run(null, { frameSize }) ?? new Float32Array(frameSize);
  }

  recover(next: Uint8Array, durationMs: number): Samples {
    const frameSize = this.#samples(durationMs);
    return this.#run(next, { frameSize, decodeFec: true }) ?? this.conceal(durationMs);
  }

  /** Frees the decoder; a second time does nothing. */
  [Symbol.dispose](): void {
    if (this.#isOpen) opened--;
    this.#isOpen = false;
    this.#handle?.free();
    this.#handle = undefined;
  }

  #open(): void {
    createDecoder({ sampleRate: this.#rateHz, channels: 1 }).then(
      (handle) => {
        if (this.#isOpen) this.#handle = handle;
        else handle.free();
      },
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
      return new Float32Array(handle.decodeFloat(packet, options));
    } catch (error) {
      if (error instanceof OpusError || error instanceof RangeError) return undefined;
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      // As in opus.ts: only this decoder begins anew.
      this.#handle = this.#cause = undefined;
      handle.free();
      this.#open();
      return undefined;
    }
  }

  #samples(durationMs: number): number {
    if (!(durationMs <= PACKET_MS_MAX)) {
      throw new RangeError(
        `Cannot decode ${durationMs} ms of Opus at once: a packet has ${PACKET_MS_MAX} at most`,
      );
    }
    return durationMs * this.#rateHz / 1_000;
  }
}
