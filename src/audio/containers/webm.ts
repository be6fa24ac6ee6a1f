/**
 * WebM (RFC 9559, on EBML, RFC 8794) with Opus, as it is streamed -> Opus packets. A packet is passed on when its block is
 * here, not when its cluster ends. Elements are read in a row: those with what is wanted inside are entered, others are
 * skipped, and none is kept but a block of the track that is read.
 *
 *     EBML | Segment ( Info | Tracks ( TrackEntry .. ) | Cluster ( Timestamp | SimpleBlock .. ) .. )
 *
 * The first Opus track is read. Segments and clusters may be of unknown size, and where an element ends in another is not
 * looked at. A second EBML header begins a recording of its own.
 */
import {
  checkCount,
  type ContainedPacket,
  type Demuxer,
  invalidBytes,
  isOneStream,
  startsWith,
} from "./container.ts";
import { blockFrames } from "./lacing.ts";
import { type Step, StreamBytes } from "./stream_bytes.ts";
import { readSize, readUint, vintLength } from "./vint.ts";

const EBML = 0x1a45dfa3;
const TRACK_ENTRY = 0xae;
const CLUSTER = 0x1f43b675;
/** Segment, Info, Tracks, BlockGroup, and the three above. */
const ENTERED = new Set([EBML, 0x18538067, 0x1549a966, 0x1654ae6b, TRACK_ENTRY, CLUSTER, 0xa0]);
const SIMPLE_BLOCK = 0xa3;
const BLOCK = 0xa1;

/** Elements whose value is used, and the most bytes it may have. */
const TIMESTAMP_SCALE = 0x2ad7b1;
const TRACK_NUMBER = 0xd7;
const CODEC_ID = 0x86;
const CODEC_PRIVATE = 0x63a2;
const CLUSTER_TIMESTAMP = 0xe7;
const VALUE_BYTES_MAX = new Map([
  [TIMESTAMP_SCALE, 8],
  [TRACK_NUMBER, 8],
  [CODEC_ID, 64],
  [CODEC_PRIVATE, 1_024],
  [CLUSTER_TIMESTAMP, 8],
]);
/** Compressed or encrypted: not read. */
const CONTENT_ENCODINGS = 0x6d80;

const ID_BYTES_MAX = 4;
/** Track number, timestamp and flags. */
const BLOCK_HEAD_BYTES_MAX = 8 + 3;
/** A block of audio: one packet, or some tens of them. */
export const BLOCK_BYTES_MAX = 64 * 1024;
/** A picture of a video, or a list of them. */
const SKIPPED_BYTES_MAX = 1024 * 1024;
const NS_PER_MS = 1_000_000;

interface Track {
  number: number;
  codec: string;
  head?: Uint8Array;
  isEncoded: boolean;
}

export class WebmDemuxer implements Demuxer {
  readonly #bytes = new StreamBytes();
  /** The one being described. */
  #entry: Track | undefined;
  #opusTrack: number | undefined;
  #hasBegun = false;
  #scaleNs = NS_PER_MS;
  /** In units of the scale. */
  #clusterTime = 0;
  #out: ContainedPacket[] = [];

  get byteLength(): number {
    return this.#bytes.byteLength;
  }

  receive(chunk: Uint8Array): ContainedPacket[] {
    this.#out = [];
    this.#bytes.receive(chunk, (bytes) => this.#parse(bytes));
    return this.#out;
  }

  #parse(bytes: Uint8Array): Step {
    const idBytes = vintLength(bytes[0]);
    if (idBytes > ID_BYTES_MAX) throw invalidBytes("must be WebM: an element was expected");
    if (bytes.length <= idBytes) return { needs: idBytes + 1 };
    const sizeBytes = vintLength(bytes[idBytes]);
    if (sizeBytes > 8) throw invalidBytes("must be WebM: an element has no size");
    const dataAt = idBytes + sizeBytes;
    if (bytes.length < dataAt) return { needs: dataAt };
    const id = readUint(bytes.subarray(0, idBytes));
    const size = readSize(bytes.subarray(idBytes, dataAt));
    if (!this.#hasBegun && id !== EBML) throw invalidBytes("must be WebM: it has no EBML header");
    if (ENTERED.has(id)) {
      this.#enter(id);
      return { used: dataAt };
    }
    if (id === SIMPLE_BLOCK || id === BLOCK) return this.#block(bytes, dataAt, size);
    const valueBytesMax = VALUE_BYTES_MAX.get(id);
    if (valueBytesMax === undefined) return this.#skip(id, dataAt, size);
    if (size === undefined || size > valueBytesMax) throw invalidBytes("must be WebM: a value is too long");
    if (bytes.length < dataAt + size) return { needs: dataAt + size };
    this.#value(id, bytes.subarray(dataAt, dataAt + size));
    return { used: dataAt + size };
  }

  #enter(id: number): void {
    if (id === EBML) this.#begin();
    if (id === TRACK_ENTRY || id === CLUSTER) this.#endEntry();
    if (id === TRACK_ENTRY) this.#entry = { number: 0, codec: "", isEncoded: false };
  }

  #begin(): void {
    this.#hasBegun = true;
    this.#entry = this.#opusTrack = undefined;
    this.#scaleNs = NS_PER_MS;
    this.#clusterTime = 0;
  }

  #endEntry(): void {
    const entry = this.#entry;
    this.#entry = undefined;
    if (this.#opusTrack !== undefined || entry?.codec !== "A_OPUS" || entry.isEncoded) return;
    if (!isOneStream(entry.head)) throw invalidBytes("must have one or two channels");
    this.#opusTrack = entry.number;
  }

  #skip(id: number, dataAt: number, size: number | undefined): Step {
    if (size === undefined || size > SKIPPED_BYTES_MAX) {
      throw invalidBytes("must be WebM: an element is too large");
    }
    if (id === CONTENT_ENCODINGS && this.#entry) this.#entry.isEncoded = true;
    return { used: dataAt + size };
  }

  #value(id: number, value: Uint8Array): void {
    if (id === TIMESTAMP_SCALE) this.#scaleNs = readUint(value);
    else if (id === CLUSTER_TIMESTAMP) this.#clusterTime = readUint(value);
    else if (!this.#entry) return;
    else if (id === TRACK_NUMBER) this.#entry.number = readUint(value);
    else if (id === CODEC_ID) this.#entry.codec = startsWith(value, "A_OPUS") ? "A_OPUS" : "other";
    else this.#entry.head = value.slice();
  }

  #block(bytes: Uint8Array, dataAt: number, size: number | undefined): Step {
    if (size === undefined || size > SKIPPED_BYTES_MAX) {
      throw invalidBytes("must be WebM: a block is too large");
    }
    this.#endEntry(); // clusters may be missing
    if (this.#opusTrack === undefined) throw invalidBytes("must have Opus: no track has it");
    const headEnd = dataAt + Math.min(size, BLOCK_HEAD_BYTES_MAX);
    if (bytes.length < headEnd) return { needs: headEnd };
    const timeAt = dataAt + vintLength(bytes[dataAt]);
    const framesAt = timeAt + 3;
    const end = dataAt + size;
    if (timeAt > dataAt + 8 || framesAt > end) throw invalidBytes("must be WebM: a block has no header");
    if (readSize(bytes.subarray(dataAt, timeAt)) !== this.#opusTrack) return { used: end };
    if (size > BLOCK_BYTES_MAX) throw invalidBytes("must be WebM: a block of audio is too large");
    if (bytes.length < end) return { needs: end };
    const time = (bytes[timeAt] << 8 | bytes[timeAt + 1]) << 16 >> 16;
    this.#frames(time, bytes[timeAt + 2], bytes.subarray(framesAt, end));
    return { used: end };
  }

  #frames(time: number, flags: number, data: Uint8Array): void {
    let timestampMs: number | undefined = (this.#clusterTime + time) * this.#scaleNs / NS_PER_MS;
    for (const frame of blockFrames(flags, data)) {
      if (frame.length === 0) continue;
      this.#out.push({ payload: frame.slice(), timestampMs });
      timestampMs = undefined; // those after the first follow it
    }
    checkCount(this.#out);
  }
}
