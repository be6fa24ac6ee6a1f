/**
 * The sending end of a subscription of own_room.ts, in native code: RTP headers (RFC 3550 section 5.1) written in place, libsrtp,
 * sendto. Leaves no garbage, sends no RTCP.
 */
import { checked, createSession, type Libsrtp, openLibsrtp } from "./libsrtp.ts";
import { NativeUdp, type NativeUdpSocket, type UdpAddress } from "./udp_native.ts";

export interface SrtpSenderOptions {
  /** Of a socket of this process', and of the other end. */
  local: UdpAddress;
  remote: UdpAddress;
  /** AEAD_AES_128_GCM: key and salt, 28 bytes. */
  master: Uint8Array<ArrayBuffer>;
  payloadType: number;
  /** As the offer has it: some receivers know a packet by it. */
  ssrc: number;
}

const HEADER_BYTES = 12;
const VERSION = 0x80;
/**
 * The first packets may be lost, and what wraps meanwhile is not authentic (RFC 3711 section 3.3.1): numbers start far below
 * 2^16, and above what may be sent out of order.
 */
const SEQUENCE_START_MIN = 1_024;
/** Opus packets have 1275 bytes at most (RFC 6716 section 3.2.1). */
const PACKET_BYTES_MAX = 2_048;

/** The libraries; everything sends from one buffer. */
export class SrtpSenders implements Disposable {
  readonly #libsrtp: Libsrtp;
  readonly #udp = new NativeUdp();

  /** Throws where libsrtp2 is not installed. */
  constructor() {
    try {
      this.#libsrtp = openLibsrtp();
    } catch (error) {
      this.#udp[Symbol.dispose]();
      throw error;
    }
  }

  /** Sequence numbers and timestamps start anywhere. */
  open({ local, remote, master, payloadType, ssrc }: SrtpSenderOptions): SrtpSender {
    const session = createSession(this.#libsrtp, master, "outbound");
    try {
      return new SrtpSender(this.#libsrtp, session, this.#udp.socketAt(local, remote), payloadType, ssrc);
    } catch (error) {
      this.#libsrtp.symbols.srtp_dealloc(session);
      throw error;
    }
  }

  /** All its senders must be disposed of. */
  [Symbol.dispose](): void {
    this.#libsrtp.close();
    this.#udp[Symbol.dispose]();
  }
}

const PACKET = new Uint8Array(PACKET_BYTES_MAX);
const VIEW = new DataView(PACKET.buffer);
/** In: bytes of the packet; out: with the tag. */
const LENGTH = new Int32Array(1);

export class SrtpSender implements Disposable {
  readonly #protect: Libsrtp["symbols"]["srtp_protect"];
  readonly #dealloc: Libsrtp["symbols"]["srtp_dealloc"];
  readonly #session: Deno.PointerValue;
  readonly #socket: NativeUdpSocket;
  readonly #payloadType: number;
  readonly #ssrc: number;
  readonly #sequenceStart: number;
  /** Undefined until one is sent. */
  #firstPacket: number | undefined;
  readonly #timestampStart: number;
  #isOpen = true;

  constructor(
    { symbols }: Libsrtp,
    session: Deno.PointerValue,
    socket: NativeUdpSocket,
    payloadType: number,
    ssrc: number,
  ) {
    this.#protect = symbols.srtp_protect;
    this.#dealloc = symbols.srtp_dealloc;
    this.#session = session;
    this.#socket = socket;
    this.#payloadType = payloadType;
    const [sequence, timestamp] = crypto.getRandomValues(new Uint32Array(2));
    this.#ssrc = ssrc;
    this.#sequenceStart = SEQUENCE_START_MIN + (sequence >>> 18);
    this.#timestampStart = timestamp;
  }

  /** `packet` and `timestamp` count from anywhere and do not wrap. False when it was not sent: closed, or no room in the socket. */
  send(payload: Uint8Array, packet: number, timestamp: number): boolean {
    if (!this.#isOpen) return false;
    this.#firstPacket ??= packet;
    VIEW.setUint8(0, VERSION);
    VIEW.setUint8(1, this.#payloadType);
    VIEW.setUint16(2, this.#sequenceStart + packet - this.#firstPacket);
    VIEW.setUint32(4, this.#timestampStart + timestamp);
    VIEW.setUint32(8, this.#ssrc);
    PACKET.set(payload, HEADER_BYTES);
    LENGTH[0] = HEADER_BYTES + payload.length;
    checked("protect a packet", this.#protect(this.#session, PACKET, LENGTH));
    return this.#socket.send(PACKET, LENGTH[0]);
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#dealloc(this.#session);
    this.#socket[Symbol.dispose]();
  }
}
