/**
 * Packets to chunks for speech-to-text, at the pace speech-to-text takes them, without ever holding packets back:
 *
 *     packets -> playout -> voice (gate, decoder) --+--> framer -> chunks      live: decoded once, passed on at once
 *                                                   |      ^
 *                                    speech buffer <'      |                   behind: kept encoded, and decoded again
 *                                                   '-> decoder                when it is taken
 *
 * While chunks are taken as they come it is live. When they are not (a cold start, a slow server, a session that has to
 * be opened again) the chunks are let go and it is behind: what was not sent waits in the buffer, where the oldest is
 * dropped and counted, until all of it has been taken. What was sent stays in the buffer until it is acknowledged, and
 * is taken again after `rewind`.
 *
 * The parts are pure, so they are one core: a stream's hand-over costs more than most of them.
 */
import {
  type EmitAudio,
  type EmitSamples,
  FrameDecoder,
  Framer,
  limitAndMeasureDb,
  OpusDecoder,
  Playout,
  SamplePool,
  SpeechBuffer,
  VoiceDecoder,
} from "../audio/mod.ts";
import {
  type AudioLedger,
  LIMITS,
  type Meter,
  type OpusFrame,
  type PcmFrame,
  type RtpPacket,
} from "../domain/mod.ts";
import type { TimedCore } from "../flow/mod.ts";

export interface SpeechChunksOptions {
  /** What speech-to-text wants. */
  sampleRateHz: number;
  /** Length of a whole chunk, 80..200 ms. */
  chunkMs: number;
  /** Where memory for chunks comes from. */
  pool: SamplePool;
  ledger: AudioLedger;
  meter: Meter;
  /** Packets the source dropped since the last call. */
  takeDropped: () => number;
}

/** Chunks that wait to be taken before it is behind: one is under way, one may complete meanwhile. */
const READY_CHUNKS_MAX = 2;
/** While nobody speaks a packet in three at the most is listened to, and a voice is not noticed much later for it. */
const LISTENED_PACKETS = 3;
/** Of packets of 2.5 ms a chunk has more than wait anywhere. */
const WANTED_MAX = LIMITS.rtpInboxPackets / 2;
/** What a publisher sends unless told otherwise. */
const USUAL_PACKET_MS = 20;
/** Packets that complete a chunk may be this much later than they would be in an even flow. */
const LATE_MS = 40;
/** Drops go to the metric this many at a time, which costs more than a drop. */
const REPORT_EVERY = 50;
const NONE: readonly never[] = Object.freeze([]);

export class SpeechChunks implements TimedCore<RtpPacket, never>, Disposable {
  /** Called when there is something to take, and at the end. The reader's to set. */
  onSpeech: () => void = () => {};
  readonly #options: SpeechChunksOptions;
  readonly #playout: Playout;
  readonly #voice: VoiceDecoder;
  readonly #framer: Framer;
  readonly #buffer: SpeechBuffer;
  /** Decodes what waited; undefined while live. */
  #waited: FrameDecoder | undefined;
  #isLive = true;
  /** Chunks that are complete. */
  readonly #ready: PcmFrame[] = [];
  /** Media time up to which this session has been sent audio: a frame is not cut where a chunk is. */
  #sentToMs = -Infinity;
  #packetMs = USUAL_PACKET_MS;
  #hasEnded = false;
  /** Packets of speech that waited too long, and of audio there was no time for: dropped and not in a metric yet. */
  #dropped = 0;
  #tooFast = 0;
  /** What is known of the frame that is kept: one object, for there are fifty a second. */
  readonly #flags = { voiced: false, endOfVoice: false, isRead: false };
  /** What is known of the frame that is decoded again. */
  readonly #again: PcmFrame;

  constructor(options: SpeechChunksOptions) {
    this.#options = options;
    const { sampleRateHz, chunkMs, pool, ledger, takeDropped } = options;
    const onTooFast = () => {
      if (++this.#tooFast >= REPORT_EVERY) this.#report();
    };
    this.#playout = new Playout({ ledger, takeDropped, onTooFast });
    this.#voice = VoiceDecoder.create({ sampleRateHz, ledger });
    this.#framer = new Framer({ sampleRateHz, chunkMs, pool });
    this.#buffer = new SpeechBuffer({
      durationMs: LIMITS.speechMs,
      frames: LIMITS.speechFrames,
      bytes: LIMITS.speechBytes,
      onSent: (durationMs) => ledger.add("sentMs", durationMs),
      onDropped: (durationMs, packets) => {
        ledger.add("droppedMs", durationMs);
        this.#dropped += packets;
        if (this.#dropped >= REPORT_EVERY) this.#report();
      },
    });
    this.#again = {
      samples: new Float32Array(),
      sampleRateHz,
      startMs: 0,
      heardAtMs: 0,
      voiced: false,
      endOfVoice: false,
    };
  }

  // The core's side: packets in, whatever becomes of them.

  /** As many as complete the next chunk. */
  get inputsWanted(): number {
    // What a held packet waits for must not wait in its turn.
    if (this.#playout.isHolding) return 1;
    if (!this.#voice.isOpen) return LISTENED_PACKETS;
    return Math.min(Math.ceil(this.#framer.missingMs / this.#packetMs), WANTED_MAX);
  }

  get patienceMs(): number {
    return this.inputsWanted * this.#packetMs + LATE_MS;
  }

  receive(packet: RtpPacket, nowMs: number): readonly never[] {
    return this.#hear(this.#playout.receive(packet, nowMs));
  }

  due(nowMs: number): readonly never[] {
    return this.#hear(this.#playout.due(nowMs));
  }

  nextDeadline(): number | undefined {
    return this.#playout.nextDeadline();
  }

  /** The packets have ended; what waits can still be taken. */
  flush(nowMs: number): readonly never[] {
    this.#hear(this.#playout.flush(nowMs));
    this.#voice.flush(this.#heard);
    this.#hasEnded = true;
    this.onSpeech();
    return NONE;
  }

  // The reader's side.

  /** Whether audio is taken as it is decoded, and not decoded again from what waited. */
  get isLive(): boolean {
    return this.#isLive;
  }

  /** Whether nothing more will come; what waits can still be taken. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Whether `take` has something. Drops what has waited too long. */
  hasSpeech(nowMs: number): boolean {
    if (!this.#isLive && !this.#buffer.expire(nowMs - LIMITS.speechAgeMs)) this.#startOver();
    return this.#ready.length > 0 || this.#buffer.unread > 0 || (this.#hasEnded && this.#framer.isHolding);
  }

  /**
   * The next chunk, which counts as sent: `markOf` gives what will acknowledge it. Undefined when it is not complete yet.
   * Its samples are the caller's to give back.
   */
  take(markOf: (durationMs: number) => number): PcmFrame | undefined {
    while (this.#ready.length === 0 && this.#takeWaiting());
    if (this.#ready.length === 0 && this.#hasEnded) this.#ready.push(...this.#framer.flush());
    const chunk = this.#ready.shift();
    if (!chunk) return undefined;
    // Packets come in the numbers that make a chunk, so that none may be left to show that all was taken.
    if (this.#ready.length === 0 && this.#buffer.unread === 0) this.#takeWaiting();
    const durationMs = chunk.samples.length / chunk.sampleRateHz * 1_000;
    this.#sentToMs = chunk.startMs + durationMs;
    this.#buffer.sent(this.#sentToMs, markOf(durationMs));
    return chunk;
  }

  /** What was sent with a mark of this at the most has been answered for. */
  acknowledge(mark: number): void {
    this.#buffer.acknowledge(mark);
  }

  /** The session is gone: what it did not answer for will be taken again. */
  rewind(): void {
    this.#buffer.rewind();
    this.#sentToMs = -Infinity;
    this.#startOver();
  }

  /** Closes the decoders. What still waits was cut off, which is for the ledger's owner to count. */
  [Symbol.dispose](): void {
    this.#playout.clear();
    this.#letGo();
    this.#catchUp();
    this.#voice[Symbol.dispose]();
  }

  /** Indices, because an iterator for each packet would be garbage. */
  #hear(frames: readonly OpusFrame[]): readonly never[] {
    for (let at = 0; at < frames.length; at++) {
      const frame = frames[at];
      if (frame.kind === "opus") this.#packetMs = frame.durationMs;
      this.#voice.receive(frame, this.#heard);
    }
    if (this.#ready.length > 0 || this.#buffer.unread > 0) this.onSpeech();
    return NONE;
  }

  /** Audio of a voice, with the frame it was made of. */
  readonly #heard: EmitAudio = (audio, frame) => {
    if (this.#isLive && this.#ready.length > READY_CHUNKS_MAX) this.#fallBehind();
    const flags = this.#flags;
    flags.voiced = audio.voiced;
    flags.endOfVoice = audio.endOfVoice;
    flags.isRead = this.#isLive;
    if (!this.#buffer.push(frame, flags)) this.#startOver();
    if (this.#isLive) this.#framed(audio);
  };

  /** Nine packets in ten complete no chunk. */
  #framed(audio: PcmFrame): void {
    const completed = this.#framer.receive(audio);
    if (completed.length > 0) this.#ready.push(...completed);
  }

  /** Decodes the next frame that waited. False when there is none: then it is live again. */
  #takeWaiting(): boolean {
    if (this.#isLive) return false;
    const { sampleRateHz } = this.#options;
    const next = this.#buffer.read();
    if (!next) {
      this.#waited?.settle(undefined, this.#emitAgain);
      this.#catchUp();
      return false;
    }
    const waited = this.#waited ??= new FrameDecoder(new OpusDecoder(sampleRateHz), sampleRateHz);
    waited.settle(next.frame, this.#emitAgain);
    this.#again.voiced = next.voiced;
    this.#again.endOfVoice = next.endOfVoice;
    waited.fill(next.frame, this.#emitAgain);
    if (next.endOfVoice) {
      waited.settle(undefined, this.#emitAgain);
      waited.fade();
      waited.begin();
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
    audio.heardAtMs = frame.heardAtMs;
    this.#framed(audio);
  };

  /** Chunks are not taken as they come: they are let go, for the buffer has what they were made of. */
  #fallBehind(): void {
    this.#isLive = false;
    this.#letGo();
    this.#buffer.reread();
  }

  /** All that waited was taken. */
  #catchUp(): void {
    this.#isLive = true;
    this.#waited?.[Symbol.dispose]();
    this.#waited = undefined;
    this.#report();
  }

  /** Begins again with the oldest frame that is to be sent. */
  #startOver(): void {
    this.#fallBehind();
    this.#waited?.begin();
    if (this.#buffer.unread === 0) this.#catchUp();
  }

  #letGo(): void {
    for (const { samples } of this.#ready) this.#options.pool.give(samples);
    this.#ready.length = 0;
    this.#framer.reset();
  }

  /** Moves drops to the metric. */
  #report(): void {
    const { meter } = this.#options;
    if (this.#dropped > 0) meter.count("tiro_queue_dropped_total", "speech", this.#dropped);
    if (this.#tooFast > 0) meter.count("tiro_rtp_refused_total", "too_fast", this.#tooFast);
    this.#dropped = this.#tooFast = 0;
  }
}
