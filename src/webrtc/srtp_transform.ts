/**
 * The two ways SRTP packets are protected that werift negotiates: AEAD_AES_128_GCM (RFC 7714) and
 * AES128_CM_HMAC_SHA1_80 (RFC 3711), and the keys for them. Keys are derived by node:crypto. Packets are opened by
 * srtp_crypto/, WebAssembly of RustCrypto's ciphers, with one instance in each thread: fifty times a second for every
 * speaker, and all that is left behind is the payload.
 *
 * Only opens packets, and only for a key derivation rate of 0 and without a master key identifier: DTLS-SRTP
 * negotiates neither.
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

/** Longer packets cannot be opened: an Ethernet frame's 1500 bytes and a margin. */
export const PACKET_BYTES_MAX = bufferBytes();

/** Holds a session, with its keys, until it is disposed of. */
export interface SrtpTransform extends Disposable {
  /** Length of the authentication tag, which ends every packet. */
  readonly tagBytes: number;
  /**
   * The payload of a packet that is at least a header and a tag long and not too long, good until the next one is
   * opened; undefined when the packet is not authentic, or after the end.
   */
  open(packet: Uint8Array, headerBytes: number, ssrc: number, rollovers: number): Uint8Array | undefined;
}

/** Throws RangeError for another profile, werift offers these two; and when there are more sessions than anybody needs. */
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
  const cipher = createCipheriv("aes-128-ctr", key, counter);
  const { buffer, byteOffset, byteLength } = cipher.update(new Uint8Array(bytes));
  cipher.final(); // or Deno keeps it for ever
  return new Uint8Array(buffer, byteOffset, byteLength); // a Buffer's `slice` is another
}

/** Where keys and packets are handed over. */
const BUFFER_AT = bufferAddress();
const NO_SESSION = -1;

/** All of the instance's memory. Starting a session may grow it, which makes another buffer of it. */
let view = new Uint8Array(memory.buffer);
/** Of the newest packet. */
let payload = view.subarray(0, 0);

class Session implements SrtpTransform {
  #slot: number;

  /** `start` takes the keys from the buffer, and wipes it. */
  constructor(start: () => number, readonly tagBytes: number, ...keys: Uint8Array[]) {
    let at = BUFFER_AT;
    for (const key of keys) {
      view.set(key, at);
      at += key.length;
    }
    this.#slot = start();
    if (view.length === 0) view = new Uint8Array(memory.buffer);
    if (this.#slot === NO_SESSION) throw new RangeError("Cannot receive SRTP: too many sessions are open");
  }

  open(packet: Uint8Array, headerBytes: number, ssrc: number, rollovers: number): Uint8Array | undefined {
    if (packet.length > PACKET_BYTES_MAX) return undefined;
    view.set(packet, BUFFER_AT);
    const payloadBytes = open(this.#slot, packet.length, headerBytes, ssrc, rollovers);
    if (payloadBytes < 0) return undefined;
    const payloadAt = BUFFER_AT + headerBytes;
    // Packets of silence are as long as the one before; memory that has grown leaves a view of nothing.
    if (payload.byteOffset !== payloadAt || payload.length !== payloadBytes) {
      payload = view.subarray(payloadAt, payloadAt + payloadBytes);
    }
    return payload;
  }

  /** Wipes the keys. */
  [Symbol.dispose](): void {
    if (this.#slot !== NO_SESSION) end(this.#slot);
    this.#slot = NO_SESSION;
  }
}

/** AEAD_AES_128_GCM with session keys: 16 bytes and a salt of 12. */
export class GcmTransform extends Session {
  constructor(key: Uint8Array, salt: Uint8Array) {
    super(startGcm, 16, key, salt);
  }
}

/** AES128_CM_HMAC_SHA1_80 with session keys: 16 bytes, a salt of 14, and 20. */
export class CounterModeTransform extends Session {
  constructor(key: Uint8Array, salt: Uint8Array, authenticationKey: Uint8Array) {
    super(startCounterMode, 10, key, salt, authenticationKey);
  }
}
