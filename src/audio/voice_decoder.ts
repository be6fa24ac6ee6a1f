/**
 * A speaker's timeline -> the audio of the voice in it. Most of the silence is never decoded:
 *
 *     silent --(a probed packet is a voice)--> open: the pre-roll, then every packet
 *     open --(no voice for `voiceTailMs`, or silence that long)--> silent, after a frame marked `endOfVoice`
 *
 * Two decoders: `main` decodes what is passed on, `probe` a packet now and then during silence. `main` starts a voice
 * with the faded state of the one before, which the pre-roll replaces (RFC 7845 section 4.6: Opus converges in 80 ms).
 */
import { type AudioLedger, type CodedFrame, LIMITS, type PcmFrame } from "../domain/mod.ts";
import { type EmitSamples, FrameDecoder } from "./frame_decoder.ts";
import type { PacketDecoder } from "./opus.ts";
import { openDecoder } from "./opus_choice.ts";
import { SilenceGate } from "./silence_gate.ts";
import { limitAndMeasureDb, VoiceThreshold } from "./voice_threshold.ts";

export interface VoiceDecoderOptions {
  sampleRateHz: number;
  ledger: AudioLedger;
  /** Audio passed on after a voice stopped. */
  voiceTailMs?: number;
}

/** A packet this close below the threshold has the next ones judged too, dB. */
const NEARLY_DB = 4;

/** `audio` is valid until it returns; it was decoded from `frame`. */
export type EmitAudio = (audio: PcmFrame, frame: CodedFrame) => void;

export class VoiceDecoder implements Disposable {
  readonly #ledger: AudioLedger;
  readonly #voiceTailMs: number;
  readonly #main: FrameDecoder;
  readonly #probe: PacketDecoder;
  readonly #gate: SilenceGate;
  readonly #threshold = new VoiceThreshold();

  /** Emitted each time. */
  readonly #audio: PcmFrame;
  #open = false;
  /** Time since the last voiced frame, ms. -Infinity in the pre-roll: a voice that has not begun cannot end. */
  #unvoicedMs = 0;
  /** Of the call in progress. */
  #emitTo: EmitAudio = () => {};
  /** Whether the frame being decoded is a voice, where that is known without measuring. */
  #isVoice: boolean | undefined;

  /** Owns the decoders from here on. */
  constructor(options: VoiceDecoderOptions, decoders: { main: PacketDecoder; probe: PacketDecoder }) {
    this.#ledger = options.ledger;
    this.#voiceTailMs = options.voiceTailMs ?? LIMITS.voiceTailMs;
    this.#main = new FrameDecoder(decoders.main, options.sampleRateHz);
    this.#probe = decoders.probe;
    this.#gate = new SilenceGate({ ledger: options.ledger, preRollMs: LIMITS.preRollMs });
    this.#audio = blankAudio(options.sampleRateHz);
  }

  /** Throws RangeError for a rate Opus does not decode to, and when there are too many decoders. */
  static create(options: VoiceDecoderOptions): VoiceDecoder {
    using opened = new DisposableStack();
    const main = opened.use(openDecoder(options.sampleRateHz));
    const probe = opened.use(openDecoder(options.sampleRateHz));
    opened.move();
    return new VoiceDecoder(options, { main, probe });
  }

  /** Whether frames are passed on. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Takes the next frame of the timeline, and emits the audio to pass on, which may start with the pre-roll. */
  receive(frame: CodedFrame, emit: EmitAudio): void {
    this.#emitTo = emit;
    if (this.#open) this.#main.settle(frame, this.#filled);
    if (this.#open) this.#pass(frame);
    else this.#probeSilence(frame);
  }

  /** The timeline has ended: conceals a lost packet, and ends the voice. */
  flush(emit: EmitAudio): void {
    this.#emitTo = (audio, frame) => {
      audio.endOfVoice = true;
      emit(audio, frame);
    };
    if (this.#open) this.#main.settle(undefined, this.#filled);
    this.#open = false;
    this.#gate.clear();
  }

  /** Frees the decoders; what the gate holds is counted silent. */
  [Symbol.dispose](): void {
    this.#open = false;
    this.#gate.clear();
    this.#main[Symbol.dispose]();
    this.#probe[Symbol.dispose]();
  }

  #probeSilence(frame: CodedFrame): void {
    const attention = this.#gate.hold(frame);
    if (attention === "skip" || frame.kind !== "coded") return;
    const samples = this.#probe.decode(frame.payload);
    if (!samples) return;
    this.#ledger.add("decodedMs", frame.durationMs);
    this.#ledger.add("gatedMs", frame.durationMs);
    if (attention === "prime") return;
    const levelDb = limitAndMeasureDb(samples);
    if (this.#threshold.isVoice(levelDb)) return this.#beginVoice();
    this.#threshold.learn(levelDb, this.#gate.sinceProbeMs);
    this.#gate.noVoice(this.#threshold.isVoice(levelDb + NEARLY_DB));
  }

  /** Decodes what the gate holds; the last packet is the one with the voice. */
  #beginVoice(): void {
    const held = this.#gate.release();
    this.#open = true;
    this.#unvoicedMs = -Infinity;
    this.#main.begin();
    for (const [index, frame] of held.entries()) {
      this.#main.settle(frame, this.#filled);
      this.#isVoice = index === held.length - 1;
      this.#pass(frame);
    }
    this.#isVoice = undefined;
    this.#unvoicedMs = 0; // it can end now
  }

  #pass(frame: CodedFrame): void {
    if (frame.kind !== "silence") return this.#main.fill(frame, this.#filled);
    const durationMs = Math.min(frame.durationMs, this.#voiceTailMs - this.#unvoicedMs);
    this.#main.fill({ ...frame, durationMs }, this.#filled);
    if (!this.#open) this.#main.fade();
  }

  readonly #filled: EmitSamples = (frame, samples, origin) => {
    switch (origin) {
      case "decoded":
        this.#ledger.add("decoded");
        return this.#emit(frame, samples, this.#judge(limitAndMeasureDb(samples), frame.durationMs));
      case "empty":
        if (frame.kind === "coded") this.#ledger.add("silent");
        return this.#emit(frame, samples, false);
      case "missing": {
        if (frame.kind === "coded") this.#ledger.add("lost"); // it arrived, and was no Opus
        const isVoice = this.#threshold.isVoice(limitAndMeasureDb(samples));
        return this.#emit(frame, samples, isVoice && this.#unvoicedMs >= 0);
      }
    }
  };

  /** Whether a decoded packet is a voice. */
  #judge(levelDb: number, durationMs: number): boolean {
    if (this.#isVoice !== undefined) return this.#isVoice;
    const isVoice = this.#threshold.isVoice(levelDb);
    this.#threshold.learn(levelDb, durationMs);
    return isVoice;
  }

  #emit(frame: CodedFrame, samples: PcmFrame["samples"], voiced: boolean): void {
    const { durationMs } = frame;
    this.#ledger.add("decodedMs", durationMs);
    this.#unvoicedMs = voiced ? 0 : this.#unvoicedMs + durationMs;
    const endOfVoice = this.#unvoicedMs >= this.#voiceTailMs;
    if (endOfVoice) this.#open = false;
    const audio = this.#audio;
    audio.samples = samples;
    audio.startMs = frame.startMs;
    audio.receivedAtMs = frame.receivedAtMs;
    audio.voiced = voiced;
    audio.endOfVoice = endOfVoice;
    this.#emitTo(audio, frame);
  }
}

/** A frame to be filled and passed on again and again. */
export function blankAudio(sampleRateHz: number): PcmFrame {
  const samples = new Float32Array();
  return { samples, sampleRateHz, startMs: 0, receivedAtMs: 0, voiced: false, endOfVoice: false };
}
