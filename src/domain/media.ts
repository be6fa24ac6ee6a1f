/**
 * Audio from the network to speech-to-text. Media time is ms since the speaker's first packet, by RTP timestamps; it never
 * drifts from speech.
 */

/** One received RTP packet carrying Opus (RFC 3550, RFC 7587: 48 kHz clock whatever the codec's own rate). */
export interface RtpPacket {
  /** 16-bit sequence number, wraps. */
  sequence: number;
  /** 32-bit RTP timestamp in 1/48000 s, wraps. */
  timestamp: number;
  /** RFC 3550 synchronisation source; a change means a new stream. */
  ssrc: number;
  /** One Opus packet. Valid until the function it is passed to returns: copy it to keep it. */
  payload: Uint8Array;
  /** Monotonic clock, ms. */
  arrivedMs: number;
}

/** One step of a speaker's timeline, in order, without gaps and overlaps. */
export type CodedFrame =
  /** Audio to decode: an Opus packet, or PCM in 16-bit samples. Its payload is valid as in RtpPacket. */
  | { kind: "coded"; startMs: number; durationMs: number; payload: Uint8Array; receivedAtMs: number }
  /** A packet never received: conceal it. */
  | { kind: "lost"; startMs: number; durationMs: number; receivedAtMs: number }
  /** Time in which the sender sent nothing (DTX, a muted track, a gap too long to conceal): silence of any length. */
  | { kind: "silence"; startMs: number; durationMs: number; receivedAtMs: number };

/** Decoded audio, mono. Outside of `audio/` the samples belong to the owner of the frame. */
export interface PcmFrame {
  /** In [-1, 1]. */
  samples: Float32Array<ArrayBuffer>;
  sampleRateHz: number;
  /** Media time of the first sample, ms. */
  startMs: number;
  /** Monotonic clock when the newest packet in this frame arrived, ms. */
  receivedAtMs: number;
  /** Whether this frame contains a voice; false for pre-roll and for the tail after a voice. */
  voiced: boolean;
  /** Set on the last frame before a pause. */
  endOfVoice: boolean;
}

/**
 * The audio of one speaker's voice, in chunks for speech-to-text: without silence; dropped and counted when it is not
 * taken in time; kept after that until it is acknowledged, to be sent again.
 */
export interface VoicedPcm {
  /** Set by the reader; called when there is something to take, and at the end. */
  onSpeech: () => void;
  /** Whether no more audio arrives; queued audio can still be taken. */
  readonly hasEnded: boolean;
  /** Whether `take` has something. Drops audio that is too old. */
  hasSpeech(nowMs: number): boolean;
  /** The next chunk, which counts as sent until its mark is acknowledged. Undefined while it is incomplete. */
  take(markOf: (durationMs: number) => number): PcmFrame | undefined;
  /** Returns the samples of a chunk that is not read any more, to reuse their memory. */
  recycle(samples: PcmFrame["samples"]): void;
  /** Acknowledges chunks up to this mark. */
  acknowledge(mark: number): void;
  /** The session has ended: unacknowledged chunks will be taken again. Returns how much of them, ms. */
  rewind(): number;
}
