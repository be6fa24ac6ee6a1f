/**
 * A speaker's Opus timeline -> the audio of the voice in it. Silence is never decoded to be thrown away:
 *
 *     silent --(a probed packet is a voice)--> open: the pre-roll, then every packet
 *     open --(no voice for `voiceTailMs`, or silence that long)--> silent, after a frame marked `endOfVoice`
 *
 * Two decoders: `main` decodes what is passed on, `probe` now and then a packet while the gate is closed, and spoils
 * nothing by it. `main` starts a voice with the state of the one before, faded out, and the pre-roll washes the rest
 * out (RFC 7845 section 4.6: Opus converges within 80 ms).
 */
import { type AudioLedger, type CodedFrame, LIMITS, type PcmFrame } from "../domain/mod.ts";
import { type EmitSamples, FrameDecoder } from "./frame_decoder.ts";
import { OpusDecoder, type PacketDecoder } from "./opus.ts";
import { SilenceGate } from "./silence_gate.ts";
import { limitAndMeasureDb, VoiceThreshold } from "./voice_threshold.ts";

export interface VoiceDecoderOptions {
  /** One of 8000, 12000, 16000, 24000, 48000. */
  sampleRateHz: number;
  ledger: AudioLedger;
  /** Audio passed on after a voice stopped. */
  voiceTailMs?: number;
}

/** A silent packet this close below the threshold is worth watching the next ones, dB. */
const STIRRING_DB = 4;

/** Takes audio that is good until it returns: the next is in the same place. `frame` is what it was made of. */
export type EmitAudio = (audio: PcmFrame, frame: CodedFrame) => void;

export class VoiceDecoder implements Disposable {
  readonly #ledger: AudioLedger;
  readonly #voiceTailMs: number;
  readonly #main: FrameDecoder;
  readonly #probe: PacketDecoder;
  readonly #gate: SilenceGate;
  readonly #threshold = new VoiceThreshold();

  /** What is emitted, each time. */
  readonly #audio: PcmFrame;
  #open = false;
  /** Time since the last voiced frame, ms. -Infinity in the pre-roll: a voice that has not begun cannot end. */
  #unvoicedMs = 0;
  /** Who takes the audio in the call under way. */
  #emitTo: EmitAudio = () => {};
  /** Whether the packet being filled is a voice, where that is known without measuring. */
  #isVoice: boolean | undefined;

  /** Takes the decoders over. See `create`. */
  constructor(options: VoiceDecoderOptions, decoders: { main: PacketDecoder; probe: PacketDecoder }) {
    this.#ledger = options.ledger;
    this.#voiceTailMs = options.voiceTailMs ?? LIMITS.voiceTailMs;
    this.#main = new FrameDecoder(decoders.main, options.sampleRateHz);
    this.#probe = decoders.probe;
    this.#gate = new SilenceGate({ ledger: options.ledger, preRollMs: LIMITS.preRollMs });
    this.#audio = {
      samples: new Float32Array(),
      sampleRateHz: options.sampleRateHz,
      startMs: 0,
      receivedAtMs: 0,
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
  receive(frame: CodedFrame, emit: EmitAudio): void {
    this.#emitTo = emit;
    if (this.#open) this.#main.settle(frame, this.#filled);
    if (this.#open) this.#pass(frame);
    else this.#listen(frame);
  }

  /** The timeline has ended: conceals a packet still awaited, and closes the gate. */
  flush(emit: EmitAudio): void {
    this.#emitTo = (audio, frame) => {
      audio.endOfVoice = true;
      emit(audio, frame);
    };
    if (this.#open) this.#main.settle(undefined, this.#filled);
    this.#open = false;
    this.#gate.clear();
  }

  /** Frees the decoders; what the gate held is silent for good. */
  [Symbol.dispose](): void {
    this.#open = false;
    this.#gate.clear();
    this.#main[Symbol.dispose]();
    this.#probe[Symbol.dispose]();
  }

  /** While silent. */
  #listen(frame: CodedFrame): void {
    const attention = this.#gate.hold(frame);
    if (attention === "leave" || frame.kind !== "coded") return;
    const samples = this.#probe.decode(frame.payload);
    if (!samples) return;
    this.#ledger.add("decodedMs", frame.durationMs);
    this.#ledger.add("gatedMs", frame.durationMs);
    if (attention === "prime") return;
    const levelDb = limitAndMeasureDb(samples);
    if (this.#threshold.isVoice(levelDb)) return this.#beginVoice();
    this.#threshold.learn(levelDb, this.#gate.sinceProbeMs);
    this.#gate.heardNothing(this.#threshold.isVoice(levelDb + STIRRING_DB));
  }

  /** Decodes what the gate held; the last of it is the packet with the voice. */
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
    this.#unvoicedMs = 0; // from here on it can end
  }

  /** While open. */
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
        if (frame.kind === "coded") this.#ledger.add("lost"); // it came, and was no Opus
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
