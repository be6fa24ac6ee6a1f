/** WebM and Ogg of Opus packets, written as recorders do it live, and in ways that are allowed and rare. */
import { joinBytes } from "../../src/domain/mod.ts";

const OPUS_HEAD = [..."OpusHead"].map((letter) => letter.charCodeAt(0));
const OPUS_TAGS = [..."OpusTags"].map((letter) => letter.charCodeAt(0));

export function opusHead({ channels = 1, family = 0 } = {}): Uint8Array {
  return Uint8Array.from([...OPUS_HEAD, 1, channels, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, family]);
}

export interface TimedPacket {
  payload: Uint8Array;
  timestampMs: number;
}

/** Each with its time, one after the other. */
export function timed(payloads: readonly Uint8Array[], packetMs: number, startMs = 0): TimedPacket[] {
  return payloads.map((payload, index) => ({ payload, timestampMs: startMs + index * packetMs }));
}

/** An EBML element; `size` lies about its data. */
export function element(id: number, data: Uint8Array | readonly number[], size = data.length): Uint8Array {
  return joinBytes([idBytes(id), vint(size), Uint8Array.from(data)]);
}

/** The head of an element whose size is not known. */
export function openElement(id: number): Uint8Array {
  return joinBytes([idBytes(id), Uint8Array.of(0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)]);
}

function idBytes(id: number): Uint8Array {
  const bytes = [id >>> 24, id >>> 16 & 0xff, id >>> 8 & 0xff, id & 0xff];
  return Uint8Array.from(bytes.slice(bytes.findIndex((byte) => byte > 0)));
}

export function vint(value: number, length = value < 127 ? 1 : value < 16_383 ? 2 : 8): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = length - 1, left = value; at >= 0; at--, left = Math.floor(left / 256)) {
    bytes[at] = left % 256;
  }
  bytes[0] |= 1 << 8 - length;
  return bytes;
}

function uint(value: number): number[] {
  const bytes = [];
  for (let left = value; left > 0; left = Math.floor(left / 256)) bytes.unshift(left % 256);
  return bytes.length > 0 ? bytes : [0];
}

const text = (value: string) => [...value].map((letter) => letter.charCodeAt(0));

export const EBML_HEADER = element(0x1a45dfa3, element(0x4282, text("webm")));

export function trackEntry(
  { number = 1, codec = "A_OPUS", head = opusHead() as Uint8Array | undefined, more = [] as Uint8Array[] } =
    {},
): Uint8Array {
  return element(
    0xae,
    joinBytes([
      element(0xd7, [number]),
      element(0x83, [codec.startsWith("A") ? 2 : 1]),
      element(0x86, text(codec)),
      ...head ? [element(0x63a2, head)] : [],
      element(0xe1, element(0x9f, [1])),
      ...more,
    ]),
  );
}

/** Everything before the first cluster. */
export function webmHead(tracks: readonly Uint8Array[] = [trackEntry()]): Uint8Array {
  return joinBytes([
    EBML_HEADER,
    openElement(0x18538067),
    element(0x1549a966, element(0x2ad7b1, uint(1_000_000))),
    element(0x1654ae6b, joinBytes(tracks)),
  ]);
}

/** The start of a cluster of unknown size. */
export function clusterHead(timestampMs: number): Uint8Array {
  return joinBytes([openElement(0x1f43b675), element(0xe7, uint(timestampMs))]);
}

export function simpleBlock(
  data: Uint8Array,
  { track = 1, relativeMs = 0, flags = 0x80 } = {},
): Uint8Array {
  return element(0xa3, [...vint(track), relativeMs >> 8 & 0xff, relativeMs & 0xff, flags, ...data]);
}

/** As Chromium's MediaRecorder writes it: unknown sizes, two packets in each cluster. */
export function webm(packets: readonly TimedPacket[], { inCluster = 2 } = {}): Uint8Array<ArrayBuffer> {
  const parts = [webmHead()];
  for (let at = 0; at < packets.length; at += inCluster) {
    const [{ timestampMs: startMs }] = packets.slice(at);
    parts.push(clusterHead(startMs));
    for (const { payload, timestampMs } of packets.slice(at, at + inCluster)) {
      parts.push(simpleBlock(payload, { relativeMs: timestampMs - startMs }));
    }
  }
  return joinBytes(parts);
}

export type Lacing = "xiph" | "fixed" | "ebml";

/** A block of several packets. */
export function lacedBlock(payloads: readonly Uint8Array[], lacing: Lacing): Uint8Array {
  const sizes = payloads.slice(0, -1).map(({ length }) => length);
  const written = {
    xiph: sizes.flatMap((size) => laced(size)),
    fixed: [],
    ebml: sizes.flatMap((size, index) =>
      index === 0 ? [...vint(size)] : [...vint(size - sizes[index - 1] + 2 ** 13 - 1, 2)]
    ),
  }[lacing];
  const flags = 0x80 | { xiph: 1, fixed: 2, ebml: 3 }[lacing] << 1;
  return simpleBlock(joinBytes([Uint8Array.of(payloads.length - 1, ...written), ...payloads]), { flags });
}

function laced(size: number): number[] {
  return [...Array<number>(Math.floor(size / 255)).fill(255), size % 255];
}

export interface OggOptions {
  serial?: number;
  /** Lacing values on a page: packets of more span pages. */
  segmentsPerPage?: number;
  packetMs: number;
  tagsBytes?: number;
  /** Whether the last page is marked as that. */
  ends?: boolean;
  startMs?: number;
}

/** An Ogg stream; packets are 20 ms each unless said otherwise. */
export function ogg(payloads: readonly Uint8Array[], options: OggOptions): Uint8Array<ArrayBuffer> {
  const { serial = 7, segmentsPerPage = 5, packetMs, tagsBytes = 32, ends = false, startMs = 0 } = options;
  const pages = new OggPages(serial, segmentsPerPage);
  pages.add(opusHead(), 0);
  pages.end();
  pages.add(Uint8Array.from([...OPUS_TAGS, ...new Uint8Array(tagsBytes)]), 0);
  pages.end();
  payloads.forEach((payload, index) => pages.add(payload, (startMs + (index + 1) * packetMs) * 48));
  pages.end(ends);
  return joinBytes(pages.written);
}

class OggPages {
  readonly written: Uint8Array[] = [];
  #lacing: number[] = [];
  #parts: Uint8Array[] = [];
  /** All ones where no packet ends. */
  #granule = -1n;
  #isContinued = false;

  constructor(private readonly serial: number, private readonly segments: number) {}

  add(packet: Uint8Array, granule: number): void {
    let at = 0;
    for (const value of laced(packet.length)) {
      if (this.#lacing.length === this.segments) this.end();
      this.#lacing.push(value);
      this.#parts.push(packet.subarray(at, at += value));
      if (value < 255) this.#granule = BigInt(granule);
    }
  }

  end(isLast = false): void {
    if (this.#lacing.length === 0) return;
    const head = new Uint8Array(27);
    head.set(text("OggS"));
    const view = new DataView(head.buffer);
    view.setUint8(5, (this.#isContinued ? 1 : 0) | (this.written.length === 0 ? 2 : 0) | (isLast ? 4 : 0));
    view.setBigInt64(6, this.#granule, true);
    view.setUint32(14, this.serial, true);
    view.setUint32(18, this.written.length, true);
    view.setUint8(26, this.#lacing.length);
    const page = joinBytes([head, Uint8Array.from(this.#lacing), ...this.#parts]);
    new DataView(page.buffer).setUint32(22, oggChecksum(page), true);
    this.#isContinued = this.#lacing.at(-1) === 255;
    this.written.push(page);
    this.#lacing = [];
    this.#parts = [];
    this.#granule = -1n;
  }
}

/** RFC 3533, section 6: polynomial 0x04c11db7, no reflection. */
function oggChecksum(page: Uint8Array): number {
  let sum = 0;
  for (const byte of page) {
    sum ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) sum = sum < 0 ? sum << 1 ^ 0x04c11db7 : sum << 1;
  }
  return sum >>> 0;
}
