/**
 * Reads STUN messages as far as it takes to judge them (RFC 8489): where the attributes are that prove who sent one.
 * Nothing is copied, and a message that is not well-formed is no message. Attributes after MESSAGE-INTEGRITY other than
 * FINGERPRINT make one malformed: they are not protected, and no ICE agent sends any.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

/** The two bits of a message type that are its class (RFC 8489, section 5). */
export const STUN_CLASSES = { request: 0x000, indication: 0x010, success: 0x100, error: 0x110 } as const;
const CLASS_BITS = 0x110;
export const BINDING_METHOD = 0x001;

export const STUN_ATTRIBUTES = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  messageIntegritySha256: 0x001c,
  priority: 0x0024,
  useCandidate: 0x0025,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const;

const HEADER_BYTES = 20;
const COOKIE = 0x2112_a442;
const FINGERPRINT_XOR = 0x5354_554e;
const SHA1_BYTES = 20;
/** ICE's checks have ten at most, those of TURN some more. */
const ATTRIBUTES_MAX = 32;

/** Whether a datagram is STUN and not one of the other protocols of a WebRTC socket (RFC 7983). */
export function isStun(datagram: Uint8Array): boolean {
  return datagram.length >= HEADER_BYTES && datagram[0] < 4 && uint32(datagram, 4) === COOKIE;
}

export class StunMessage {
  private constructor(
    private readonly bytes: Uint8Array,
    /** Where the value of each attribute begins and ends; of several of one type the first counts. */
    private readonly attributes: ReadonlyMap<number, readonly [start: number, end: number]>,
  ) {}

  /** The message in a datagram; undefined when it is not well-formed, or its FINGERPRINT is not of it. */
  static read(datagram: Uint8Array): StunMessage | undefined {
    if (!isStun(datagram) || uint16(datagram, 2) !== datagram.length - HEADER_BYTES) return undefined;
    if (datagram.length % 4 !== 0) return undefined;
    const attributes = new Map<number, readonly [number, number]>();
    let isSealed = false;
    for (let at = HEADER_BYTES, count = 0; at < datagram.length; count++) {
      if (count === ATTRIBUTES_MAX) return undefined;
      const type = uint16(datagram, at);
      const start = at + 4;
      const end = start + uint16(datagram, at + 2);
      at = end + 3 & ~3;
      if (at > datagram.length) return undefined;
      if (type === STUN_ATTRIBUTES.fingerprint) {
        if (end - start !== 4 || at !== datagram.length) return undefined;
        const expected = (crc32(datagram, start - 4) ^ FINGERPRINT_XOR) >>> 0;
        if (uint32(datagram, start) !== expected) return undefined;
      } else if (isSealed && type !== STUN_ATTRIBUTES.messageIntegritySha256) {
        return undefined;
      }
      if (type === STUN_ATTRIBUTES.messageIntegrity) {
        if (end - start !== SHA1_BYTES) return undefined;
        isSealed = true;
      }
      if (!attributes.has(type)) attributes.set(type, [start, end]);
    }
    return new StunMessage(datagram, attributes);
  }

  /** One of STUN_CLASSES. */
  get class(): number {
    return uint16(this.bytes, 0) & CLASS_BITS;
  }

  get method(): number {
    return uint16(this.bytes, 0) & ~CLASS_BITS;
  }

  /** Hexadecimal. */
  get transactionId(): string {
    let id = "";
    for (const byte of this.bytes.subarray(8, HEADER_BYTES)) id += byte.toString(16).padStart(2, "0");
    return id;
  }

  has(type: number): boolean {
    return this.attributes.has(type);
  }

  /** Where it lies in the datagram. */
  value(type: number): Uint8Array | undefined {
    const range = this.attributes.get(type);
    return range && this.bytes.subarray(...range);
  }

  /** The first part of a USERNAME as ICE makes them (RFC 8445, section 7.2.2): that of whom the message is for. */
  get recipientUfrag(): string | undefined {
    const username = this.value(STUN_ATTRIBUTES.username);
    const colon = username?.indexOf(0x3a) ?? -1;
    return username && colon > 0 ? String.fromCharCode(...username.subarray(0, colon)) : undefined;
  }

  /** Whether its MESSAGE-INTEGRITY was made with a password (RFC 8489, section 14.5). */
  isSignedWith(password: string): boolean {
    const signature = this.value(STUN_ATTRIBUTES.messageIntegrity);
    if (!signature) return false;
    const signedBytes = signature.byteOffset - this.bytes.byteOffset - 4;
    const length = signedBytes + 4 + SHA1_BYTES - HEADER_BYTES; // as if nothing followed
    const header = Uint8Array.of(this.bytes[0], this.bytes[1], length >> 8, length);
    const hmac = createHmac("sha1", password).update(header).update(this.bytes.subarray(4, signedBytes));
    return timingSafeEqual(hmac.digest(), signature);
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at] << 8 | bytes[at + 1];
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24 | bytes[at + 1] << 16 | bytes[at + 2] << 8 | bytes[at + 3]) >>> 0;
}

/** CRC-32 of ITU V.42, of the first bytes. */
function crc32(bytes: Uint8Array, length: number): number {
  let crc = 0xffff_ffff;
  for (let at = 0; at < length; at++) crc = CRC_TABLE[(crc ^ bytes[at]) & 0xff] ^ crc >>> 8;
  return ~crc >>> 0;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0xedb8_8320 : crc >>> 1;
  return crc;
});
