/**
 * libopus' decoder, mono, as WebAssembly built from opus_decoder/. One instance for a thread, 18 KB for each decoder,
 * which is used again by the next one.
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
export type OpusRate = (typeof OPUS_RATES_HZ)[number];

/** Mono samples around [-1, 1] (libopus may overshoot). */
export type Samples = Float32Array<ArrayBuffer>;

/** A decoder of one stream of packets. Samples are valid until any decoder of this thread is used, and may be changed. */
export interface PacketDecoder extends Disposable {
  /** Undefined when the packet is not Opus. */
  decode(payload: Uint8Array): Samples | undefined;
  /** Conceals a lost packet. `durationMs`: whole 2.5 ms up to 120. */
  conceal(durationMs: number): Samples;
  /**
   * The packet before `next`, from the copy that `next` may carry (in-band FEC, RFC 6716 section 2.1.7), or concealed.
   * `next` is still to be decoded after.
   */
  recover(next: Uint8Array, durationMs: number): Samples;
}

/** The longest packet (RFC 6716, section 2.1.4), ms. */
const PACKET_MS_MAX = 120;
/** Longer packets are refused: an Ethernet frame's 1500 bytes and a margin. */
export const PACKET_BYTES_MAX = packetBytes();
const PACKET_AT = packetAddress();
const SAMPLES_AT = samplesAddress() / Float32Array.BYTES_PER_ELEMENT;
const NO_DECODER = 0;

/** The instance's memory. Starting a decoder may grow it, which detaches these. */
let bytes = new Uint8Array(memory.buffer);
let floats: Samples = new Float32Array(memory.buffer as ArrayBuffer);
/** The samples of the newest packet: reused, since nearly all have the same length. */
let decoded: Samples = floats.subarray(0, 0);

export class OpusDecoder implements PacketDecoder {
  readonly #rateHz: OpusRate;
  #decoder: number;

  /** Throws RangeError for a rate libopus does not decode to, and past 2,048 decoders. */
  constructor(sampleRateHz: number) {
    this.#rateHz = opusRate(sampleRateHz);
    this.#decoder = start(sampleRateHz);
    if (bytes.length === 0) {
      bytes = new Uint8Array(memory.buffer);
      floats = new Float32Array(memory.buffer as ArrayBuffer);
    }
    if (this.#decoder === NO_DECODER) throw new RangeError("Cannot decode Opus: too many decoders are open");
  }

  decode(payload: Uint8Array): Samples | undefined {
    return payload.length === 0
      ? undefined
      : this.#run(payload, samplesIn(PACKET_MS_MAX, this.#rateHz), false);
  }

  conceal(durationMs: number): Samples {
    const count = samplesIn(durationMs, this.#rateHz);
    return this.#run(undefined, count, false) ?? new Float32Array(count);
  }

  recover(next: Uint8Array, durationMs: number): Samples {
    return this.#run(next, samplesIn(durationMs, this.#rateHz), true) ?? this.conceal(durationMs);
  }

  /** Frees the decoder; a second time does nothing. */
  [Symbol.dispose](): void {
    if (this.#decoder !== NO_DECODER) end(this.#decoder);
    this.#decoder = NO_DECODER;
  }

  /** Undefined for what libopus refuses, and after disposal. */
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
      // An assertion of libopus failed, which no packet is known to cause: only this decoder is reset.
      rewindStack();
      reset(decoder, this.#rateHz);
      return undefined;
    }
  }
}

/** RangeError for a rate libopus does not decode to. */
export function opusRate(sampleRateHz: number): OpusRate {
  const known = OPUS_RATES_HZ.find((rateHz) => rateHz === sampleRateHz);
  if (known !== undefined) return known;
  const rates = OPUS_RATES_HZ.join(", ");
  throw new RangeError(`Cannot decode Opus at ${sampleRateHz} Hz: the rate must be one of ${rates}`);
}

/** Samples of so much audio. RangeError for more than a packet has. */
export function samplesIn(durationMs: number, rateHz: OpusRate): number {
  if (durationMs <= PACKET_MS_MAX) return durationMs * rateHz / 1_000;
  throw new RangeError(
    `Cannot decode ${durationMs} ms of Opus at once: a packet has ${PACKET_MS_MAX} at most`,
  );
}

function samplesOf(count: number): Samples {
  if (decoded.length !== count) decoded = floats.subarray(SAMPLES_AT, SAMPLES_AT + count);
  return decoded;
}
