/**
 * Native libsrtp (Debian's libsrtp2-1) through FFI: sessions with AEAD_AES_128_GCM, which is what Janus and the service
 * agree on. Structs and constants are those of srtp.h, libsrtp 2.5, on 64-bit machines.
 */

/** AES-128 key and GCM salt, RFC 7714 section 12. */
export const MASTER_BYTES = 28;
/** The authentication tag, which ends every packet. */
export const TAG_BYTES = 16;

/** ssrc_any_inbound and ssrc_any_outbound. */
const DIRECTION = { inbound: 2, outbound: 3 } as const;

/** srtp_policy_t: ssrc (type, value), rtp, rtcp, key and, as zeros, the defaults for the rest. */
const POLICY = { bytes: 128, ssrcType: 0, rtp: 8, rtcp: 32, key: 56 };

const SYMBOLS = {
  srtp_init: { parameters: [], result: "i32" },
  srtp_crypto_policy_set_aes_gcm_128_16_auth: { parameters: ["buffer"], result: "void" },
  srtp_create: { parameters: ["buffer", "buffer"], result: "i32" },
  srtp_dealloc: { parameters: ["pointer"], result: "i32" },
  srtp_protect: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  srtp_unprotect: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
} as const;

export type Libsrtp = Deno.DynamicLibrary<typeof SYMBOLS>;

/** Throws where libsrtp2 is not installed. */
export function openLibsrtp(): Libsrtp {
  let library: Libsrtp;
  try {
    library = Deno.dlopen("libsrtp2.so.1", SYMBOLS);
  } catch (cause) {
    throw new Error("Cannot load libsrtp2.so.1: the package libsrtp2-1 is not installed", { cause });
  }
  checked("start libsrtp", library.symbols.srtp_init());
  return library;
}

/** A session for any SSRC; `master` is copied. For `srtp_dealloc` when it is done with. */
export function createSession(
  { symbols: srtp }: Libsrtp,
  master: Uint8Array<ArrayBuffer>,
  direction: keyof typeof DIRECTION,
): Deno.PointerValue {
  if (master.length !== MASTER_BYTES) {
    throw new RangeError(`Cannot create an SRTP session: ${MASTER_BYTES} bytes are a key`);
  }
  const policy = new Uint8Array(POLICY.bytes);
  srtp.srtp_crypto_policy_set_aes_gcm_128_16_auth(policy.subarray(POLICY.rtp));
  srtp.srtp_crypto_policy_set_aes_gcm_128_16_auth(policy.subarray(POLICY.rtcp));
  const view = new DataView(policy.buffer);
  view.setInt32(POLICY.ssrcType, DIRECTION[direction], true);
  view.setBigUint64(POLICY.key, Deno.UnsafePointer.value(Deno.UnsafePointer.of(master)), true);
  const session = new BigUint64Array(1);
  checked("create an SRTP session", srtp.srtp_create(session, policy));
  return Deno.UnsafePointer.create(session[0]);
}

export function checked(what: string, status: number): void {
  if (status !== 0) throw new Error(`Cannot ${what}: error ${status}`);
}
