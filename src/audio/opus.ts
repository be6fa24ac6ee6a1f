/**
 * libopus (WASM) as this room uses it: one mono decoder at one rate, and what is no Opus packet is a value instead of
 * an exception. Decoders share one WASM instance and cost about 25 KB each; disposing gives that back.
 */
import { createDecoder, isOpusError, type OpusDecoderHandle } from "libopus-wasm";

/** What libopus decodes to directly, Hz. */
export const OPUS_RATES_HZ = [8_000, 12_000, 16_000, 24_000, 48_000] as const;
export type OpusRateHz = (typeof OPUS_RATES_HZ)[number];

/** Mono samples around [-1, 1] (libopus may overshoot); the receiver's to keep. */
export type Samples = Float32Array<ArrayBuffer>;

/** A decoder of one stream: packets go in once and in order. */
export interface PacketDecoder extends Disposable {
  /** Decodes a packet; undefined when it is not Opus. */
  decode(payload: Uint8Array): Samples | undefined;
  /** Conceals a packet that never came, by what the stream sounded like. `durationMs`: whole 2.5 ms up to 120. */
  conceal(durationMs: number): Samples;
  /**
   * The packet before `next` by the spare copy of it that `next` may carry (in-band FEC, RFC 6716 section 2.1.7), or
   * concealed where it carries none. `next` is still to be decoded after.
   */
  recover(next: Uint8Array, durationMs: number): Samples;
}

export class OpusDecoder implements PacketDecoder {
  readonly #handle: OpusDecoderHandle;

  private constructor(handle: OpusDecoderHandle) {
    this.#handle = handle;
  }

  /** Throws RangeError for a rate libopus does not decode to. */
  static async create(sampleRateHz: number): Promise<OpusDecoder> {
    if (!isOpusRate(sampleRateHz)) {
      throw new RangeError(
        `Cannot decode Opus at ${sampleRateHz} Hz: the rate must be one of ${OPUS_RATES_HZ.join(", ")}`,
      );
    }
    return new OpusDecoder(await createDecoder({ sampleRate: sampleRateHz, channels: 1 }));
  }

  decode(payload: Uint8Array): Samples | undefined {
    if (payload.length === 0) return undefined;
    try {
      return this.#handle.decodeFloat(payload) as Samples; // a slice of WASM memory: a copy of our own
    } catch (error) {
      if (isOpusError(error)) return undefined;
      throw error;
    }
  }

  conceal(durationMs: number): Samples {
    return this.#handle.decodePacketLossFloat(this.#samples(durationMs)) as Samples;
  }

  recover(next: Uint8Array, durationMs: number): Samples {
    try {
      return this.#handle.decodeFloat(next, {
        decodeFec: true,
        frameSize: this.#samples(durationMs),
      }) as Samples;
    } catch (error) {
      if (isOpusError(error)) return this.conceal(durationMs);
      throw error;
    }
  }

  #samples(durationMs: number): number {
    return durationMs * this.#handle.sampleRate / 1_000;
  }

  /** Frees the WASM memory; a second time does nothing. */
  [Symbol.dispose](): void {
    this.#handle.free();
  }
}

function isOpusRate(rateHz: number): rateHz is OpusRateHz {
  return OPUS_RATES_HZ.some((known) => known === rateHz);
}
