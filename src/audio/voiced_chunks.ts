/**
 * Audio of a voice, cut into chunks for speech-to-text, which takes them at its own pace:
 *
 *     audio, with its encoded frame --+--> framer -> chunks     live: passed on as it was decoded
 *                                     |      ^
 *                     speech buffer <-'      |                  behind: kept encoded, and decoded again
 *                                     '-> decoder               when it is taken
 *
 * It is live while chunks are taken as they come. When they are not (a cold start, a slow server, a session that has to
 * be opened again) they are discarded and it is behind: what was not sent waits in the buffer, where the oldest is
 * dropped and counted, until all of it has been taken. What was sent stays in the buffer until it is acknowledged, and
 * is taken again after `rewind`.
 */
import {
  type AudioLedger,
  type CodedFrame,
  LIMITS,
  type Meter,
  type PcmFrame,
  type VoicedPcm,
} from "../domain/mod.ts";
import type { EmitSamples, FrameDecoder } from "./frame_decoder.ts";
import { Framer } from "./framer.ts";
import type { Samples } from "./opus.ts";
import { SpeechBuffer } from "./speech_buffer.ts";
import { blankAudio } from "./voice_decoder.ts";
import { limitAndMeasureDb } from "./voice_threshold.ts";

/** Of a speaker's voice, whatever its source. */
export interface VoiceOptions {
  /** Of speech-to-text. */
  sampleRateHz: number;
  /** Length of a whole chunk, 80..200 ms. */
  chunkMs: number;
  ledger: AudioLedger;
  meter: Meter;
}

export interface VoicedChunksOptions extends VoiceOptions {
  /** Encoded bytes that may wait. */
  bytesMax: number;
  /** Opens a decoder for what waited. */
  decoder: () => FrameDecoder;
}

/** More chunks than this waiting means behind: one is being sent, one may complete meanwhile. */
const READY_CHUNKS_MAX = 2;
/** Drops are counted in the metric this many at a time, which costs more than a drop. */
const REPORT_EVERY = 50;

export class VoicedChunks implements VoicedPcm, Disposable {
  onSpeech: () => void = () => {};
  readonly #options: VoicedChunksOptions;
  readonly #framer: Framer;
  readonly #buffer: SpeechBuffer;
  /** Decodes what waited; undefined while live. */
  #decoder: FrameDecoder | undefined;
  #isLive = true;
  readonly #ready: PcmFrame[] = [];
  /** Media time up to which this session has been sent audio: chunks end within frames. */
  #sentToMs = -Infinity;
  #hasEnded = false;
  /** Frames dropped and not in the metric yet. */
  #dropped = 0;
  /** Of the frame being pushed: one object, because there are fifty a second. */
  readonly #flags = { voiced: false, endOfVoice: false, isRead: false };
  /** The frame being decoded again. */
  readonly #again: PcmFrame;

  constructor(options: VoicedChunksOptions) {
    this.#options = options;
    const { sampleRateHz, chunkMs, bytesMax, ledger } = options;
    this.#framer = new Framer({ sampleRateHz, chunkMs });
    this.#buffer = new SpeechBuffer({
      durationMs: LIMITS.speechMs,
      frames: LIMITS.speechFrames,
      bytes: bytesMax,
      onSent: (durationMs) => ledger.add("sentMs", durationMs),
      onDropped: (durationMs, frames) => {
        ledger.add("droppedMs", durationMs);
        this.#dropped += frames;
        if (this.#dropped >= REPORT_EVERY) this.#report();
      },
    });
    this.#again = blankAudio(sampleRateHz);
  }

  // The source's side.

  /** Audio that completes the chunk being filled, ms. */
  get missingMs(): number {
    return this.#framer.missingMs;
  }

  /** Takes audio of a voice, valid until this returns, with the frame it was decoded from. */
  push(audio: PcmFrame, frame: CodedFrame): void {
    if (this.#isLive && this.#ready.length > READY_CHUNKS_MAX) this.#fallBehind();
    const flags = this.#flags;
    flags.voiced = audio.voiced;
    flags.endOfVoice = audio.endOfVoice;
    flags.isRead = this.#isLive;
    if (!this.#buffer.push(frame, flags)) this.#startOver();
    if (this.#isLive) this.#frame(audio);
  }

  /** Calls the reader if there is something to take. */
  notify(): void {
    if (this.#hasEnded || this.#ready.length > 0 || this.#buffer.unread > 0) this.onSpeech();
  }

  /** No more audio arrives for now: the chunk in progress can be taken as it is. */
  passHeld(): void {
    if (this.#isLive) this.#ready.push(...this.#framer.flush());
    this.notify();
  }

  /** Nothing more is pushed; what waits can still be taken. */
  end(): void {
    this.#hasEnded = true;
    this.notify();
  }

  // The reader's side.

  /** Whether audio is taken as it is decoded. */
  get isLive(): boolean {
    return this.#isLive;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  hasSpeech(nowMs: number): boolean {
    if (!this.#isLive && !this.#buffer.expire(nowMs - LIMITS.speechAgeMs)) this.#startOver();
    return this.#ready.length > 0 || this.#buffer.unread > 0 || (this.#hasEnded && this.#framer.isHolding);
  }

  take(markOf: (durationMs: number) => number): PcmFrame | undefined {
    while (this.#ready.length === 0 && this.#takeWaiting());
    if (this.#ready.length === 0 && this.#hasEnded) this.#ready.push(...this.#framer.flush());
    const chunk = this.#ready.shift();
    if (!chunk) return undefined;
    // Frames may come in numbers that make whole chunks: then no later frame would show that all was taken.
    if (this.#ready.length === 0 && this.#buffer.unread === 0) this.#takeWaiting();
    const durationMs = chunk.samples.length / chunk.sampleRateHz * 1_000;
    this.#sentToMs = chunk.startMs + durationMs;
    this.#buffer.sent(this.#sentToMs, markOf(durationMs));
    return chunk;
  }

  recycle(samples: Samples): void {
    this.#framer.recycle(samples);
  }

  acknowledge(mark: number): void {
    this.#buffer.acknowledge(mark);
  }

  rewind(): number {
    const againMs = this.#buffer.rewind();
    this.#sentToMs = -Infinity;
    this.#startOver();
    return againMs;
  }

  /** Closes the decoder. The ledger's owner counts what still waits. */
  [Symbol.dispose](): void {
    this.#discardChunks();
    this.#goLive();
  }

  #frame(audio: PcmFrame): void {
    const completed = this.#framer.receive(audio);
    if (completed.length > 0) this.#ready.push(...completed);
  }

  /** Decodes the next frame that waited; false when there is none, and it is live again. */
  #takeWaiting(): boolean {
    if (this.#isLive) return false;
    const next = this.#buffer.read();
    if (!next) {
      this.#decoder?.settle(undefined, this.#emitAgain);
      this.#goLive();
      return false;
    }
    const decoder = this.#decoder ??= this.#options.decoder();
    decoder.settle(next.frame, this.#emitAgain);
    this.#again.voiced = next.voiced;
    this.#again.endOfVoice = next.endOfVoice;
    decoder.fill(next.frame, this.#emitAgain);
    if (next.endOfVoice) {
      decoder.settle(undefined, this.#emitAgain);
      decoder.fade();
      decoder.begin();
    }
    return true;
  }

  readonly #emitAgain: EmitSamples = (frame, samples, origin) => {
    if (origin !== "empty") limitAndMeasureDb(samples);
    const audio = this.#again;
    const sentSamples = Math.round((this.#sentToMs - frame.startMs) * audio.sampleRateHz / 1_000);
    if (sentSamples >= samples.length) return;
    const isCut = sentSamples > 0;
    audio.samples = isCut ? samples.subarray(sentSamples) : samples;
    audio.startMs = isCut ? this.#sentToMs : frame.startMs;
    audio.receivedAtMs = frame.receivedAtMs;
    this.#frame(audio);
  };

  /** Discards chunks that are not taken: the buffer has their frames. */
  #fallBehind(): void {
    this.#isLive = false;
    this.#discardChunks();
    this.#buffer.reread();
  }

  #goLive(): void {
    this.#isLive = true;
    this.#decoder?.[Symbol.dispose]();
    this.#decoder = undefined;
    this.#report();
  }

  /** Begins again with the oldest frame that is to be sent. */
  #startOver(): void {
    this.#fallBehind();
    this.#decoder?.begin();
    if (this.#buffer.unread === 0) this.#goLive();
  }

  #discardChunks(): void {
    for (const { samples } of this.#ready) this.recycle(samples);
    this.#ready.length = 0;
    this.#framer.reset();
  }

  #report(): void {
    if (this.#dropped > 0) {
      this.#options.meter.count("tiro_queue_dropped_total", "speech", this.#dropped);
    }
    this.#dropped = 0;
  }
}
