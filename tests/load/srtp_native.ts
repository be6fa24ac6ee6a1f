/**
 * The other part of the floor: native libsrtp opens SRTP packets (libsrtp.ts), and does nothing else.
 */
import { checked, createSession, type Libsrtp, MASTER_BYTES, openLibsrtp, TAG_BYTES } from "./libsrtp.ts";
import { cpuMsOf } from "./proc.ts";

const HEADER_BYTES = 12;
const ROUNDS = 5;
/** A packet takes a microsecond or two: half a second a round, as the kernel counts in steps of 10 ms. */
const PACKETS_PER_ROUND = 300_000;

/**
 * Processor time of opening one packet, µs; the median of the rounds. One session for each speaker, in turn; payloads
 * are as long as `payloads`. Undefined where libsrtp2 is not installed.
 */
export function srtpMicrosPerPacket(payloads: readonly Uint8Array[], speakers: number): number | undefined {
  let library: Libsrtp;
  try {
    library = openLibsrtp();
  } catch {
    return undefined;
  }
  const { symbols: srtp } = library;
  const master = crypto.getRandomValues(new Uint8Array(MASTER_BYTES));
  const sender = createSession(library, master, "outbound");
  const receivers = Array.from({ length: speakers }, () => createSession(library, master, "inbound"));
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

/** RTP of 20 ms Opus (RFC 3550 section 5.1), protected. */
function protectedPacket(
  srtp: Libsrtp["symbols"],
  sender: Deno.PointerValue,
  payload: Uint8Array,
  index: number,
) {
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
