/**
 * Takes messages that are too long out of the bytes of a WebSocket server (RFC 6455 section 5.2) before they are held
 * in memory whole. An empty text message is left in the place of each. Frames that fit pass unchanged; the pieces of a
 * message wait here until its last one shows that it fits. Does not check the protocol: what is not a frame this
 * expects (a mask, a reserved bit, pieces out of order) passes unchanged from there on, for the reader to refuse.
 *
 *     between messages --whole, fits--> passes
 *           |   |        --whole, too long--> skipped ------------.
 *           |   '--first piece, fits--> held --last, fits--> passes
 *           '------first piece, too long--> skipped <--too long--'
 */

/** Pieces of one message that are kept, however short: what `ws` keeps of one. */
const PIECES_MAX = 16 * 1024;
/** An empty text message, whole. */
const STAND_IN = Uint8Array.of(0x81, 0);

const FIN = 0x80;
const RESERVED = 0x70;
const OPCODE = 0x0f;
const CONTINUATION = 0;
const FIRST_CONTROL = 8;
const MASKED = 0x80;

export interface MessageLimitOptions {
  /** Of one message, its pieces' headers included. Bytes. */
  maxBytes: number;
  /** One was too long. `number` counts the messages from 1, stand-ins too; `bytes` is its length. */
  onSkipped: (number: number, bytes: number) => void;
}

export class MessageLimit {
  readonly #options: MessageLimitOptions;
  /** Of the frame that is being read, as far as it has come: at most 10 bytes. */
  #header: number[] = [];
  /** Bytes of the payload still to come. */
  #left = 0;
  /** Where the payload goes. */
  #target: "out" | "held" | "nowhere" = "out";
  #isLast = false;
  #isControl = false;
  /** The message in pieces that is being read, and how long it is by now. */
  #pieces: "none" | "held" | "skipped" = "none";
  #held: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #messages = 0;
  #isGivenUp = false;
  #out: Uint8Array<ArrayBuffer>[] = [];

  constructor(options: MessageLimitOptions) {
    this.#options = options;
  }

  /** Bytes in, in any portions; what is to be read of them out. What goes out at once is of the portion given. */
  receive(chunk: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
    let at = 0;
    while (at < chunk.length && !this.#isGivenUp) {
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
    const isInOrder = this.#isControl || (opcode === CONTINUATION) === (this.#pieces !== "none");
    if ((first & RESERVED) !== 0 || (second & MASKED) !== 0 || !isInOrder) return this.#giveUp();
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
    const isTooLong = this.#bytes > this.#options.maxBytes || this.#held.length >= PIECES_MAX;
    if (this.#pieces === "skipped" || isTooLong) {
      this.#target = "nowhere";
      this.#pieces = "skipped";
      this.#held = [];
    } else if (this.#pieces === "held" || !this.#isLast) this.#target = this.#pieces = "held";
  }

  #put(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#target === "out") this.#out.push(bytes);
    // A copy: a view of one byte keeps all of the portion it came in.
    else if (this.#target === "held") this.#held.push(new Uint8Array(bytes));
  }

  #frameEnded(): void {
    if (this.#isControl || !this.#isLast) return;
    this.#messages++;
    if (this.#pieces === "skipped") {
      this.#out.push(STAND_IN);
      this.#options.onSkipped(this.#messages, this.#bytes);
    } else for (const piece of this.#held) this.#out.push(piece);
    this.#pieces = "none";
    this.#held = [];
    this.#bytes = 0;
  }

  #giveUp(): void {
    this.#isGivenUp = true;
    for (const piece of this.#held) this.#out.push(piece);
    this.#out.push(Uint8Array.from(this.#header));
    this.#held = [];
  }
}
