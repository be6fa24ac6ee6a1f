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

/** Takes audio that is good until it returns: the next is in the same place. */
export type EmitAudio = (audio: PcmFrame) => void;

export class VoiceDecoder implements Disposable {
  readonly #sampleRateHz: number;
  readonly #ledger: AudioLedger;
  readonly #voiceTailMs: number;
  readonly #main: PacketDecoder;
  readonly #probe: PacketDecoder;
  readonly #gate: SilenceGate;
  readonly #threshold = new VoiceThreshold();

  /** What is emitted, each time. */
  readonly #audio: PcmFrame;
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
    this.#audio = {
      samples: new Float32Array(),
      sampleRateHz: options.sampleRateHz,
      startMs: 0,
      heardAtMs: 0,
      voiced: false,
      endOfVoice: false,
    };
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

  /** Takes the next frame of the timeline, and emits the audio to pass on, which may reach back by the pre-roll. */
  receive(frame: OpusFrame, emit: EmitAudio): void {
    if (this.#open) this.#settleLost(frame, emit);
    if (this.#open) this.#pass(frame, emit);
    else this.#listen(frame, emit);
  }

  /** The timeline has ended: conceals a packet still awaited, and closes the gate. */
  flush(emit: EmitAudio): void {
    const last: EmitAudio = (audio) => {
      audio.endOfVoice = true;
      emit(audio);
    };
    if (this.#open) this.#settleLost(undefined, last);
    this.#open = false;
    this.#gate.clear();
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
  #listen(frame: OpusFrame, emit: EmitAudio): void {
    const attention = this.#gate.hold(frame);
    if (attention === "leave" || frame.kind !== "opus") return;
    const samples = this.#probe.decode(frame.payload);
    if (!samples) return;
    this.#ledger.add("decodedMs", frame.durationMs);
    this.#ledger.add("gatedMs", frame.durationMs);
    if (attention === "prime") return;
    const levelDb = limitAndMeasureDb(samples);
    if (this.#threshold.isVoice(levelDb)) return this.#beginVoice(emit);
    this.#threshold.learn(levelDb, this.#gate.sinceProbeMs);
    this.#gate.heardNothing(this.#threshold.isVoice(levelDb + STIRRING_DB));
  }

  /** Decodes what the gate held; the last of it is the packet with the voice. */
  #beginVoice(emit: EmitAudio): void {
    const held = this.#gate.release();
    this.#open = true;
    this.#unvoicedMs = -Infinity;
    this.#concealedMs = CONCEAL_MS; // nothing heard yet that concealing could go on from
    for (const [index, frame] of held.entries()) {
      this.#settleLost(frame, emit);
      this.#pass(frame, emit, index === held.length - 1);
    }
    this.#unvoicedMs = 0; // from here on it can end
  }

  /** While open. `voiced` where it is known without listening. */
  #pass(frame: OpusFrame, emit: EmitAudio, voiced?: boolean): void {
    switch (frame.kind) {
      case "lost":
        this.#lost = frame;
        return;
      case "silence":
        this.#emitZeros(frame, Math.min(frame.durationMs, this.#voiceTailMs - this.#unvoicedMs), emit);
        if (!this.#open) this.#main.conceal(FADE_MS);
        return;
      case "opus":
        return this.#decode(frame, emit, voiced);
    }
  }

  #decode(frame: OpusFrame & { kind: "opus" }, emit: EmitAudio, voiced?: boolean): void {
    if (isDtxPacket(frame.payload)) {
      this.#ledger.add("silent");
      return this.#emitZeros(frame, frame.durationMs, emit);
    }
    const samples = this.#main.decode(frame.payload);
    if (!samples) {
      this.#ledger.add("lost");
      return this.#conceal(frame, undefined, emit);
    }
    this.#ledger.add("decoded");
    this.#concealedMs = 0;
    const levelDb = limitAndMeasureDb(samples);
    if (voiced === undefined) {
      voiced = this.#threshold.isVoice(levelDb);
      this.#threshold.learn(levelDb, frame.durationMs);
    }
    this.#emit(frame, samples, voiced, frame.durationMs, emit);
  }

  /** Fills the place of the packet lost before `next`. */
  #settleLost(next: OpusFrame | undefined, emit: EmitAudio): void {
    const lost = this.#lost;
    if (!lost) return;
    this.#lost = undefined;
    this.#conceal(lost, next?.kind === "opus" && !isDtxPacket(next.payload) ? next.payload : undefined, emit);
  }

  #conceal(frame: OpusFrame, next: Uint8Array | undefined, emit: EmitAudio): void {
    const { durationMs } = frame;
    if (this.#concealedMs + durationMs > CONCEAL_MS || !isConcealable(durationMs)) {
      return this.#emitZeros(frame, durationMs, emit);
    }
    this.#concealedMs += durationMs;
    const samples = next ? this.#main.recover(next, durationMs) : this.#main.conceal(durationMs);
    const isVoice = this.#threshold.isVoice(limitAndMeasureDb(samples));
    this.#emit(frame, samples, isVoice && this.#unvoicedMs >= 0, durationMs, emit);
  }

  #emitZeros(frame: OpusFrame, durationMs: number, emit: EmitAudio): void {
    const start = Math.round(frame.startMs * this.#sampleRateHz / 1_000);
    const end = Math.round((frame.startMs + durationMs) * this.#sampleRateHz / 1_000);
    this.#emit(frame, new Float32Array(end - start), false, durationMs, emit);
  }

  #emit(frame: OpusFrame, samples: Samples, voiced: boolean, durationMs: number, emit: EmitAudio): void {
    this.#ledger.add("decodedMs", durationMs);
    this.#unvoicedMs = voiced ? 0 : this.#unvoicedMs + durationMs;
    const endOfVoice = this.#unvoicedMs >= this.#voiceTailMs;
    if (endOfVoice) this.#open = false;
    const audio = this.#audio;
    audio.samples = samples;
    audio.startMs = frame.startMs;
    audio.heardAtMs = frame.heardAtMs;
    audio.voiced = voiced;
    audio.endOfVoice = endOfVoice;
    emit(audio);
  }
}

function isConcealable(durationMs: number): boolean {
  return durationMs > 0 && durationMs % (SHORTEST_FRAME_TICKS / TICKS_PER_MS) === 0;
}
