/**
 * The receiving half of SRTP for one DTLS association (RFC 3711): datagram in, authenticated RTP out. Replaces werift's
 * because it runs 50 times a second for each speaker: the header is read in place and only the payload is copied. No
 * state changes before a packet is authenticated.
 */
import { Budget } from "../domain/mod.ts";
import { readUint16, readUint32 } from "./bytes.ts";
import { Reception } from "./reception.ts";
import { PACKET_BYTES_MAX, type SrtpTransform } from "./srtp_transform.ts";

/** Valid until the next packet is received on this thread. */
export interface ReceivedRtp {
  readonly payloadType: number;
  /** 16 bit. */
  readonly sequence: number;
  /** 32 bit. */
  readonly timestamp: number;
  readonly ssrc: number;
  /** Monotonic. */
  readonly arrivedMs: number;
  /** Without padding; may be empty. */
  readonly payload: Uint8Array;
}

/** Why a packet was refused. */
export type SrtpRefusal =
  /** Truncated, too long, or with more padding than payload. */
  | "malformed"
  /** A duplicate, or older than the replay window. */
  | "replayed"
  /** Not authentic. */
  | "forged"
  /** Above SOURCES_MAX, or new ones too often. */
  | "too_many_sources";

/**
 * An SFU uses one SSRC per subscription. Sources above the limit are refused: dropping one instead would let its packets
 * be replayed. The connection then goes silent and is replaced.
 */
const SOURCES_MAX = 64;
/** A publisher that restarts may use a new SSRC; sustained restarts are rarer than this. */
const NEW_SOURCES_PER_SECOND = 1;
const NEW_SOURCES_AT_ONCE = 8;
const FIXED_HEADER_BYTES = 12;

/** Owns the transform: disposing ends both. */
export class SrtpReceiver implements Disposable {
  /** By SSRC; only sources that sent an authentic packet. */
  readonly sources = new Map<number, Reception>();
  readonly #newSources = new Budget(NEW_SOURCES_PER_SECOND, NEW_SOURCES_AT_ONCE);
  readonly #received: { -readonly [K in keyof ReceivedRtp]: ReceivedRtp[K] } = {
    payloadType: 0,
    sequence: 0,
    timestamp: 0,
    ssrc: 0,
    arrivedMs: 0,
    payload: new Uint8Array(),
  };

  constructor(private readonly transform: SrtpTransform) {}

  /** The RTP packet in an SRTP datagram, or why it is refused. */
  receive(packet: Uint8Array, arrivedMs: number): ReceivedRtp | SrtpRefusal {
    const headerBytes = rtpHeaderBytes(packet);
    if (headerBytes + this.transform.tagBytes > packet.length || packet.length > PACKET_BYTES_MAX) {
      return "malformed";
    }
    const sequence = readUint16(packet, 2);
    const ssrc = readUint32(packet, 8);
    let source = this.sources.get(ssrc);
    if (!source && this.sources.size === SOURCES_MAX) return "too_many_sources";
    let rollovers = source?.index.rolloversOf(sequence) ?? 0;
    const isOld = source !== undefined && !source.index.isNew(rollovers, sequence);
    if (source && isOld) {
      const ahead = source.index.rolloversAhead(rollovers, sequence);
      if (ahead === undefined) return "replayed";
      rollovers = ahead;
    }
    const payload = this.transform.open(packet, headerBytes, ssrc, rollovers);
    if (!payload) return isOld ? "replayed" : "forged";
    if (!source) {
      if (!this.#newSources.spend(arrivedMs)) return "too_many_sources"; // not spent by forged ones
      this.sources.set(ssrc, source = new Reception(ssrc, sequence));
    }
    const timestamp = readUint32(packet, 4);
    source.index.add(rollovers, sequence);
    source.arrived(timestamp, arrivedMs);
    const unpadded = (packet[0] & 0x20) === 0 ? payload : withoutPadding(payload);
    if (!unpadded) return "malformed";
    const received = this.#received;
    received.payloadType = packet[1] & 0x7f;
    received.sequence = sequence;
    received.timestamp = timestamp;
    received.ssrc = ssrc;
    received.arrivedMs = arrivedMs;
    received.payload = unpadded;
    return received;
  }

  /** Wipes the keys: no packet is authentic afterwards. */
  [Symbol.dispose](): void {
    this.transform[Symbol.dispose]();
  }
}

/** Whether a datagram is SRTP or SRTCP: neither STUN nor DTLS (RFC 7983). */
export function isMedia(datagram: Uint8Array): boolean {
  return datagram[0] >= 128 && datagram[0] <= 191;
}

/** Whether a datagram for which `isMedia` holds is SRTCP (RFC 5761, section 4). */
export function isSrtcp(datagram: Uint8Array): boolean {
  return datagram[1] >= 192 && datagram[1] <= 223;
}

/** Length of the header with CSRCs and extension (RFC 3550, section 5.1); Infinity if truncated. */
function rtpHeaderBytes(packet: Uint8Array): number {
  const bytes = FIXED_HEADER_BYTES + 4 * (packet[0] & 0x0f);
  if ((packet[0] & 0x10) === 0) return bytes;
  return bytes + 4 > packet.length ? Infinity : bytes + 4 + 4 * readUint16(packet, bytes + 2);
}

/** Undefined when the padding is longer than the payload. */
function withoutPadding(payload: Uint8Array): Uint8Array | undefined {
  const padding = payload.at(-1) ?? 0;
  return padding > 0 && padding <= payload.length ? payload.subarray(0, payload.length - padding) : undefined;
}
