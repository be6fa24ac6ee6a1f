/**
 * RTP packets of a speaker to the audio of the voice in them:
 *
 *     packets -> playout -> voice (gate, decoder) -> chunks
 *
 * One core for all of it: handing frames over from stream to stream would cost more than most of the parts.
 */
import { type CodedFrame, LIMITS, type Meter, type RtpPacket } from "../domain/mod.ts";
import { FrameDecoder } from "./frame_decoder.ts";
import { DecoderSource } from "./opus_choice.ts";
import { Playout } from "./playout.ts";
import { type EmitAudio, VoiceDecoder } from "./voice_decoder.ts";
import { VoicedChunks, type VoiceOptions } from "./voiced_chunks.ts";

export interface RtpVoiceOptions extends VoiceOptions {
  /** Packets the source dropped since the last call. */
  takeDropped: () => number;
}

/** Packets taken at once during silence: few enough for a voice to be noticed hardly later. */
const SILENT_PACKETS = 3;
/** A chunk of packets of 2.5 ms has more than the inbox holds. */
const WANTED_MAX = LIMITS.rtpInboxPackets / 2;
/** What a publisher sends by default. */
const USUAL_PACKET_MS = 20;
/** Jitter allowed for the packets that complete a chunk. */
const LATE_MS = 40;
/** Refusals are counted in the metric this many at a time, which costs more than a refusal. */
const REPORT_EVERY = 50;

/** A TimedCore of flow/. */
export class RtpVoice implements Disposable {
  readonly #meter: Meter;
  readonly #playout: Playout;
  readonly #voice: VoiceDecoder;
  /** Of what waited. */
  readonly #decoders: DecoderSource;
  /** For speech-to-text. */
  readonly chunks: VoicedChunks;
  #packetMs = USUAL_PACKET_MS;
  /** Packets refused, because more audio came than time has passed, and not in the metric yet. */
  #tooFast = 0;

  /** Throws RangeError for a rate Opus does not decode to, and when there are too many decoders. */
  constructor(options: RtpVoiceOptions) {
    const { sampleRateHz, ledger, meter, takeDropped } = options;
    this.#meter = meter;
    const onTooFast = () => {
      if (++this.#tooFast >= REPORT_EVERY) this.#report();
    };
    this.#playout = new Playout({ ledger, takeDropped, onTooFast });
    using opened = new DisposableStack();
    this.#decoders = opened.use(new DecoderSource(sampleRateHz));
    this.#voice = opened.use(VoiceDecoder.create({ sampleRateHz, ledger }));
    this.chunks = new VoicedChunks({
      ...options,
      bytesMax: LIMITS.speechBytes,
      decoder: () => new FrameDecoder(this.#decoders.take(), sampleRateHz),
    });
    opened.move();
  }

  /** As many as complete the next chunk. */
  get inputsWanted(): number {
    // The packet that a held one waits for must not wait itself.
    if (this.#playout.nextDeadline() !== undefined) return 1;
    if (!this.#voice.isOpen) return SILENT_PACKETS;
    return Math.min(Math.ceil(this.chunks.missingMs / this.#packetMs), WANTED_MAX);
  }

  get patienceMs(): number {
    return this.inputsWanted * this.#packetMs + LATE_MS;
  }

  receive(packet: RtpPacket, nowMs: number): void {
    this.#decode(this.#playout.receive(packet, nowMs));
  }

  due(nowMs: number): void {
    this.#decode(this.#playout.due(nowMs));
  }

  nextDeadline(): number | undefined {
    return this.#playout.nextDeadline();
  }

  /** The packets have ended; what waits in `chunks` can still be taken. */
  flush(): void {
    this.#decode(this.#playout.flush());
    this.#voice.flush(this.#emit);
    this.chunks.end();
  }

  [Symbol.dispose](): void {
    this.#playout.clear();
    this.chunks[Symbol.dispose]();
    this.#report();
    this.#voice[Symbol.dispose]();
    this.#decoders[Symbol.dispose]();
  }

  #decode(frames: readonly CodedFrame[]): void {
    // Indices, because an iterator for each packet would be garbage.
    for (let at = 0; at < frames.length; at++) {
      const frame = frames[at];
      if (frame.kind === "coded") this.#packetMs = frame.durationMs;
      this.#voice.receive(frame, this.#emit);
    }
    this.chunks.notify();
  }

  readonly #emit: EmitAudio = (audio, frame) => this.chunks.push(audio, frame);

  #report(): void {
    if (this.#tooFast > 0) this.#meter.count("tiro_rtp_refused_total", "too_fast", this.#tooFast);
    this.#tooFast = 0;
  }
}
