/**
 * Parses the header of an Opus packet (RFC 6716 section 3): its duration, and whether it has audio. The decoder may still
 * refuse a packet that is accepted here.
 */

/** The RTP clock of Opus is 48 kHz, whatever the decoder's rate (RFC 7587 section 4.1). */
export const TICKS_PER_MS = 48;

/** The shortest Opus frame, 2.5 ms; every duration is a multiple of it. */
export const SHORTEST_FRAME_TICKS = 120;

/** 120 ms (RFC 6716 section 3.4, R5). */
export const LONGEST_PACKET_TICKS = 5_760;

/** RFC 6716 table 2: ticks per frame of the configurations 0-11 (SILK), 12-15 (hybrid) and 16-31 (CELT). */
const SILK_TICKS = [480, 960, 1_920, 2_880] as const;
const HYBRID_TICKS = [480, 960] as const;
const CELT_TICKS = [120, 240, 480, 960] as const;

/** The duration of an Opus packet, 1/48000 s; undefined when it breaks a rule of RFC 6716 section 3.4 (R1-R5). */
export function opusPacketTicks(payload: Uint8Array): number | undefined {
  if (payload.length === 0) return undefined;
  const frames = frameCount(payload);
  if (frames === undefined) return undefined;
  const ticks = frames * frameTicks(payload[0] >> 3);
  return ticks > 0 && ticks <= LONGEST_PACKET_TICKS ? ticks : undefined;
}

/** Discontinuous transmission: one or two bytes, three with padding. 3 bytes in 20 ms (1.2 kbit/s) code nothing audible. */
export function isDtxPacket(payload: Uint8Array): boolean {
  return payload.length <= 3;
}

function frameTicks(configuration: number): number {
  if (configuration < 12) return SILK_TICKS[configuration & 3];
  if (configuration < 16) return HYBRID_TICKS[configuration & 1];
  return CELT_TICKS[configuration & 3];
}

/** The frame count code of the TOC byte: one frame, two of equal size, two of different size, or a counted number. */
function frameCount(payload: Uint8Array): number | undefined {
  switch (payload[0] & 3) {
    case 0:
      return 1;
    case 1:
      return (payload.length - 1) % 2 === 0 ? 2 : undefined;
    case 2:
      return firstFrameFits(payload) ? 2 : undefined;
    default:
      return payload.length >= 2 ? payload[1] & 0x3f : undefined;
  }
}

/** Code 2 writes the first frame's length in one byte, or in two when it is 252 or more (section 3.2.1). */
function firstFrameFits(payload: Uint8Array): boolean {
  if (payload.length < 2) return false;
  if (payload[1] < 252) return 2 + payload[1] <= payload.length;
  return payload.length >= 3 && 3 + payload[1] + 4 * payload[2] <= payload.length;
}
