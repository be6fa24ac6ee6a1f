/**
 * The two ways SRTP packets are protected that werift negotiates: AEAD_AES_128_GCM (RFC 7714) and
 * AES128_CM_HMAC_SHA1_80 (RFC 3711), and the keys for them. The ciphers are node:crypto's.
 *
 * Only opens packets, and only for a key derivation rate of 0 and without a master key identifier: DTLS-SRTP
 * negotiates neither.
 */
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";

/** Protection profiles by the numbers they have in DTLS (RFC 5764, section 4.1.2; RFC 7714, section 14.2). */
export const AES128_CM_HMAC_SHA1_80 = 0x0001;
export const AEAD_AES_128_GCM = 0x0007;

/** What a DTLS handshake agreed on, for one direction. */
export interface SrtpMasterKey {
  profile: number;
  /** 16 bytes. */
  key: Uint8Array;
  /** 14 bytes; 12 for GCM. */
  salt: Uint8Array;
}

export interface SrtpTransform {
  /** Length of the authentication tag, which ends every packet. */
  readonly tagBytes: number;
  /**
   * The payload of a packet that is at least a header and a tag long, in memory of its own; undefined when the packet
   * is not authentic.
   */
  open(packet: Uint8Array, headerBytes: number, ssrc: number, rollovers: number): Uint8Array | undefined;
}

/** Throws RangeError for another profile: werift offers these two. */
export function srtpTransform({ profile, key, salt }: SrtpMasterKey): SrtpTransform {
  const derived = (label: number, bytes: number) => deriveSrtpKey(key, salt, label, bytes);
  switch (profile) {
    case AEAD_AES_128_GCM:
      return new GcmTransform(derived(0, 16), derived(2, 12));
    case AES128_CM_HMAC_SHA1_80:
      return new CounterModeTransform(derived(0, 16), derived(2, 14), derived(1, 20));
    default:
      throw new RangeError(`Cannot receive SRTP: profile ${profile} is none that was offered`);
  }
}

/**
 * A session key (RFC 3711, section 4.3): label 0 encrypts, 1 authenticates, 2 is the salt. A master salt of 12 bytes is
 * filled up with zeros (RFC 7714, section 11).
 */
export function deriveSrtpKey(key: Uint8Array, salt: Uint8Array, label: number, bytes: number): Uint8Array {
  const counter = new Uint8Array(16);
  counter.set(salt);
  counter[7] ^= label;
  return countered(key, counter, new Uint8Array(bytes));
}

/** AEAD_AES_128_GCM with session keys. */
export class GcmTransform implements SrtpTransform {
  readonly tagBytes = 16;
  readonly #iv = new Uint8Array(12);

  constructor(private readonly key: Uint8Array, private readonly salt: Uint8Array) {}

  open(packet: Uint8Array, headerBytes: number, ssrc: number, rollovers: number): Uint8Array | undefined {
    const iv = this.#iv; // RFC 7714, section 8.1
    iv.set(this.salt);
    xorUint32(iv, 2, ssrc);
    xorUint32(iv, 6, rollovers);
    iv[10] ^= packet[2];
    iv[11] ^= packet[3];
    const tagAt = packet.length - this.tagBytes;
    const decipher = createDecipheriv("aes-128-gcm", this.key, iv, { authTagLength: this.tagBytes });
    decipher.setAAD(packet.subarray(0, headerBytes));
    decipher.setAuthTag(packet.subarray(tagAt));
    const payload = decipher.update(packet.subarray(headerBytes, tagAt));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return plain(payload);
  }
}

/** AES128_CM_HMAC_SHA1_80 with session keys. */
export class CounterModeTransform implements SrtpTransform {
  readonly tagBytes = 10;
  readonly #counter = new Uint8Array(16);
  readonly #rollovers = new Uint8Array(4);

  constructor(
    private readonly key: Uint8Array,
    private readonly salt: Uint8Array,
    private readonly authenticationKey: Uint8Array,
  ) {}

  open(packet: Uint8Array, headerBytes: number, ssrc: number, rollovers: number): Uint8Array | undefined {
    const tagAt = packet.length - this.tagBytes;
    this.#rollovers.fill(0);
    xorUint32(this.#rollovers, 0, rollovers);
    const hmac = createHmac("sha1", this.authenticationKey) // RFC 3711, section 4.2
      .update(packet.subarray(0, tagAt))
      .update(this.#rollovers)
      .digest();
    if (!timingSafeEqual(hmac.subarray(0, this.tagBytes), packet.subarray(tagAt))) return undefined;
    const counter = this.#counter; // RFC 3711, section 4.1.1
    counter.fill(0);
    counter.set(this.salt);
    xorUint32(counter, 4, ssrc);
    xorUint32(counter, 8, rollovers);
    counter[12] ^= packet[2];
    counter[13] ^= packet[3];
    return countered(this.key, counter, packet.subarray(headerBytes, tagAt));
  }
}

/** AES in counter mode, which is its own reverse. */
function countered(key: Uint8Array, counter: Uint8Array, bytes: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-128-ctr", key, counter);
  const result = plain(cipher.update(bytes));
  cipher.final(); // or Deno keeps it for ever
  return result;
}

/** A Buffer's bytes without its methods: its `slice` and a Uint8Array's differ. */
function plain({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function xorUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] ^= value >>> 24;
  bytes[at + 1] ^= value >>> 16;
  bytes[at + 2] ^= value >>> 8;
  bytes[at + 3] ^= value;
}
