/**
 * The receiving half of SRTP for one DTLS association (RFC 3711): datagram in, authenticated RTP out. In werift's place
 * because it is done fifty times a second for every speaker: the header is read where it lies, and all that a packet
 * leaves behind is its payload. Nothing of a packet is believed, and nothing remembered, before it is authenticated.
 */
import { Budget } from "../domain/mod.ts";
import { Reception } from "./reception.ts";
import { PACKET_BYTES_MAX, type SrtpTransform } from "./srtp_transform.ts";

/** Valid until the next packet is received, by anybody on this thread. */
export interface ReceivedRtp {
  readonly payloadType: number;
  /** 16 bit. */
  readonly sequence: number;
  /** 32 bit. */
  readonly timestamp: number;
  readonly ssrc: number;
  /** As `receive` was told. */
  readonly arrivedMs: number;
  /** Without padding, so it may be empty. */
  readonly payload: Uint8Array;
}

/** Why a packet was refused. */
export type SrtpRefusal =
  /** No RTP: cut short, longer than a datagram is, or padded with more than it holds. */
  | "malformed"
  /** It came before, or is too old to tell. */
  | "replayed"
  /** Not authentic. */
  | "forged"
  /** There are more sources than anybody needs. */
  | "too_many_sources";

/**
 * An SFU gives a subscription one SSRC and keeps it. More than this many are refused: forgetting one instead would let
 * its packets be replayed. The connection then goes silent, and whoever watches it gets a new one.
 */
const SOURCES_MAX = 64;
/** New ones: a publisher that starts over may be another source, and nobody starts over more often than this for long. */
const NEW_SOURCES_PER_SECOND = 1;
const NEW_SOURCES_AT_ONCE = 8;
const FIXED_HEADER_BYTES = 12;

/** Has the transform for its own: disposing ends both. */
export class SrtpReceiver implements Disposable {
  readonly #transform: SrtpTransform;
  /** By SSRC; only sources that sent an authentic packet. */
  readonly #sources = new Map<number, Reception>();
  readonly #newSources = new Budget(NEW_SOURCES_PER_SECOND, NEW_SOURCES_AT_ONCE);
  readonly #received = {
    payloadType: 0,
    sequence: 0,
    timestamp: 0,
    ssrc: 0,
    arrivedMs: 0,
    payload: new Uint8Array(),
  };

  constructor(transform: SrtpTransform) {
    this.#transform = transform;
  }

  /** How each source's packets arrive, by SSRC. */
  get sources(): ReadonlyMap<number, Reception> {
    return this.#sources;
  }

  /** The RTP packet in an SRTP datagram that arrived at a time, monotonic ms, or why it is refused. */
  receive(packet: Uint8Array, arrivedMs: number): ReceivedRtp | SrtpRefusal {
    const headerBytes = rtpHeaderBytes(packet);
    if (headerBytes + this.#transform.tagBytes > packet.length || packet.length > PACKET_BYTES_MAX) {
      return "malformed";
    }
    const sequence = packet[2] << 8 | packet[3];
    const ssrc = readUint32(packet, 8);
    let source = this.#sources.get(ssrc);
    if (!source && this.#sources.size === SOURCES_MAX) return "too_many_sources";
    let rollovers = source?.index.rolloversOf(sequence) ?? 0;
    const isOld = source !== undefined && !source.index.isNew(rollovers, sequence);
    if (source && isOld) {
      const ahead = source.index.rolloversAhead(rollovers, sequence);
      if (ahead === undefined) return "replayed";
      rollovers = ahead;
    }
    const payload = this.#transform.open(packet, headerBytes, ssrc, rollovers);
    if (!payload) return isOld ? "replayed" : "forged";
    if (!source) {
      if (!this.#newSources.spend(arrivedMs)) return "too_many_sources"; // forged ones cost nothing of this
      this.#sources.set(ssrc, source = new Reception(ssrc, sequence));
    }
    const timestamp = readUint32(packet, 4);
    source.index.add(rollovers, sequence);
    source.arrived(timestamp, arrivedMs);
    const unpadded = (packet[0] & 0x20) === 0 ? payload : withoutPadding(payload);
    if (!unpadded) return "malformed";
    const received: { -readonly [K in keyof ReceivedRtp]: ReceivedRtp[K] } = this.#received;
    received.payloadType = packet[1] & 0x7f;
    received.sequence = sequence;
    received.timestamp = timestamp;
    received.ssrc = ssrc;
    received.arrivedMs = arrivedMs;
    received.payload = unpadded;
    return received;
  }

  /** Gives back the keys. No packet is authentic any more. */
  [Symbol.dispose](): void {
    this.#transform[Symbol.dispose]();
  }
}

/** Whether a datagram is SRTP or SRTCP: neither STUN nor DTLS (RFC 7983). */
export function isMedia(datagram: Uint8Array): boolean {
  return datagram[0] >= 128 && datagram[0] <= 191;
}

/** Whether a datagram that is one of the two is SRTCP (RFC 5761, section 4). */
export function isSrtcp(datagram: Uint8Array): boolean {
  return datagram[1] >= 192 && datagram[1] <= 223;
}

/** Length of the header with its contributing sources and extension (RFC 3550, section 5.1); Infinity if cut short. */
function rtpHeaderBytes(packet: Uint8Array): number {
  const bytes = FIXED_HEADER_BYTES + 4 * (packet[0] & 0x0f);
  if ((packet[0] & 0x10) === 0) return bytes;
  return bytes + 4 > packet.length ? Infinity : bytes + 4 + 4 * (packet[bytes + 2] << 8 | packet[bytes + 3]);
}

/** Undefined when it claims more padding than there is. */
function withoutPadding(payload: Uint8Array): Uint8Array | undefined {
  const padding = payload.at(-1) ?? 0;
  return padding > 0 && padding <= payload.length ? payload.subarray(0, payload.length - padding) : undefined;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
}
