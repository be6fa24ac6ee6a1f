/**
 * Decryption for the two SRTP protection profiles that werift negotiates: AEAD_AES_128_GCM (RFC 7714) and
 * AES128_CM_HMAC_SHA1_80 (RFC 3711). Keys are derived with node:crypto. Packets, 50 a second for each speaker, are opened
 * by srtp_crypto/, RustCrypto's ciphers in WebAssembly, one instance per thread.
 *
 * No key derivation rate and no master key identifier: DTLS-SRTP negotiates neither.
 */
import { createCipheriv } from "node:crypto";
import {
  bufferAddress,
  bufferBytes,
  end,
  memory,
  open,
  startCounterMode,
  startGcm,
} from "./srtp_crypto.wasm";

/** Protection profiles by their DTLS numbers (RFC 5764, section 4.1.2; RFC 7714, section 14.2). */
export const AES128_CM_HMAC_SHA1_80 = 0x0001;
export const AEAD_AES_128_GCM = 0x0007;

/** From a DTLS handshake, for one direction. */
export interface SrtpMasterKey {
  profile: number;
  /** 16 bytes. */
  key: Uint8Array;
  /** 14 bytes; 12 for GCM. */
  salt: Uint8Array;
}

/** An Ethernet frame's 1500 bytes and a margin. */
export const PACKET_BYTES_MAX = bufferBytes();

/** Throws RangeError for other profiles, which werift does not offer, and when too many sessions are open. */
export function srtpTransform({ profile, key, salt }: SrtpMasterKey): SrtpTransform {
  const derived = (label: number, bytes: number) => deriveSrtpKey(key, salt, label, bytes);
  switch (profile) {
    case AEAD_AES_128_GCM:
      return SrtpTransform.gcm(derived(0, 16), derived(2, 12));
    case AES128_CM_HMAC_SHA1_80:
      return SrtpTransform.counterMode(derived(0, 16), derived(2, 14), derived(1, 20));
    default:
      throw new RangeError(`Cannot receive SRTP: profile ${profile} was not offered`);
  }
}

/**
 * A session key (RFC 3711, section 4.3): label 0 encrypts, 1 authenticates, 2 is the salt. A master salt of 12 bytes is
 * padded with zeros (RFC 7714, section 11).
 */
export function deriveSrtpKey(key: Uint8Array, salt: Uint8Array, label: number, bytes: number): Uint8Array {
  const counter = new Uint8Array(16);
  counter.set(salt);
  counter[7] ^= label;
  const cipher = createCipheriv("aes-128-ctr", key, counter);
  const { buffer, byteOffset, byteLength } = cipher.update(new Uint8Array(bytes));
  cipher.final(); // otherwise Deno never frees it
  return new Uint8Array(buffer, byteOffset, byteLength); // a Buffer's `slice` differs
}

/** Where keys and packets are passed to the WebAssembly. */
const BUFFER_AT = bufferAddress();
const NO_SESSION = -1;

/** All of the instance's memory. Starting a session may grow it, which detaches the old buffer. */
let view = new Uint8Array(memory.buffer);
/** Of the newest packet. */
let payload = view.subarray(0, 0);

/** One session in the WebAssembly. Disposing wipes its keys. */
export class SrtpTransform implements Disposable {
  #slot: number;

  /** `start` takes the keys from the buffer, and wipes it. */
  private constructor(start: () => number, readonly tagBytes: number, ...keys: Uint8Array[]) {
    let at = BUFFER_AT;
    for (const key of keys) {
      view.set(key, at);
      at += key.length;
    }
    this.#slot = start();
    if (view.length === 0) view = new Uint8Array(memory.buffer);
    if (this.#slot === NO_SESSION) throw new RangeError("Cannot receive SRTP: too many sessions are open");
  }

  /** AEAD_AES_128_GCM with session keys: 16 bytes and a salt of 12. */
  static gcm(key: Uint8Array, salt: Uint8Array): SrtpTransform {
    return new SrtpTransform(startGcm, 16, key, salt);
  }

  /** AES128_CM_HMAC_SHA1_80 with session keys: 16 bytes, a salt of 14, and 20. */
  static counterMode(key: Uint8Array, salt: Uint8Array, authenticationKey: Uint8Array): SrtpTransform {
    return new SrtpTransform(startCounterMode, 10, key, salt, authenticationKey);
  }

  /**
   * The payload of a packet at least as long as header and tag, valid until the next one is opened; undefined when the
   * packet is not authentic or too long, or after dispose.
   */
  open(packet: Uint8Array, headerBytes: number, ssrc: number, rollovers: number): Uint8Array | undefined {
    if (packet.length > PACKET_BYTES_MAX) return undefined;
    view.set(packet, BUFFER_AT);
    const payloadBytes = open(this.#slot, packet.length, headerBytes, ssrc, rollovers);
    if (payloadBytes < 0) return undefined;
    const payloadAt = BUFFER_AT + headerBytes;
    // Packets of silence have equal lengths, so the view is reused; after the memory has grown its length is 0.
    if (payload.byteOffset !== payloadAt || payload.length !== payloadBytes) {
      payload = view.subarray(payloadAt, payloadAt + payloadBytes);
    }
    return payload;
  }

  [Symbol.dispose](): void {
    if (this.#slot !== NO_SESSION) end(this.#slot);
    this.#slot = NO_SESSION;
  }
}
