/**
 * Frames of a timeline -> samples, one for each frame and as long. Lost packets are recovered from a copy that the next
 * may carry, or concealed for 100 ms; after that a recogniser is better off with zeros. Counts nothing and judges no
 * loudness: its owners do.
 */
import type { CodedFrame } from "../domain/mod.ts";
import type { PacketDecoder, Samples } from "./opus.ts";
import { isDtxPacket, SHORTEST_FRAME_TICKS, TICKS_PER_MS } from "./opus_packet.ts";

/** Concealment invents a voice from the last one heard; past this it invents noise. */
const CONCEAL_MS = 100;
/**
 * Concealment that lets a voice fade out of a decoder that will not hear its end. Measured on speech cut in mid-word:
 * without it the next pre-roll begins with 20 ms of -20 dBFS, with it below -50 (SILK, hybrid; CELT alone -25).
 */
const FADE_MS = 120;

/** What samples were made of. */
export type SampleOrigin =
  /** An Opus packet. */
  | "decoded"
  /** An Opus packet without audio in it, or a pause: zeros. */
  | "empty"
  /** A packet that is no Opus, or never came: concealed, or zeros. */
  | "missing";

/** Takes samples that are good until it returns, and may be changed. */
export type EmitSamples = (frame: CodedFrame, samples: Samples, origin: SampleOrigin) => void;

export class FrameDecoder implements Disposable {
  /** Time concealed since the last packet decoded, ms. */
  #concealedMs = CONCEAL_MS;
  /** The newest lost packet: the packet after it may carry a copy. */
  #lost: CodedFrame | undefined;

  /** Takes the decoder over. */
  constructor(private readonly decoder: PacketDecoder, private readonly sampleRateHz: number) {}

  /** A voice begins: nothing was heard yet that concealing could go on from. */
  begin(): void {
    this.#concealedMs = CONCEAL_MS;
    this.#lost = undefined;
  }

  /** The voice is over and its end will not be decoded. */
  fade(): void {
    this.decoder.conceal(FADE_MS);
  }

  /** Fills the place of the packet lost before `next`; to be called before `next` is filled. */
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

  /** Emits the samples of the frame; those of a lost packet once the next has come. */
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
    if (this.#concealedMs + durationMs > CONCEAL_MS || !isConcealable(durationMs)) {
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

function isConcealable(durationMs: number): boolean {
  return durationMs > 0 && durationMs % (SHORTEST_FRAME_TICKS / TICKS_PER_MS) === 0;
}
