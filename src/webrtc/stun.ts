/**
 * Parses STUN messages for authentication (RFC 8489), without copying. Attributes after MESSAGE-INTEGRITY other than
 * FINGERPRINT make a message malformed: they are not protected, and no ICE agent sends any.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";
import { readUint16, readUint32 } from "./bytes.ts";

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
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const;

const HEADER_BYTES = 20;
const COOKIE = 0x2112_a442;
const FINGERPRINT_XOR = 0x5354_554e;
const SHA1_BYTES = 20;
/** ICE's checks have ten at most, TURN messages some more. */
const ATTRIBUTES_MAX = 32;

/** Whether a datagram is STUN and not one of the other protocols of a WebRTC socket (RFC 7983). */
export function isStun(datagram: Uint8Array): boolean {
  return datagram.length >= HEADER_BYTES && datagram[0] < 4 && readUint32(datagram, 4) === COOKIE;
}

export class StunMessage {
  private constructor(
    private readonly bytes: Uint8Array,
    /** Of attribute values by type; of several of one type the first counts. */
    private readonly attributes: ReadonlyMap<number, readonly [start: number, end: number]>,
  ) {}

  /** Undefined when malformed, or with a wrong FINGERPRINT. */
  static read(datagram: Uint8Array): StunMessage | undefined {
    if (!isStun(datagram) || readUint16(datagram, 2) !== datagram.length - HEADER_BYTES) return undefined;
    if (datagram.length % 4 !== 0) return undefined;
    const attributes = new Map<number, readonly [number, number]>();
    let isSealed = false;
    for (let at = HEADER_BYTES, count = 0; at < datagram.length; count++) {
      if (count === ATTRIBUTES_MAX) return undefined;
      const type = readUint16(datagram, at);
      const start = at + 4;
      const end = start + readUint16(datagram, at + 2);
      at = end + 3 & ~3;
      if (at > datagram.length) return undefined;
      if (type === STUN_ATTRIBUTES.fingerprint) {
        if (end - start !== 4 || at !== datagram.length) return undefined;
        const expected = (crc32(datagram.subarray(0, start - 4)) ^ FINGERPRINT_XOR) >>> 0;
        if (readUint32(datagram, start) !== expected) return undefined;
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
    return readUint16(this.bytes, 0) & CLASS_BITS;
  }

  get method(): number {
    return readUint16(this.bytes, 0) & ~CLASS_BITS;
  }

  /** Hexadecimal. */
  get transactionId(): string {
    return this.bytes.subarray(8, HEADER_BYTES).toHex();
  }

  /** A view into the datagram. */
  value(type: number): Uint8Array | undefined {
    const range = this.attributes.get(type);
    return range && this.bytes.subarray(...range);
  }

  /** The part of the USERNAME before the colon (RFC 8445, section 7.2.2). */
  get recipientUfrag(): string | undefined {
    const username = this.value(STUN_ATTRIBUTES.username);
    const colon = username?.indexOf(0x3a) ?? -1;
    return username && colon > 0 ? String.fromCharCode(...username.subarray(0, colon)) : undefined;
  }

  /** Verifies MESSAGE-INTEGRITY (RFC 8489, section 14.5). */
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
