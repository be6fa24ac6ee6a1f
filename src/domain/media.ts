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

/** One step of a speaker's timeline, in order, with no holes and no overlaps. */
export type OpusFrame =
  /** An Opus packet to decode; the payload as in RtpPacket. */
  | { kind: "opus"; startMs: number; durationMs: number; payload: Uint8Array; heardAtMs: number }
  /** A packet that never came: conceal it. */
  | { kind: "lost"; startMs: number; durationMs: number; heardAtMs: number }
  /** Time in which the sender sent nothing (DTX, a muted track, a hole too long to conceal): silence of any length. */
  | { kind: "silence"; startMs: number; durationMs: number; heardAtMs: number };

/**
 * Decoded audio, mono. The samples may be changed by who receives the frame, and are lent: once speech-to-text has taken
 * them they are another frame's.
 */
export interface PcmFrame {
  /** In [-1, 1]. */
  samples: Float32Array<ArrayBuffer>;
  sampleRateHz: number;
  /** Media time of the first sample, ms. */
  startMs: number;
  /** Monotonic clock when the newest packet in this frame arrived, ms. */
  heardAtMs: number;
  /** Whether this frame was judged to hold a voice; false for pre-roll and for the tail after a voice. */
  voiced: boolean;
  /** Set on the last frame before a pause: the framer must not hold its remainder back. */
  endOfVoice: boolean;
}

/** Where a speaker's packets come from: a queue. A door provides it; the captioning engine reads it. */
export interface AudioSource {
  /** Packets that wait. */
  readonly size: number;
  /**
   * The packet that waits longest, if any, good until another one comes or is taken. Taking is the only demand: what is
   * not taken is dropped by the source and counted.
   */
  take(): RtpPacket | undefined;
  /** Whether no packet comes any more; those that wait can still be taken. */
  readonly ended: boolean;
  /** Called when a packet came, and at the end. The reader's to set. */
  onArrival: () => void;
  /** Packets the source itself dropped since the last call, because nobody took them in time. */
  takeDropped(): number;
  /** No more packets. */
  end(): void;
}
