/**
 * The other part of the floor: native libsrtp (Debian's libsrtp2-1) opens SRTP packets with AEAD_AES_128_GCM, which is
 * what Janus and the service agree on, and does nothing else. Structs and constants are those of srtp.h, libsrtp 2.5, on
 * 64-bit machines.
 */
import { cpuMsOf } from "./proc.ts";

const HEADER_BYTES = 12;
const TAG_BYTES = 16;
/** AES-128 key and GCM salt, RFC 7714 section 12. */
const MASTER_BYTES = 28;

/** srtp_policy_t: ssrc (type, value), rtp, rtcp, key and, as zeros, the defaults for the rest. */
const POLICY = { bytes: 128, ssrcType: 0, rtp: 8, rtcp: 32, key: 56 };
const ANY_INBOUND = 2;
const ANY_OUTBOUND = 3;

const ROUNDS = 5;
/** A packet takes a microsecond or two: half a second a round, as the kernel counts in steps of 10 ms. */
const PACKETS_PER_ROUND = 300_000;

const SYMBOLS = {
  srtp_init: { parameters: [], result: "i32" },
  srtp_crypto_policy_set_aes_gcm_128_16_auth: { parameters: ["buffer"], result: "void" },
  srtp_create: { parameters: ["buffer", "buffer"], result: "i32" },
  srtp_protect: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  srtp_unprotect: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
} as const;

type Srtp = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/**
 * Processor time of opening one packet, µs; the median of the rounds. One session for each speaker, in turn; payloads
 * are as long as `payloads`. Undefined where libsrtp2 is not installed.
 */
export function srtpMicrosPerPacket(payloads: readonly Uint8Array[], speakers: number): number | undefined {
  let srtp: Srtp;
  try {
    srtp = Deno.dlopen("libsrtp2.so.1", SYMBOLS).symbols;
  } catch {
    return undefined;
  }
  checked("start libsrtp", srtp.srtp_init());
  const master = crypto.getRandomValues(new Uint8Array(MASTER_BYTES));
  const sender = createSession(srtp, master, ANY_OUTBOUND);
  const receivers = Array.from({ length: speakers }, () => createSession(srtp, master, ANY_INBOUND));
  const beats = Math.ceil(PACKETS_PER_ROUND / speakers);
  const packet = new Uint8Array(HEADER_BYTES + TAG_BYTES + Math.max(...payloads.map(({ length }) => length)));
  const length = new Int32Array(1);
  const micros: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    const sent = Array.from(
      { length: beats },
      (_, beat) => protectedPacket(srtp, sender, payloads[beat % payloads.length], round * beats + beat),
    );
    const startMs = cpuMsOf("self");
    for (const bytes of sent) {
      for (const receiver of receivers) {
        packet.set(bytes); // it is opened in place
        length[0] = bytes.length;
        const status = srtp.srtp_unprotect(receiver, packet, length);
        if (status !== 0) checked("open a packet", status);
      }
    }
    if (round > 0) micros.push((cpuMsOf("self") - startMs) * 1_000 / (beats * speakers)); // the first one warms up
  }
  return micros.sort((a, b) => a - b)[ROUNDS >> 1];
}

function createSession(srtp: Srtp, master: Uint8Array<ArrayBuffer>, ssrcType: number): Deno.PointerValue {
  const policy = new Uint8Array(POLICY.bytes);
  srtp.srtp_crypto_policy_set_aes_gcm_128_16_auth(policy.subarray(POLICY.rtp));
  srtp.srtp_crypto_policy_set_aes_gcm_128_16_auth(policy.subarray(POLICY.rtcp));
  const view = new DataView(policy.buffer);
  view.setInt32(POLICY.ssrcType, ssrcType, true);
  view.setBigUint64(POLICY.key, Deno.UnsafePointer.value(Deno.UnsafePointer.of(master)), true);
  const session = new BigUint64Array(1);
  checked("create an SRTP session", srtp.srtp_create(session, policy));
  return Deno.UnsafePointer.create(session[0]);
}

/** RTP of 20 ms Opus (RFC 3550 section 5.1), protected. */
function protectedPacket(srtp: Srtp, sender: Deno.PointerValue, payload: Uint8Array, index: number) {
  const packet = new Uint8Array(HEADER_BYTES + payload.length + TAG_BYTES);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x80);
  view.setUint8(1, 111);
  view.setUint16(2, index & 0xffff);
  view.setUint32(4, (index * 960) >>> 0);
  view.setUint32(8, 1);
  packet.set(payload, HEADER_BYTES);
  const length = Int32Array.of(HEADER_BYTES + payload.length);
  checked("protect a packet", srtp.srtp_protect(sender, packet, length));
  if (length[0] !== packet.length) throw new Error(`Cannot protect a packet: ${length[0]} bytes`);
  return packet;
}

function checked(what: string, status: number): void {
  if (status !== 0) throw new Error(`Cannot ${what}: error ${status}`);
}
