/**
 * Opus in WebM or Ogg, as a recorder sends it live, to the audio of the voice in it:
 *
 *     bytes -> demuxer -> Opus packets -> voice of a door -> chunks
 *
 * Packets wait encoded. A pause is silence of its length, whether the recorder's timestamps show it or, like those of
 * MediaRecorder, stand still while it lasts. Bytes that cannot be such a container are refused, and so are all after them:
 * docs/decisions/0035-containers.md.
 */
import { LIMITS, type SourceOptions } from "../domain/mod.ts";
import { type ContainedPacket, type Demuxer, invalidBytes } from "./containers/container.ts";
import { OggDemuxer } from "./containers/ogg.ts";
import { WebmDemuxer } from "./containers/webm.ts";
import { DoorVoice } from "./door_voice.ts";
import { FrameDecoder } from "./frame_decoder.ts";
import { PACKET_BYTES_MAX } from "./opus.ts";
import { DecoderSource } from "./opus_choice.ts";
import { splitOpusPacket } from "./opus_frames.ts";
import { opusPacketTicks, TICKS_PER_MS } from "./opus_packet.ts";
import { VoiceDecoder } from "./voice_decoder.ts";
import type { VoicedChunks, VoiceOptions } from "./voiced_chunks.ts";

export interface ContainerVoiceOptions extends VoiceOptions {
  container: SourceOptions<"container">["container"];
}

/** Bytes until the first Opus packet: headers and tags. */
const HEADER_BYTES_MAX = 256 * 1024;
/** Bytes between two Opus packets later on: pictures of a video that is recorded, too. */
const OTHER_BYTES_MAX = 1024 * 1024;
/** Bytes without a packet may come for this long: a page of Firefox takes 5 s at the lowest bit rate. */
const OTHER_MS_MAX = 30_000;
/**
 * Bytes are taken no faster than a video of 4 Mbit/s is recorded. Audio is limited by its time; what is skipped has none, and
 * a megabyte of empty elements takes 60 ms of the processor.
 */
const BYTES_PER_MS = 512;
/** Timestamps of a recorder that notes when it got the samples differ by less from their count: a packet of Chromium. */
const JITTER_MS = 60;

export class ContainerVoice implements Disposable {
  readonly #options: ContainerVoiceOptions;
  readonly #demuxer: Demuxer;
  readonly #door: DoorVoice;
  /** Of what waited. */
  readonly #decoders: DecoderSource;
  #hasOpus = false;
  /** Since the last Opus packet, and when the first of them came. */
  #otherBytes = 0;
  #otherSinceMs: number | undefined;
  /** How far the bytes are ahead of their rate, and as of when. */
  #bytesAheadMs = 0;
  #receivedAtMs = 0;
  #error: unknown;

  /** Throws RangeError for a rate Opus does not decode to, and when there are too many decoders. */
  constructor(options: ContainerVoiceOptions) {
    this.#options = options;
    const { container, sampleRateHz, ledger } = options;
    this.#demuxer = container === "webm" ? new WebmDemuxer() : new OggDemuxer();
    using opened = new DisposableStack();
    const decoders = this.#decoders = opened.use(new DecoderSource(sampleRateHz));
    this.#door = new DoorVoice({
      ...options,
      queue: "container",
      bytesMax: LIMITS.speechContainerBytes,
      voice: VoiceDecoder.create({ sampleRateHz, ledger }),
      decoder: () => new FrameDecoder(decoders.take(), sampleRateHz),
      jitterMs: JITTER_MS,
      hidesPauses: true,
    });
    opened.move();
  }

  /** For speech-to-text. */
  get chunks(): VoicedChunks {
    return this.#door.chunks;
  }

  /** Takes the next bytes as they arrive. Throws InvalidRequestError, and then each time: see `ContainerSource`. */
  receive({ bytes }: { bytes: Uint8Array }, nowMs: number): void {
    if (this.#error) throw this.#error;
    const passedMs = nowMs - this.#receivedAtMs;
    this.#bytesAheadMs = Math.max(0, this.#bytesAheadMs - passedMs) + bytes.length / BYTES_PER_MS;
    this.#receivedAtMs = nowMs;
    try {
      this.#play(this.#demux(bytes, nowMs), nowMs);
    } catch (error) {
      this.#error = error;
      throw error;
    }
  }

  /** See DoorVoice. */
  get aheadMs(): number {
    return Math.max(this.#door.aheadMs, this.#bytesAheadMs);
  }

  nextDeadline(): number | undefined {
    return this.#door.nextDeadline();
  }

  /** To be called at the deadline: passes on what is held. */
  due(): void {
    this.#door.passHeld();
  }

  /** The audio has ended; what waits in `chunks` can still be taken. */
  flush(): void {
    this.#door.flush();
  }

  [Symbol.dispose](): void {
    this.#door[Symbol.dispose]();
    this.#decoders[Symbol.dispose]();
  }

  #demux(bytes: Uint8Array, nowMs: number): readonly ContainedPacket[] {
    const packets = this.#demuxer.receive(bytes);
    if (packets.length > 0) {
      this.#hasOpus = true;
      this.#otherBytes = 0;
      this.#otherSinceMs = undefined;
      return packets;
    }
    this.#otherBytes += bytes.length;
    this.#otherSinceMs ??= nowMs;
    if (
      this.#otherBytes > (this.#hasOpus ? OTHER_BYTES_MAX : HEADER_BYTES_MAX) ||
      nowMs - this.#otherSinceMs > OTHER_MS_MAX
    ) throw invalidBytes("must have Opus: there is none in what was sent");
    return packets;
  }

  #play(packets: readonly ContainedPacket[], nowMs: number): void {
    if (packets.length === 0) return;
    const durationsMs = packets.map(({ payload }) => (opusPacketTicks(payload) ?? 0) / TICKS_PER_MS);
    let leftMs = durationsMs.reduce((sum, each) => sum + each, 0);
    for (const [index, { payload, timestampMs }] of packets.entries()) {
      const durationMs = durationsMs[index];
      const isOpus = durationMs > 0;
      if (isOpus) this.#packet(payload, { durationMs, leftMs, timestampMs }, nowMs);
      else this.#lose();
      leftMs -= durationMs;
    }
    this.#door.notify();
  }

  #packet(
    payload: Uint8Array,
    { durationMs, leftMs, timestampMs }: { durationMs: number; leftMs: number; timestampMs?: number },
    nowMs: number,
  ): void {
    const parts = payload.length > PACKET_BYTES_MAX ? splitOpusPacket(payload) : [payload];
    if (!parts) return this.#lose();
    const gapMs = this.#door.arrive(leftMs, timestampMs, nowMs);
    if (gapMs > 0) this.#door.pause(gapMs);
    if (!this.#door.admit(durationMs, parts.length)) return;
    for (const part of parts) this.#door.pass(part, durationMs / parts.length);
  }

  /** No Opus: its time is silence. */
  #lose(): void {
    this.#options.ledger.add("received");
    this.#options.ledger.add("lost");
  }
}
