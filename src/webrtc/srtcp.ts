/**
 * SRTCP for one DTLS association: AEAD_AES_128_GCM (RFC 7714, section 9) and AES128_CM_HMAC_SHA1_80 (RFC 3711, section
 * 3.4), with node:crypto's ciphers.
 *
 *     RFC 7714: header 8 | encrypted | tag 16 | E, index 4
 *     RFC 3711: header 8 | encrypted | E, index 4 | tag 10
 *
 * Packets arrive about once a second for each speaker, so this favours readability over speed, unlike srtp.ts. No state
 * changes before a packet is authenticated. No master key identifier: DTLS-SRTP negotiates none.
 */
import { joinBytes } from "../domain/mod.ts";
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual } from "node:crypto";
import { viewOf } from "./bytes.ts";
import { PacketIndex } from "./srtp_index.ts";
import {
  AEAD_AES_128_GCM,
  AES128_CM_HMAC_SHA1_80,
  deriveSrtpKey,
  type SrtpMasterKey,
} from "./srtp_transform.ts";

/** As SrtpRefusal. */
export type SrtcpRefusal = "rtcp_malformed" | "rtcp_replayed" | "rtcp_forged" | "rtcp_too_many_sources";

export interface SrtcpTransform {
  readonly tagBytes: number;
  /** Offset of the E flag and the index, from the end. */
  readonly indexFromEnd: number;
  /** A copy of the RTCP packet; undefined when not authentic. `packet` holds at least header, tag and index. */
  open(packet: Uint8Array): Uint8Array | undefined;
  /** Encrypts. `index`: 0 to 2^31 - 1, never twice with the same SSRC. */
  seal(rtcp: Uint8Array, index: number): Uint8Array;
}

/** As for SRTP. */
const SOURCES_MAX = 64;
const HEADER_BYTES = 8;
const INDEX_BYTES = 4;
/** E: the packet is encrypted. Ones that are only authenticated are accepted too. */
const ENCRYPTED = 0x8000_0000;

export class SrtcpReceiver {
  /** By SSRC of the sender; only of authentic packets. */
  readonly #sources = new Map<number, PacketIndex>();

  constructor(private readonly transform: SrtcpTransform) {}

  /** The RTCP packet in an SRTCP datagram, or why it is refused. */
  receive(packet: Uint8Array): Uint8Array | SrtcpRefusal {
    const { transform } = this;
    if (packet.length < HEADER_BYTES + INDEX_BYTES + transform.tagBytes) return "rtcp_malformed";
    const view = viewOf(packet);
    const ssrc = view.getUint32(4);
    let source = this.#sources.get(ssrc);
    if (!source && this.#sources.size === SOURCES_MAX) return "rtcp_too_many_sources";
    const index = indexOf(view, transform);
    // The 31-bit index fits SRTP's 48-bit one.
    if (source && !source.isNew(index >>> 16, index & 0xffff)) return "rtcp_replayed";
    const rtcp = transform.open(packet);
    if (!rtcp) return "rtcp_forged";
    if (!source) this.#sources.set(ssrc, source = new PacketIndex());
    source.add(index >>> 16, index & 0xffff);
    return rtcp;
  }
}

/** Throws RangeError for other profiles, which werift does not offer. */
export function srtcpTransform({ profile, key, salt }: SrtpMasterKey): SrtcpTransform {
  const derived = (label: number, bytes: number) => deriveSrtpKey(key, salt, label, bytes);
  switch (profile) {
    case AEAD_AES_128_GCM:
      return new SrtcpGcm(derived(3, 16), derived(5, 12));
    case AES128_CM_HMAC_SHA1_80:
      return new SrtcpCounterMode(derived(3, 16), derived(5, 14), derived(4, 20));
    default:
      throw new RangeError(`Cannot receive SRTCP: profile ${profile} was not offered`);
  }
}

/** AEAD_AES_128_GCM with session keys. */
export class SrtcpGcm implements SrtcpTransform {
  readonly tagBytes = 16;
  readonly indexFromEnd = INDEX_BYTES;

  constructor(private readonly key: Uint8Array, private readonly salt: Uint8Array) {}

  open(packet: Uint8Array): Uint8Array | undefined {
    const view = viewOf(packet);
    const index = indexOf(view, this);
    const indexAt = packet.length - INDEX_BYTES;
    const tagAt = indexAt - this.tagBytes;
    const encryptedAt = isEncrypted(view, this) ? HEADER_BYTES : tagAt; // without the flag nothing is
    const decipher = createDecipheriv("aes-128-gcm", this.key, this.#iv(view.getUint32(4), index), {
      authTagLength: this.tagBytes,
    });
    decipher.setAAD(joinBytes([packet.subarray(0, encryptedAt), packet.subarray(indexAt)]));
    decipher.setAuthTag(packet.subarray(tagAt, indexAt));
    const decrypted = decipher.update(packet.subarray(encryptedAt, tagAt));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    return joinBytes([packet.subarray(0, encryptedAt), decrypted]);
  }

  seal(rtcp: Uint8Array, index: number): Uint8Array {
    const word = bigEndian(ENCRYPTED + index);
    const header = rtcp.subarray(0, HEADER_BYTES);
    const iv = this.#iv(viewOf(rtcp).getUint32(4), index);
    const cipher = createCipheriv("aes-128-gcm", this.key, iv, { authTagLength: this.tagBytes });
    cipher.setAAD(joinBytes([header, word]));
    const encrypted = cipher.update(rtcp.subarray(HEADER_BYTES));
    cipher.final();
    return joinBytes([header, encrypted, cipher.getAuthTag(), word]);
  }

  /** RFC 7714, section 9.1. */
  #iv(ssrc: number, index: number): Uint8Array {
    const iv = new Uint8Array(12);
    const view = viewOf(iv);
    view.setUint32(2, ssrc);
    view.setUint32(8, index);
    return xored(iv, this.salt);
  }
}

/** AES128_CM_HMAC_SHA1_80 with session keys. */
export class SrtcpCounterMode implements SrtcpTransform {
  readonly tagBytes = 10;
  readonly indexFromEnd = INDEX_BYTES + 10;

  constructor(
    private readonly key: Uint8Array,
    private readonly salt: Uint8Array,
    private readonly authenticationKey: Uint8Array,
  ) {}

  open(packet: Uint8Array): Uint8Array | undefined {
    const tagAt = packet.length - this.tagBytes;
    if (!timingSafeEqual(this.#tag(packet.subarray(0, tagAt)), packet.subarray(tagAt))) return undefined;
    const view = viewOf(packet);
    const indexAt = tagAt - INDEX_BYTES;
    if (!isEncrypted(view, this)) return packet.slice(0, indexAt);
    return this.#countered(packet.subarray(0, indexAt), indexOf(view, this));
  }

  seal(rtcp: Uint8Array, index: number): Uint8Array {
    const authenticated = joinBytes([this.#countered(rtcp, index), bigEndian(ENCRYPTED + index)]);
    return joinBytes([authenticated, this.#tag(authenticated)]);
  }

  /** All but the header through AES in counter mode, which is its own inverse (RFC 3711, section 4.1.1). */
  #countered(rtcp: Uint8Array, index: number): Uint8Array {
    const counter = new Uint8Array(16);
    const view = viewOf(counter);
    view.setUint32(4, viewOf(rtcp).getUint32(4));
    view.setUint32(10, index);
    const cipher = createCipheriv("aes-128-ctr", this.key, xored(counter, this.salt));
    const result = joinBytes([rtcp.subarray(0, HEADER_BYTES), cipher.update(rtcp.subarray(HEADER_BYTES))]);
    cipher.final(); // otherwise Deno never frees it
    return result;
  }

  /** RFC 3711, section 4.2; the packet contains the index. */
  #tag(authenticated: Uint8Array): Uint8Array {
    const hmac = createHmac("sha1", this.authenticationKey).update(authenticated).digest();
    return hmac.subarray(0, this.tagBytes);
  }
}

function indexOf(view: DataView, { indexFromEnd }: SrtcpTransform): number {
  return view.getUint32(view.byteLength - indexFromEnd) & 0x7fff_ffff;
}

function isEncrypted(view: DataView, { indexFromEnd }: SrtcpTransform): boolean {
  return view.getUint32(view.byteLength - indexFromEnd) >= ENCRYPTED;
}

function bigEndian(word: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, word);
  return bytes;
}

/** Changes and returns `bytes`. */
function xored(bytes: Uint8Array, salt: Uint8Array): Uint8Array {
  for (let at = 0; at < salt.length; at++) bytes[at] ^= salt[at];
  return bytes;
}
