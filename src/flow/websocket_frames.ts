/**
 * WebSocket framing (RFC 6455, section 5) as plain functions and one incremental decoder: bytes in, messages out. It
 * knows no socket and no time. Not supported, and never offered in a handshake: extensions (compression) and
 * subprotocols.
 */

/** RFC 6455 section 5.2. */
export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Close codes of RFC 6455 section 7.4.1 used here. */
export const CLOSE = {
  normal: 1000,
  /** The peer broke the framing rules. */
  protocolError: 1002,
  /** The peer's close frame carried no code. Never sent. */
  noStatus: 1005,
  /** The connection ended without a close frame. Never sent. */
  abnormal: 1006,
  /** Text that is not UTF-8. */
  invalidPayload: 1007,
  tooBig: 1009,
} as const;

export type WebSocketFrame =
  | { type: "message"; data: string | Uint8Array<ArrayBuffer> }
  | { type: "ping" | "pong"; payload: Uint8Array<ArrayBuffer> }
  | { type: "close"; code: number; reason: string };

/** What the peer sent cannot be read on; `closeCode` is what to answer. */
export class FrameError extends Error {
  constructor(message: string, readonly closeCode: number) {
    super(`Cannot read WebSocket frame: ${message}`);
    this.name = "FrameError";
  }
}

/** Longest header: 2 + 8 bytes of length + 4 of mask. */
const HEADER_BYTES_MAX = 14;
/** Control frames are short, so that they fit between fragments (section 5.5). */
const CONTROL_BYTES_MAX = 125;
/** Fragments of one message: nobody needs this many, and each costs more than its bytes. */
const FRAGMENTS_MAX = 1_000;
/** Room before the payload: it holds any header and keeps the payload aligned for 32-bit masking. */
const PAYLOAD_OFFSET = 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One unfragmented frame. Clients must mask (section 5.3), servers must not. */
export function encodeFrame(opcode: number, payload: Uint8Array, masked: boolean): Uint8Array<ArrayBuffer> {
  const length = payload.byteLength;
  const headerBytes = 2 + (length < 126 ? 0 : length < 65_536 ? 2 : 8) + (masked ? 4 : 0);
  const bytes = new Uint8Array(PAYLOAD_OFFSET + (length + 3 & ~3));
  bytes.set(payload, PAYLOAD_OFFSET);
  const view = new DataView(bytes.buffer, PAYLOAD_OFFSET - headerBytes);
  view.setUint8(0, 0x80 | opcode);
  view.setUint8(1, (masked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127));
  if (length >= 65_536) view.setBigUint64(2, BigInt(length));
  else if (length >= 126) view.setUint16(2, length);
  if (masked) {
    // The key is the four bytes before the payload, so XOR of whole words needs no care for byte order.
    crypto.getRandomValues(bytes.subarray(PAYLOAD_OFFSET - 4, PAYLOAD_OFFSET));
    const words = new Int32Array(bytes.buffer, PAYLOAD_OFFSET - 4);
    const key = words[0];
    for (let word = 1; word < words.length; word++) words[word] ^= key;
  }
  return bytes.subarray(PAYLOAD_OFFSET - headerBytes, PAYLOAD_OFFSET + length);
}

/** Payload of a close frame. The reason is cut to what a control frame holds. */
export function closePayload(code: number, reason: string): Uint8Array<ArrayBuffer> {
  const payload = new Uint8Array(CONTROL_BYTES_MAX);
  new DataView(payload.buffer).setUint16(0, code);
  const { written } = encoder.encodeInto(reason, payload.subarray(2)); // whole characters only
  return payload.slice(0, 2 + written);
}

export interface FrameDecoderOptions {
  /** True at a server (clients mask), false at a client. */
  masked: boolean;
  /** Longest message, bytes, all its fragments together. Also the most this decoder holds. */
  maxMessageBytes: number;
}

/** Takes bytes as they come from the network and gives back whole messages. Throws FrameError, then is of no more use. */
export class FrameDecoder {
  readonly #header = new Uint8Array(HEADER_BYTES_MAX);
  #headerBytes = 0;
  #payload: Uint8Array<ArrayBuffer> | undefined;
  #payloadBytes = 0;
  #opcode = 0;
  #last = false;
  /** Fragments of a message not finished yet, and its opcode. */
  #fragments: Uint8Array<ArrayBuffer>[] = [];
  #fragmentBytes = 0;
  #fragmentOpcode = 0;

  constructor(private readonly options: FrameDecoderOptions) {}

  *receive(chunk: Uint8Array): Generator<WebSocketFrame> {
    let at = 0;
    while (at < chunk.length || this.#payload?.length === this.#payloadBytes) {
      if (!this.#payload) {
        this.#header[this.#headerBytes++] = chunk[at++];
        if (this.#headerBytes === this.#headerLength()) this.#startPayload();
        continue;
      }
      const taken = chunk.subarray(at, at + this.#payload.length - this.#payloadBytes);
      this.#payload.set(taken, this.#payloadBytes);
      this.#payloadBytes += taken.length;
      at += taken.length;
      if (this.#payloadBytes < this.#payload.length) return;
      const frame = this.#finishFrame(this.#payload);
      if (frame) yield frame;
    }
  }

  /** Bytes of the header begun; at least 2, as the second byte tells. */
  #headerLength(): number {
    if (this.#headerBytes < 2) return 2;
    const length = this.#header[1] & 0x7f;
    return 2 + (length < 126 ? 0 : length === 126 ? 2 : 8) + (this.#header[1] & 0x80 ? 4 : 0);
  }

  #startPayload(): void {
    const [first, second] = this.#header;
    const view = new DataView(this.#header.buffer);
    const short = second & 0x7f;
    // Beyond 2^53 the number is rounded, and refused all the same.
    const length = short < 126 ? short : short === 126 ? view.getUint16(2) : Number(view.getBigUint64(2));
    const opcode = first & 0x0f;
    this.#last = (first & 0x80) !== 0;
    if (first & 0x70) throw new FrameError("reserved bits are set", CLOSE.protocolError);
    if (((second & 0x80) !== 0) !== this.options.masked) {
      throw new FrameError("masking is not as the peer's role demands", CLOSE.protocolError);
    }
    if (opcode >= 8) {
      if (opcode > OPCODE.pong) throw new FrameError("unknown opcode", CLOSE.protocolError);
      if (!this.#last || length > CONTROL_BYTES_MAX) {
        throw new FrameError("control frame is fragmented or too long", CLOSE.protocolError);
      }
    } else {
      if (opcode > OPCODE.binary) throw new FrameError("unknown opcode", CLOSE.protocolError);
      if ((opcode === OPCODE.continuation) !== (this.#fragmentOpcode !== 0)) {
        throw new FrameError("fragments are out of order", CLOSE.protocolError);
      }
      const tooMany = this.#fragments.length >= FRAGMENTS_MAX;
      if (tooMany || this.#fragmentBytes + length > this.options.maxMessageBytes) {
        throw new FrameError("message is too big", CLOSE.tooBig);
      }
    }
    this.#opcode = opcode;
    this.#payload = new Uint8Array(length);
    this.#payloadBytes = 0;
  }

  #finishFrame(payload: Uint8Array<ArrayBuffer>): WebSocketFrame | undefined {
    if (this.options.masked) {
      const key = this.#header.subarray(this.#headerBytes - 4, this.#headerBytes);
      for (let at = 0; at < payload.length; at++) payload[at] ^= key[at & 3];
    }
    this.#payload = undefined;
    this.#headerBytes = 0;
    if (this.#opcode === OPCODE.close) return closeFrame(payload);
    if (this.#opcode === OPCODE.ping) return { type: "ping", payload };
    if (this.#opcode === OPCODE.pong) return { type: "pong", payload };
    const opcode = this.#fragmentOpcode || this.#opcode;
    if (this.#last && this.#fragments.length === 0 && this.#fragmentOpcode === 0) {
      return { type: "message", data: opcode === OPCODE.text ? decodeText(payload) : payload };
    }
    this.#fragmentOpcode = opcode;
    if (payload.length > 0) this.#fragments.push(payload); // empty ones would grow the list past its bound in bytes
    this.#fragmentBytes += payload.length;
    if (!this.#last) return undefined;
    const whole = new Uint8Array(this.#fragmentBytes);
    let at = 0;
    for (const fragment of this.#fragments) {
      whole.set(fragment, at);
      at += fragment.length;
    }
    this.#fragments = [];
    this.#fragmentBytes = this.#fragmentOpcode = 0;
    return { type: "message", data: opcode === OPCODE.text ? decodeText(whole) : whole };
  }
}

function closeFrame(payload: Uint8Array<ArrayBuffer>): WebSocketFrame {
  if (payload.length === 0) return { type: "close", code: CLOSE.noStatus, reason: "" };
  if (payload.length === 1) throw new FrameError("close code is cut short", CLOSE.protocolError);
  const code = new DataView(payload.buffer, payload.byteOffset).getUint16(0);
  return { type: "close", code, reason: decodeText(payload.subarray(2)) };
}

function decodeText(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new FrameError("text is not UTF-8", CLOSE.invalidPayload);
  }
}
