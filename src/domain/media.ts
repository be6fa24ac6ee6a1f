/**
 * What audio is called on its way from the network to speech-to-text. Media time is milliseconds since the
 * speaker's first packet, counted by RTP timestamps; it never drifts from what was spoken.
 */

/** One received RTP packet carrying Opus (RFC 3550, RFC 7587: 48 kHz clock whatever the codec's own rate). */
export interface RtpPacket {
  /** 16-bit sequence number, wraps. */
  sequence: number;
  /** 32-bit RTP timestamp in 1/48000 s, wraps. */
  timestamp: number;
  /** RFC 3550 synchronisation source; a change means a new stream. */
  ssrc: number;
  /** One Opus packet. Good until the call it was handed to returns: who keeps it takes a copy. */
  payload: Uint8Array;
  /** Monotonic clock, ms. */
  arrivedMs: number;
}

/** One step of a speaker's timeline as it is kept, in order, with no holes and no overlaps. */
export type CodedFrame =
  /** Audio to decode: an Opus packet, or PCM in 16-bit samples. Its payload is lent as in RtpPacket. */
  | { kind: "coded"; startMs: number; durationMs: number; payload: Uint8Array; receivedAtMs: number }
  /** A packet that never came: conceal it. */
  | { kind: "lost"; startMs: number; durationMs: number; receivedAtMs: number }
  /** Time in which the sender sent nothing (DTX, a muted track, a hole too long to conceal): silence of any length. */
  | { kind: "silence"; startMs: number; durationMs: number; receivedAtMs: number };

/** Decoded audio, mono. Outside of `audio/` the samples are whose the frame is, and nobody else's. */
export interface PcmFrame {
  /** In [-1, 1]. */
  samples: Float32Array<ArrayBuffer>;
  sampleRateHz: number;
  /** Media time of the first sample, ms. */
  startMs: number;
  /** Monotonic clock when the newest packet in this frame arrived, ms. */
  receivedAtMs: number;
  /** Whether this frame was judged to hold a voice; false for pre-roll and for the tail after a voice. */
  voiced: boolean;
  /** Set on the last frame before a pause: the framer must not hold its remainder back. */
  endOfVoice: boolean;
}

/**
 * The audio of one speaker's voice, in chunks, as speech-to-text takes it: silence is left out, and what is not taken in
 * time is dropped and counted. What was taken is kept until it is acknowledged, and can be taken again.
 */
export interface VoicedPcm {
  /** Called when there is something to take, and at the end. The reader's to set. */
  onSpeech: () => void;
  /** Whether nothing more will come; what waits can still be taken. */
  readonly hasEnded: boolean;
  /** Whether `take` has something. Drops what has waited too long. */
  hasSpeech(nowMs: number): boolean;
  /**
   * The next chunk, which counts as sent: `markOf` gives what will acknowledge it. Undefined when it is not complete yet.
   */
  take(markOf: (durationMs: number) => number): PcmFrame | undefined;
  /** Takes back the samples of a chunk that nobody reads any more, to use their memory again. */
  recycle(samples: PcmFrame["samples"]): void;
  /** What was sent with a mark of this at the most is acknowledged. */
  acknowledge(mark: number): void;
  /** The session is gone: what it did not acknowledge will be taken again. */
  rewind(): void;
}
