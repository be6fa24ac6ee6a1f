/**
 * A speaker's Opus timeline -> the audio of the voice in it. Silence is never decoded to be thrown away:
 *
 *     silent --(a probed packet is a voice)--> open: the pre-roll, then every packet
 *     open --(no voice for `voiceTailMs`, or silence that long)--> silent, after a frame marked `endOfVoice`
 *
 * Two decoders: `main` hears what is passed on, `probe` now and then a packet while the gate is closed, and spoils
 * nothing by it. `main` starts a voice with the state of the one before, faded out, and the pre-roll washes the rest
 * out (RFC 7845 section 4.6: Opus converges within 80 ms).
 * Lost packets are recovered or concealed for 100 ms; after that a recogniser is better off with zeros.
 */
import { type AudioLedger, LIMITS, type OpusFrame, type PcmFrame } from "../domain/mod.ts";
import { OpusDecoder, type PacketDecoder, type Samples } from "./opus.ts";
import { isDtxPacket, SHORTEST_FRAME_TICKS, TICKS_PER_MS } from "./opus_packet.ts";
import { SilenceGate } from "./silence_gate.ts";
import { limitAndMeasureDb, VoiceThreshold } from "./voice_threshold.ts";

export interface VoiceDecoderOptions {
  /** One of 8000, 12000, 16000, 24000, 48000. */
  sampleRateHz: number;
  ledger: AudioLedger;
  /** Audio passed on from before a voice was noticed. */
  preRollMs?: number;
  /** Audio passed on after a voice stopped. */
  voiceTailMs?: number;
}

/** Concealment invents a voice from the last one heard; past this it invents noise. */
const CONCEAL_MS = 100;
/** A silent packet this close below the threshold is worth watching the next ones, dB. */
const STIRRING_DB = 4;
/**
 * Concealment that lets a voice fade out of a decoder that will not hear its end. Measured on speech cut in mid-word:
 * without it the next pre-roll begins with 20 ms of -20 dBFS, with it below -50 (SILK, hybrid; CELT alone -25).
 */
const FADE_MS = 120;

const NOTHING: readonly PcmFrame[] = Object.freeze([]);

export class VoiceDecoder implements Disposable {
  readonly #sampleRateHz: number;
  readonly #ledger: AudioLedger;
  readonly #voiceTailMs: number;
  readonly #main: PacketDecoder;
  readonly #probe: PacketDecoder;
  readonly #gate: SilenceGate;
  readonly #threshold = new VoiceThreshold();

  /** What `receive` returns while open: one frame, nearly always. */
  readonly #out: PcmFrame[] = [];
  #open = false;
  /** Time since the last voiced frame, ms. -Infinity in the pre-roll: a voice that has not begun cannot end. */
  #unvoicedMs = 0;
  /** Time concealed since the last packet decoded, ms. */
  #concealedMs = 0;
  /** The newest lost packet while open: the packet after it may carry a copy. */
  #lost: OpusFrame | undefined;

  /** Takes the decoders over. See `create`. */
  constructor(options: VoiceDecoderOptions, decoders: { main: PacketDecoder; probe: PacketDecoder }) {
    this.#sampleRateHz = options.sampleRateHz;
    this.#ledger = options.ledger;
    this.#voiceTailMs = options.voiceTailMs ?? LIMITS.voiceTailMs;
    this.#main = decoders.main;
    this.#probe = decoders.probe;
    this.#gate = new SilenceGate({
      ledger: options.ledger,
      preRollMs: options.preRollMs ?? LIMITS.preRollMs,
    });
  }

  /** Throws RangeError for a rate Opus does not decode to, and when there are too many decoders. */
  static create(options: VoiceDecoderOptions): VoiceDecoder {
    using opened = new DisposableStack();
    const main = opened.use(new OpusDecoder(options.sampleRateHz));
    const probe = opened.use(new OpusDecoder(options.sampleRateHz));
    opened.move();
    return new VoiceDecoder(options, { main, probe });
  }

  /** Whether there is a voice, and all that comes is passed on. */
  get isOpen(): boolean {
    return this.#open;
  }

  /**
   * Takes the next frame of the timeline; returns the audio to pass on, which may reach back by the pre-roll, in an array
   * that is good until the next call.
   */
  receive(frame: OpusFrame): readonly PcmFrame[] {
    if (!this.#open) return this.#listen(frame);
    const out = this.#out;
    out.length = 0;
    this.#settleLost(frame, out);
    if (this.#open) this.#pass(frame, out);
    else out.push(...this.#listen(frame));
    return out;
  }

  /** The timeline has ended: conceals a packet still awaited, and closes the gate. */
  flush(): readonly PcmFrame[] {
    const out: PcmFrame[] = [];
    if (this.#open) {
      this.#settleLost(undefined, out);
      const last = out.at(-1);
      if (last) last.endOfVoice = true;
      this.#open = false;
    }
    this.#gate.clear();
    return out.length > 0 ? out : NOTHING;
  }

  /** Frees the decoders; what the gate held is silent for good. */
  [Symbol.dispose](): void {
    this.#open = false;
    this.#lost = undefined;
    this.#gate.clear();
    this.#main[Symbol.dispose]();
    this.#probe[Symbol.dispose]();
  }

  /** While silent. */
  #listen(frame: OpusFrame): readonly PcmFrame[] {
    const attention = this.#gate.hold(frame);
    if (attention === "leave" || frame.kind !== "opus") return NOTHING;
    const samples = this.#probe.decode(frame.payload);
    if (!samples) return NOTHING;
    this.#ledger.add("decodedMs", frame.durationMs);
    this.#ledger.add("gatedMs", frame.durationMs);
    if (attention === "prime") return NOTHING;
    const levelDb = limitAndMeasureDb(samples);
    if (this.#threshold.isVoice(levelDb)) return this.#beginVoice();
    this.#threshold.learn(levelDb, this.#gate.sinceProbeMs);
    this.#gate.heardNothing(this.#threshold.isVoice(levelDb + STIRRING_DB));
    return NOTHING;
  }

  /** Decodes what the gate held; the last of it is the packet with the voice. */
  #beginVoice(): readonly PcmFrame[] {
    const held = this.#gate.release();
    const out: PcmFrame[] = [];
    this.#open = true;
    this.#unvoicedMs = -Infinity;
    this.#concealedMs = CONCEAL_MS; // nothing heard yet that concealing could go on from
    for (const [index, frame] of held.entries()) {
      this.#settleLost(frame, out);
      this.#pass(frame, out, index === held.length - 1);
    }
    this.#unvoicedMs = 0; // from here on it can end
    return out;
  }

  /** While open. `voiced` where it is known without listening. */
  #pass(frame: OpusFrame, out: PcmFrame[], voiced?: boolean): void {
    switch (frame.kind) {
      case "lost":
        this.#lost = frame;
        return;
      case "silence":
        this.#emitZeros(frame, Math.min(frame.durationMs, this.#voiceTailMs - this.#unvoicedMs), out);
        if (!this.#open) this.#main.conceal(FADE_MS);
        return;
      case "opus":
        return this.#decode(frame, out, voiced);
    }
  }

  #decode(frame: OpusFrame & { kind: "opus" }, out: PcmFrame[], voiced?: boolean): void {
    if (isDtxPacket(frame.payload)) {
      this.#ledger.add("silent");
      return this.#emitZeros(frame, frame.durationMs, out);
    }
    const samples = this.#main.decode(frame.payload);
    if (!samples) {
      this.#ledger.add("lost");
      return this.#conceal(frame, undefined, out);
    }
    this.#ledger.add("decoded");
    this.#concealedMs = 0;
    const levelDb = limitAndMeasureDb(samples);
    if (voiced === undefined) {
      voiced = this.#threshold.isVoice(levelDb);
      this.#threshold.learn(levelDb, frame.durationMs);
    }
    this.#emit(frame, samples, voiced, frame.durationMs, out);
  }

  /** Fills the place of the packet lost before `next`. */
  #settleLost(next: OpusFrame | undefined, out: PcmFrame[]): void {
    const lost = this.#lost;
    if (!lost) return;
    this.#lost = undefined;
    this.#conceal(lost, next?.kind === "opus" && !isDtxPacket(next.payload) ? next.payload : undefined, out);
  }

  #conceal(frame: OpusFrame, next: Uint8Array | undefined, out: PcmFrame[]): void {
    const { durationMs } = frame;
    if (this.#concealedMs + durationMs > CONCEAL_MS || !isConcealable(durationMs)) {
      return this.#emitZeros(frame, durationMs, out);
    }
    this.#concealedMs += durationMs;
    const samples = next ? this.#main.recover(next, durationMs) : this.#main.conceal(durationMs);
    const isVoice = this.#threshold.isVoice(limitAndMeasureDb(samples));
    this.#emit(frame, samples, isVoice && this.#unvoicedMs >= 0, durationMs, out);
  }

  #emitZeros(frame: OpusFrame, durationMs: number, out: PcmFrame[]): void {
    const start = Math.round(frame.startMs * this.#sampleRateHz / 1_000);
    const end = Math.round((frame.startMs + durationMs) * this.#sampleRateHz / 1_000);
    this.#emit(frame, new Float32Array(end - start), false, durationMs, out);
  }

  #emit(frame: OpusFrame, samples: Samples, voiced: boolean, durationMs: number, out: PcmFrame[]): void {
    this.#ledger.add("decodedMs", durationMs);
    this.#unvoicedMs = voiced ? 0 : this.#unvoicedMs + durationMs;
    const endOfVoice = this.#unvoicedMs >= this.#voiceTailMs;
    out.push({
      samples,
      sampleRateHz: this.#sampleRateHz,
      startMs: frame.startMs,
      heardAtMs: frame.heardAtMs,
      voiced,
      endOfVoice,
    });
    if (endOfVoice) this.#open = false;
  }
}

function isConcealable(durationMs: number): boolean {
  return durationMs > 0 && durationMs % (SHORTEST_FRAME_TICKS / TICKS_PER_MS) === 0;
}
