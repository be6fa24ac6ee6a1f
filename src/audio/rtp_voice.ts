/**
 * RTP packets of a speaker to the audio of the voice in them:
 *
 *     packets -> playout -> voice (gate, decoder) -> chunks
 *
 * Takes packets as they come, whatever becomes of the chunks. The parts are pure, so they are one core: a stream's
 * hand-over costs more than most of them.
 */
import { type AudioLedger, type CodedFrame, LIMITS, type Meter, type RtpPacket } from "../domain/mod.ts";
import { FrameDecoder } from "./frame_decoder.ts";
import { OpusDecoder } from "./opus.ts";
import { Playout } from "./playout.ts";
import { type EmitAudio, VoiceDecoder } from "./voice_decoder.ts";
import { VoicedChunks } from "./voiced_chunks.ts";

export interface RtpVoiceOptions {
  /** What speech-to-text wants: one of 8000, 12000, 16000, 24000, 48000. */
  sampleRateHz: number;
  /** Length of a whole chunk, 80..200 ms. */
  chunkMs: number;
  ledger: AudioLedger;
  meter: Meter;
  /** Packets the source dropped since the last call. */
  takeDropped: () => number;
}

/** While nobody speaks a packet in three at the most is listened to, and a voice is not noticed much later for it. */
const LISTENED_PACKETS = 3;
/** Of packets of 2.5 ms a chunk has more than wait anywhere. */
const WANTED_MAX = LIMITS.rtpInboxPackets / 2;
/** What a publisher sends unless told otherwise. */
const USUAL_PACKET_MS = 20;
/** Packets that complete a chunk may be this much later than they would be in an even flow. */
const LATE_MS = 40;
/** Packets refused go to the metric this many at a time, which costs more than a refusal. */
const REPORT_EVERY = 50;

/** A TimedCore of flow/: packets and time in, nothing out; what it makes is taken from `chunks`. */
export class RtpVoice implements Disposable {
  readonly #meter: Meter;
  readonly #playout: Playout;
  readonly #voice: VoiceDecoder;
  /** What the voice said, for speech-to-text. */
  readonly chunks: VoicedChunks;
  #packetMs = USUAL_PACKET_MS;
  /** Packets of audio there was no time for: refused and not in a metric yet. */
  #tooFast = 0;

  /** Throws RangeError for a rate Opus does not decode to, and when there are too many decoders. */
  constructor(options: RtpVoiceOptions) {
    const { sampleRateHz, ledger, meter, takeDropped } = options;
    this.#meter = meter;
    const onTooFast = () => {
      if (++this.#tooFast >= REPORT_EVERY) this.#report();
    };
    this.#playout = new Playout({ ledger, takeDropped, onTooFast });
    this.#voice = VoiceDecoder.create({ sampleRateHz, ledger });
    this.chunks = new VoicedChunks({
      ...options,
      bytesMax: LIMITS.speechBytes,
      decoder: () => new FrameDecoder(new OpusDecoder(sampleRateHz), sampleRateHz),
    });
  }

  /** As many as complete the next chunk. */
  get inputsWanted(): number {
    // What a held packet waits for must not wait in its turn.
    if (this.#playout.isHolding) return 1;
    if (!this.#voice.isOpen) return LISTENED_PACKETS;
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

  /** The packets have ended; what waits can still be taken. */
  flush(): void {
    this.#decode(this.#playout.flush());
    this.#voice.flush(this.#emit);
    this.chunks.end();
  }

  /** Closes the decoders. */
  [Symbol.dispose](): void {
    this.#playout.clear();
    this.chunks[Symbol.dispose]();
    this.#report();
    this.#voice[Symbol.dispose]();
  }

  /** Indices, because an iterator for each packet would be garbage. */
  #decode(frames: readonly CodedFrame[]): void {
    for (let at = 0; at < frames.length; at++) {
      const frame = frames[at];
      if (frame.kind === "coded") this.#packetMs = frame.durationMs;
      this.#voice.receive(frame, this.#emit);
    }
    this.chunks.notify();
  }

  readonly #emit: EmitAudio = (audio, frame) => this.chunks.push(audio, frame);

  /** Moves refusals to the metric. */
  #report(): void {
    if (this.#tooFast > 0) this.#meter.count("tiro_rtp_refused_total", "too_fast", this.#tooFast);
    this.#tooFast = 0;
  }
}
