/**
 * A client's binary WebSocket frame (RFC 6455 section 5.2) of the size of audio, built in a reused buffer, of which each
 * thread has a few. Why not by `ws`: docs/decisions/0003-websocket-client.md.
 *
 *     0x82  0x80+126  length, 16 bits   mask, 32 bits     payload: word-aligned, masked a word at a time
 *     |---------- word 0 -----------|   |-- word 1 --|    |-- word 2 ..
 *
 * Not for other messages (`fitsBinaryFrame`): a shorter one has a header of another length, a longer one would need larger
 * buffers for all.
 */

/** 200 ms of 24 kHz float32 are 19,200 bytes; with the header and a margin 20 KiB. */
const BUFFER_BYTES = 20 * 1024;
const HEADER_BYTES = 8;
const HEADER_WORDS = HEADER_BYTES / 4;
/** The largest length encoded in seven bits, RFC 6455 section 5.2. */
const SHORT_LENGTH_MAX = 125;
/** FIN and the opcode of a binary message; MASK and "the length is in the next 16 bits". */
const FIN_BINARY = 0x82;
const MASK_LENGTH_16 = 0x80 | 126;

/** Free buffers kept, 640 KiB: as many frames as one turn of the event loop sends. */
export const FREE_BUFFERS_MAX = 32;
const free: FrameBuffer[] = [];

/** A thousand random masks at a time, each used once: none may be predictable (RFC 6455 section 10.3). */
const masks = new Int32Array(1024);
let maskAt = masks.length;

/** The part used of a socket of node:net or node:tls. */
export interface Transport {
  /** `written` is called once; without an error `bytes` is not read any more. */
  write(bytes: Uint8Array, written: (error?: Error | null) => void): unknown;
}

export function fitsBinaryFrame(message: Uint8Array): boolean {
  return message.length > SHORT_LENGTH_MAX && message.length <= BUFFER_BYTES - HEADER_BYTES;
}

/**
 * Writes a copy of `message`, which must fit, as one frame. `written` is called when the transport has taken the frame, or
 * will never take it.
 */
export function writeBinaryFrame(transport: Transport, message: Uint8Array, written: () => void): void {
  (free.pop() ?? new FrameBuffer()).write(transport, message, written);
}

class FrameBuffer {
  readonly #words = new Int32Array(BUFFER_BYTES / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);
  #written?: () => void;

  write(transport: Transport, message: Uint8Array, written: () => void): void {
    const bytes = this.#bytes;
    bytes[0] = FIN_BINARY;
    bytes[1] = MASK_LENGTH_16;
    bytes[2] = message.length >> 8;
    bytes[3] = message.length;
    bytes.set(message, HEADER_BYTES);
    const words = this.#words;
    const mask = words[1] = nextMask();
    // The last word may extend past the message: those bytes are not sent.
    const end = HEADER_WORDS + Math.ceil(message.length / 4);
    for (let at = HEADER_WORDS; at < end; at++) words[at] ^= mask;
    this.#written = written;
    transport.write(bytes.subarray(0, HEADER_BYTES + message.length), this.#onWritten);
  }

  /**
   * The buffer is free if the frame was taken; after an error, or if this is never called, it is not reused.
   */
  readonly #onWritten = (error?: Error | null): void => {
    const written = this.#written!;
    this.#written = undefined;
    if (!error && free.length < FREE_BUFFERS_MAX) free.push(this);
    written();
  };
}

function nextMask(): number {
  if (maskAt === masks.length) {
    crypto.getRandomValues(masks);
    maskAt = 0;
  }
  return masks[maskAt++];
}
