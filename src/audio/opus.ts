/**
 * libopus as this room uses it: mono decoders, and what is no Opus packet is a value instead of an exception. The library
 * is WebAssembly built from opus_decoder/, with one instance in each thread: 18 KB a decoder, which the next one gets after
 * it has ended. Encodes nothing.
 */
import {
  decode,
  end,
  memory,
  packetAddress,
  packetBytes,
  reset,
  rewindStack,
  samplesAddress,
  start,
} from "./opus.wasm";

/** What libopus decodes to directly, Hz. */
export const OPUS_RATES_HZ = [8_000, 12_000, 16_000, 24_000, 48_000] as const;

/** Mono samples around [-1, 1] (libopus may overshoot), which may be changed. */
export type Samples = Float32Array<ArrayBuffer>;

/** A decoder of one stream: packets go in once and in order. Samples are good until any decoder of this thread is used. */
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

/** The longest packet (RFC 6716, section 2.1.4), ms. */
const PACKET_MS_MAX = 120;
/** Longer packets are refused: an Ethernet frame's 1500 bytes and a margin. */
const PACKET_BYTES_MAX = packetBytes();
/** Where packets go in and samples come out. */
const PACKET_AT = packetAddress();
/** In samples. */
const SAMPLES_AT = samplesAddress() / Float32Array.BYTES_PER_ELEMENT;
const NO_DECODER = 0;

/** All of the instance's memory. Starting a decoder may grow it, which makes another buffer of it. */
let bytes = new Uint8Array(memory.buffer);
let floats: Samples = new Float32Array(memory.buffer as ArrayBuffer);
/** The samples of the newest packet: nearly all have as many as the one before. */
let decoded: Samples = floats.subarray(0, 0);

export class OpusDecoder implements PacketDecoder {
  readonly #rateHz: number;
  #decoder: number;

  /** Throws RangeError for a rate libopus does not decode to, and when there are more decoders than anybody needs. */
  constructor(sampleRateHz: number) {
    if (!OPUS_RATES_HZ.some((rateHz) => rateHz === sampleRateHz)) {
      throw new RangeError(
        `Cannot decode Opus at ${sampleRateHz} Hz: the rate must be one of ${OPUS_RATES_HZ.join(", ")}`,
      );
    }
    this.#rateHz = sampleRateHz;
    this.#decoder = start(sampleRateHz);
    if (bytes.length === 0) {
      bytes = new Uint8Array(memory.buffer);
      floats = new Float32Array(memory.buffer as ArrayBuffer);
    }
    if (this.#decoder === NO_DECODER) throw new RangeError("Cannot decode Opus: too many decoders are open");
  }

  decode(payload: Uint8Array): Samples | undefined {
    return payload.length === 0 ? undefined : this.#run(payload, this.#samples(PACKET_MS_MAX), false);
  }

  conceal(durationMs: number): Samples {
    const count = this.#samples(durationMs);
    return this.#run(undefined, count, false) ?? new Float32Array(count);
  }

  recover(next: Uint8Array, durationMs: number): Samples {
    return this.#run(next, this.#samples(durationMs), true) ?? this.conceal(durationMs);
  }

  /** Gives the memory back; a second time does nothing. */
  [Symbol.dispose](): void {
    if (this.#decoder !== NO_DECODER) end(this.#decoder);
    this.#decoder = NO_DECODER;
  }

  /** Undefined for what libopus refuses; and after the end. */
  #run(packet: Uint8Array | undefined, samplesMax: number, fec: boolean): Samples | undefined {
    const decoder = this.#decoder;
    const packetLength = packet?.length ?? 0;
    if (decoder === NO_DECODER || packetLength > PACKET_BYTES_MAX) return undefined;
    if (packet) bytes.set(packet, PACKET_AT);
    try {
      const count = decode(decoder, packetLength, samplesMax, fec ? 1 : 0);
      return count > 0 ? samplesOf(count) : undefined;
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      // libopus found itself broken, which no packet is known to do: this decoder begins anew, the others go on.
      rewindStack();
      reset(decoder, this.#rateHz);
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

function samplesOf(count: number): Samples {
  if (decoded.length !== count) decoded = floats.subarray(SAMPLES_AT, SAMPLES_AT + count);
  return decoded;
}
