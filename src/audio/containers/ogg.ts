/**
 * Ogg (RFC 3533) with Opus (RFC 7845), as it is streamed -> Opus packets:
 *
 *     page: 27 bytes, of which the last is the number of lacing values | lacing values | packets, or parts of them
 *
 * The first stream whose first packet is OpusHead is read, and the one that follows it in a chain. Packets may span pages.
 * A page is passed on when all of it is here, which is how encoders send it.
 * Not followed: checksums are not compared, nor are pages looked for in what is none: TCP neither damages nor loses any.
 * The pre-skip (a few ms) is not dropped, the gain is not applied (recorders write 0).
 */
import { joinBytes } from "../../domain/mod.ts";
import { opusPacketTicks, TICKS_PER_MS } from "../opus_packet.ts";
import {
  checkCount,
  type ContainedPacket,
  type Demuxer,
  invalidBytes,
  isOneStream,
  startsWith,
} from "./container.ts";
import { type Step, StreamBytes } from "./stream_bytes.ts";

const HEAD_BYTES = 27;
const CONTINUED = 1;
const FIRST_PAGE = 2;
const LAST_PAGE = 4;
/** A longer packet is none of Opus: 120 ms have 7,662 bytes at most. Tags with a picture are longer. */
const PACKET_BYTES_MAX = 8 * 1024;
const EMPTY = new Uint8Array();

export class OggDemuxer implements Demuxer {
  readonly #bytes = new StreamBytes();
  /** Of the stream that is read. */
  #serial: number | undefined;
  /** Packets of it that have ended, headers included. */
  #packets = 0;
  /** Whether a stream that begins now replaces it. */
  #isOver = false;
  /** What the pages before have of a packet; undefined where that is too long, or its start was not seen. */
  #partial: Uint8Array | undefined = EMPTY;
  #out: ContainedPacket[] = [];

  get byteLength(): number {
    return this.#bytes.byteLength + (this.#partial?.length ?? 0);
  }

  receive(chunk: Uint8Array): ContainedPacket[] {
    this.#out = [];
    this.#bytes.receive(chunk, (bytes) => this.#parse(bytes));
    return this.#out;
  }

  #parse(bytes: Uint8Array): Step {
    if (!startsWith(bytes, "OggS".slice(0, bytes.length)) || bytes.length > 4 && bytes[4] !== 0) {
      throw invalidBytes("must be Ogg: a page was expected");
    }
    if (bytes.length < HEAD_BYTES) return { needs: HEAD_BYTES };
    const dataAt = HEAD_BYTES + bytes[HEAD_BYTES - 1];
    if (bytes.length < dataAt) return { needs: dataAt };
    const lacing = bytes.subarray(HEAD_BYTES, dataAt);
    let length = dataAt;
    for (const value of lacing) length += value;
    if (bytes.length < length) return { needs: length };
    this.#page(bytes.subarray(0, length), lacing, bytes.subarray(dataAt, length));
    return { used: length };
  }

  #page(page: Uint8Array, lacing: Uint8Array, data: Uint8Array): void {
    const view = new DataView(page.buffer, page.byteOffset, HEAD_BYTES);
    const flags = page[5];
    const serial = view.getUint32(14, true);
    if ((flags & FIRST_PAGE) !== 0) this.#begin(serial, data);
    else if (this.#serial === undefined) throw invalidBytes("must have Opus: no stream has it");
    if (serial !== this.#serial) return;
    if ((flags & CONTINUED) === 0) this.#partial = EMPTY;
    else if (this.#partial?.length === 0) this.#partial = undefined;
    const audio = this.#unlaced(lacing, data);
    // The time at the end of the last packet that ends on this page; all ones where none does.
    const endTicks = view.getUint32(10, true) * 2 ** 32 + view.getUint32(6, true);
    const isLast = (flags & LAST_PAGE) !== 0;
    // The last page's time is less than its packets have where the end is cut off.
    if (audio.length > 0 && !isLast) {
      const ticks = audio.reduce((sum, { payload }) => sum + (opusPacketTicks(payload) ?? 0), 0);
      audio[0].timestampMs = (endTicks - ticks) / TICKS_PER_MS;
    }
    this.#out.push(...audio);
    checkCount(this.#out);
    this.#isOver ||= isLast;
  }

  /** A stream begins: it is the one to read if there is none, or that one is over. */
  #begin(serial: number, head: Uint8Array): void {
    if (this.#serial !== undefined && !this.#isOver && this.#packets <= 2) return;
    if (!startsWith(head, "OpusHead")) return;
    if (!isOneStream(head)) throw invalidBytes("must have one or two channels");
    this.#serial = serial;
    this.#packets = 0;
    this.#isOver = false;
    this.#partial = EMPTY;
  }

  /** The packets that end on a page, without the two headers. */
  #unlaced(lacing: Uint8Array, data: Uint8Array): ContainedPacket[] {
    const audio: ContainedPacket[] = [];
    let at = 0;
    let start = 0;
    for (const value of lacing) {
      at += value;
      if (value === 255) continue;
      const packet = this.#joined(data.subarray(start, at));
      start = at;
      this.#partial = EMPTY;
      if (++this.#packets > 2 && packet && packet.length > 0) audio.push({ payload: packet.slice() });
    }
    if (start < at) this.#partial = this.#joined(data.subarray(start, at))?.slice();
    return audio;
  }

  #joined(rest: Uint8Array): Uint8Array | undefined {
    const partial = this.#partial;
    if (!partial || partial.length + rest.length > PACKET_BYTES_MAX) return undefined;
    return partial.length > 0 ? joinBytes([partial, rest]) : rest;
  }
}
