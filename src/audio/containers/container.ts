/** What the demuxers of containers have in common. */
import { InvalidRequestError } from "../../domain/mod.ts";

/** An Opus packet, of at least a byte. The payload is the receiver's. */
export interface ContainedPacket {
  payload: Uint8Array;
  /** Of its first sample, ms from any zero; absent: continues the packet before. */
  timestampMs?: number;
}

export interface Demuxer {
  /** Takes the next bytes, cut anywhere; returns the packets they complete. Throws InvalidRequestError, and is done then. */
  receive(chunk: Uint8Array): ContainedPacket[];
  /** Memory it keeps, bytes. */
  readonly byteLength: number;
}

export function invalidBytes(message: string): InvalidRequestError {
  return new InvalidRequestError(message, "bytes");
}

/** Packets in one call: those of half a minute, 20 ms each. More are bytes in which every one is a packet. */
const PACKETS_MAX = 2_048;

export function checkCount(packets: readonly ContainedPacket[]): void {
  if (packets.length > PACKETS_MAX) throw invalidBytes("must be audio: there are too many packets in it");
}

/** Of the identification header (RFC 7845, section 5.1), which WebM has too. */
const HEAD_BYTES = 19;
const CHANNELS_AT = 9;
const MAPPING_FAMILY_AT = 18;

/** Whether packets with this header are of one stream, mono or stereo. Without a header they are. */
export function isOneStream(head: Uint8Array | undefined): boolean {
  if (!head) return true;
  return startsWith(head, "OpusHead") && head.length >= HEAD_BYTES &&
    head[CHANNELS_AT] >= 1 && head[CHANNELS_AT] <= 2 && head[MAPPING_FAMILY_AT] <= 1;
}

export function startsWith(bytes: Uint8Array, text: string): boolean {
  if (bytes.length < text.length) return false;
  for (let at = 0; at < text.length; at++) if (bytes[at] !== text.charCodeAt(at)) return false;
  return true;
}
