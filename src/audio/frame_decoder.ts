/**
 * Frames of a timeline -> samples of the same duration. Lost packets are recovered from the copy that the next packet may
 * carry (in-band FEC), or concealed for 100 ms; after that a recogniser is better off with zeros.
 */
import type { CodedFrame } from "../domain/mod.ts";
import type { PacketDecoder, Samples } from "./opus.ts";
import { isDtxPacket, SHORTEST_FRAME_TICKS, TICKS_PER_MS } from "./opus_packet.ts";

/** Concealment extrapolates the voice; past this it only makes noise. */
const CONCEAL_MS = 100;
/**
 * Concealment that fades out a voice whose end is not decoded. Measured on speech cut in mid-word: without it the next
 * pre-roll begins with 20 ms of -20 dBFS, with it below -50 (SILK, hybrid; CELT alone -25).
 */
const FADE_MS = 120;

/** What samples were decoded from. */
export type SampleOrigin =
  /** An Opus packet. */
  | "decoded"
  /** An Opus packet without audio (DTX), or a pause: zeros. */
  | "empty"
  /** A packet that is no Opus, or was lost: concealed, or zeros. */
  | "missing";

/** Its samples are valid until it returns, and may be changed. */
export type EmitSamples = (frame: CodedFrame, samples: Samples, origin: SampleOrigin) => void;

export class FrameDecoder implements Disposable {
  /** Time concealed since the last packet decoded, ms. */
  #concealedMs = CONCEAL_MS;
  /** The newest lost packet: the next packet may carry a copy. */
  #lost: CodedFrame | undefined;

  /** Owns the decoder from here on. */
  constructor(private readonly decoder: PacketDecoder, private readonly sampleRateHz: number) {}

  /** A voice begins: nothing was decoded yet that could be extrapolated. */
  begin(): void {
    this.#concealedMs = CONCEAL_MS;
    this.#lost = undefined;
  }

  /** A voice ends, and its end will not be decoded. */
  fade(): void {
    this.decoder.conceal(FADE_MS);
  }

  /** Emits samples for the packet lost before `next`; to be called before `next` is filled. */
  settle(next: CodedFrame | undefined, emit: EmitSamples): void {
    const lost = this.#lost;
    if (!lost) return;
    this.#lost = undefined;
    this.#conceal(
      lost,
      next?.kind === "coded" && !isDtxPacket(next.payload) ? next.payload : undefined,
      emit,
    );
  }

  /** Emits the samples of a frame; those of a lost packet once the next frame is here. */
  fill(frame: CodedFrame, emit: EmitSamples): void {
    if (frame.kind === "lost") {
      this.#lost = frame;
      return;
    }
    if (frame.kind === "silence" || isDtxPacket(frame.payload)) {
      return emit(frame, this.#zeros(frame), "empty");
    }
    const samples = this.decoder.decode(frame.payload);
    if (!samples) return this.#conceal(frame, undefined, emit);
    this.#concealedMs = 0;
    emit(frame, samples, "decoded");
  }

  [Symbol.dispose](): void {
    this.#lost = undefined;
    this.decoder[Symbol.dispose]();
  }

  #conceal(frame: CodedFrame, next: Uint8Array | undefined, emit: EmitSamples): void {
    const { durationMs } = frame;
    const isConcealable = durationMs > 0 && durationMs % (SHORTEST_FRAME_TICKS / TICKS_PER_MS) === 0;
    if (this.#concealedMs + durationMs > CONCEAL_MS || !isConcealable) {
      return emit(frame, this.#zeros(frame), "missing");
    }
    this.#concealedMs += durationMs;
    const samples = next ? this.decoder.recover(next, durationMs) : this.decoder.conceal(durationMs);
    emit(frame, samples, "missing");
  }

  #zeros({ startMs, durationMs }: CodedFrame): Samples {
    const start = Math.round(startMs * this.sampleRateHz / 1_000);
    const end = Math.round((startMs + durationMs) * this.sampleRateHz / 1_000);
    return new Float32Array(end - start);
  }
}
