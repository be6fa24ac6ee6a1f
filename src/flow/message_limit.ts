/**
 * Removes too large messages from the bytes of a WebSocket server (RFC 6455 section 5.2) before they are held in memory
 * whole; an empty text message replaces each. Frames that fit pass unchanged; the fragments of a message are held here
 * until the last one shows that it fits. Not a validator: after an unexpected frame (masked, a reserved bit, fragments
 * out of order) everything passes unchanged, for the reader to refuse.
 *
 *     between messages --whole, fits--> passes
 *           |   |        --whole, too large--> skipped -----------------.
 *           |   '--first fragment, fits--> held --last, fits--> passes  |
 *           '------first fragment, too large--> skipped <--too large----'
 */

/** Fragments held of one message, however short: the limit of `ws`. */
const FRAGMENTS_MAX = 16 * 1024;
/** An empty text message. */
const REPLACEMENT = Uint8Array.of(0x81, 0);

const FIN = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
const CONTINUATION = 0;
const FIRST_CONTROL = 8;
const MASKED = 0x80;

export interface MessageLimitOptions {
  /** Of one message, its fragments' headers included. Bytes. */
  maxBytes: number;
  /** One was too large. `number` counts the messages from 1, replacements too; `bytes` is its length. */
  onSkipped: (number: number, bytes: number) => void;
}

export class MessageLimit {
  readonly #options: MessageLimitOptions;
  /** Of the current frame, as far as received: at most 10 bytes. */
  #header: number[] = [];
  /** Bytes of the payload not received yet. */
  #left = 0;
  /** Where the payload goes. */
  #target: "out" | "held" | "nowhere" = "out";
  #isLast = false;
  #isControl = false;
  /** The current fragmented message, and its length so far. */
  #fragments: "none" | "held" | "skipped" = "none";
  #held: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #messages = 0;
  #isOff = false;
  #out: Uint8Array<ArrayBuffer>[] = [];

  constructor(options: MessageLimitOptions) {
    this.#options = options;
  }

  /** The next bytes in; those to be read out, some of them views of `chunk`. */
  receive(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    let at = 0;
    while (at < chunk.length && !this.#isOff) {
      if (this.#left === 0) {
        this.#header.push(chunk[at++]);
        this.#readHeader();
      } else {
        const end = Math.min(chunk.length, at + this.#left);
        this.#put(chunk.subarray(at, end));
        this.#left -= end - at;
        at = end;
        if (this.#left === 0) this.#frameEnded();
      }
    }
    if (at < chunk.length) this.#out.push(chunk.subarray(at));
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #readHeader(): void {
    const [first, second] = this.#header;
    if (second === undefined) return;
    const opcode = first & OPCODE;
    this.#isControl = opcode >= FIRST_CONTROL;
    const isInOrder = this.#isControl || (opcode === CONTINUATION) === (this.#fragments !== "none");
    if ((first & RESERVED) !== 0 || (second & MASKED) !== 0 || !isInOrder) return this.#passAll();
    const size = second === 127 ? 10 : second === 126 ? 4 : 2;
    if (this.#header.length < size) return;
    const length = size === 2 ? second : this.#header.slice(2).reduce((sum, byte) => sum * 256 + byte, 0);
    this.#isLast = (first & FIN) !== 0;
    this.#left = length;
    this.#aim(size + length);
    this.#put(Uint8Array.from(this.#header));
    this.#header = [];
    if (length === 0) this.#frameEnded();
  }

  /** Decides where the frame goes. */
  #aim(frameBytes: number): void {
    this.#target = "out";
    if (this.#isControl) return;
    this.#bytes += frameBytes;
    const isTooLong = this.#bytes > this.#options.maxBytes || this.#held.length >= FRAGMENTS_MAX;
    if (this.#fragments === "skipped" || isTooLong) {
      this.#target = "nowhere";
      this.#fragments = "skipped";
      this.#held = [];
    } else if (this.#fragments === "held" || !this.#isLast) this.#target = this.#fragments = "held";
  }

  #put(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#target === "out") this.#out.push(bytes);
    // A copy: a view of one byte keeps the whole chunk.
    else if (this.#target === "held") this.#held.push(new Uint8Array(bytes));
  }

  #frameEnded(): void {
    if (this.#isControl || !this.#isLast) return;
    this.#messages++;
    if (this.#fragments === "skipped") {
      this.#out.push(REPLACEMENT);
      this.#options.onSkipped(this.#messages, this.#bytes);
    } else this.#out.push(...this.#held);
    this.#fragments = "none";
    this.#held = [];
    this.#bytes = 0;
  }

  #passAll(): void {
    this.#isOff = true;
    this.#out.push(...this.#held);
    this.#out.push(Uint8Array.from(this.#header));
    this.#held = [];
  }
}
