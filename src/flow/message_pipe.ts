/**
 * Messages between two processes of ours, over a pipe: JSON, followed by the bytes it refers to. Both ends are this
 * program, so nothing is checked but that a frame is whole.
 *
 *     | length of the JSON | length of the bytes | JSON | bytes |        lengths: 32 bit, little-endian
 */
import { joinBytes } from "../domain/mod.ts";

const HEAD_BYTES = 8;
/** In the JSON in place of bytes: their offset behind it, and their number. */
interface BytesAt {
  $bytes: [start: number, length: number];
}

/** The frame of a message. A Uint8Array anywhere in it arrives as one. */
export function encodeMessage(message: unknown): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  // `this[key]`, because a Buffer has a toJSON, whose result `value` would be.
  const text = JSON.stringify(message, function (this: Record<string, unknown>, key, value: unknown) {
    const raw = this[key];
    if (!(raw instanceof Uint8Array)) return value;
    parts.push(raw);
    bytes += raw.length;
    return { $bytes: [bytes - raw.length, raw.length] } satisfies BytesAt;
  });
  const json = new TextEncoder().encode(text);
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  view.setUint32(0, json.length, true);
  view.setUint32(4, bytes, true);
  return joinBytes([head, json, ...parts]);
}

/** The messages in a stream of frames, however it is cut. An incomplete frame at the end is dropped. */
export class MessageDecoder<Message> {
  #held = new Uint8Array();

  receive(chunk: Uint8Array): Message[] {
    const messages: Message[] = [];
    const data = this.#held.length > 0 ? joinBytes([this.#held, chunk]) : chunk;
    let at = 0;
    for (;;) {
      const left = data.length - at;
      if (left < HEAD_BYTES) break;
      const view = new DataView(data.buffer, data.byteOffset + at, HEAD_BYTES);
      const jsonEnd = HEAD_BYTES + view.getUint32(0, true);
      const end = jsonEnd + view.getUint32(4, true);
      if (left < end) break;
      messages.push(
        decode(data.subarray(at + HEAD_BYTES, at + jsonEnd), data.subarray(at + jsonEnd, at + end)),
      );
      at += end;
    }
    this.#held = data.slice(at);
    return messages;
  }
}

function decode<Message>(json: Uint8Array, bytes: Uint8Array): Message {
  const text = new TextDecoder().decode(json);
  if (bytes.length === 0 && !text.includes('"$bytes"')) return JSON.parse(text); // nearly all
  return JSON.parse(text, (_key, value: unknown) => {
    if (!isBytesAt(value)) return value;
    const [start, length] = value.$bytes;
    return bytes.slice(start, start + length);
  });
}

function isBytesAt(value: unknown): value is BytesAt {
  return typeof value === "object" && value !== null && "$bytes" in value && Array.isArray(value.$bytes);
}

export interface MessageWriterOptions {
  /** Bytes that may wait for the other end to read. */
  waitingBytesMax: number;
  /** Called once: the other end has closed, or does not read. Nothing is written from then on. */
  onBroken: (error: unknown) => void;
}

/**
 * Writes messages to a pipe, in order: the first at once, those that come while it is written together. A write costs more
 * than most messages, and a hundred speakers send a thousand of them a second.
 */
export class MessageWriter<Message> {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #options: MessageWriterOptions;
  /** Frames that are not being written yet. */
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #isBroken = false;

  constructor(pipe: WritableStream<Uint8Array>, options: MessageWriterOptions) {
    this.#options = options;
    this.#writer = pipe.getWriter();
    this.#writer.closed.catch((error) => this.#fail(error));
  }

  write(message: Message): void {
    if (this.#isBroken) return;
    const frame = encodeMessage(message);
    if (this.#waitingBytes + frame.length > this.#options.waitingBytesMax) {
      return this.#fail(new Error("Cannot write to a process: it does not read"));
    }
    this.#waitingBytes += frame.length;
    this.#waiting.push(frame);
    this.#writing ??= this.#writeAll();
  }

  /** Closes the pipe once all is written. Never rejects. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#writer.close().catch(() => {});
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const bytes = this.#takeWaiting();
      try {
        await this.#writer.write(bytes);
        this.#waitingBytes -= bytes.length;
      } catch (error) {
        this.#waiting = [];
        this.#fail(error);
      }
    }
    this.#writing = undefined;
  }

  /** In a function of its own: while they are written, only the joined bytes are kept. */
  #takeWaiting(): Uint8Array {
    const frames = this.#waiting;
    this.#waiting = [];
    return frames.length === 1 ? frames[0] : joinBytes(frames);
  }

  #fail(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#options.onBroken(error);
  }
}
