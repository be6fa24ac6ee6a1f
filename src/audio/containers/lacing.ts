/** The frames of a WebM block (RFC 9559, section 10.3): one, or several in one of three lacings. */
import { invalidBytes } from "./container.ts";
import { readSize, vintLength } from "./vint.ts";

/** Views of `data`, which begins after the flags. Throws InvalidRequestError where the sizes do not fit. */
export function blockFrames(flags: number, data: Uint8Array): Uint8Array[] {
  const lacing = flags >> 1 & 3;
  if (lacing === 0) return [data];
  if (data.length === 0) throw invalidLacing();
  const count = data[0] + 1;
  const { sizes, at } = lacing === 1
    ? xiphSizes(data, count - 1)
    : lacing === 3
    ? ebmlSizes(data, count - 1)
    : { sizes: Array<number>(count - 1).fill((data.length - 1) / count), at: 1 };
  const frames: Uint8Array[] = [];
  let start = at;
  for (const size of sizes) {
    if (!Number.isInteger(size) || size < 0 || start + size > data.length) throw invalidLacing();
    frames.push(data.subarray(start, start += size));
  }
  frames.push(data.subarray(start));
  return frames;
}

/** Each is a row of bytes that are added up, all but the last of them 255. */
function xiphSizes(data: Uint8Array, count: number): { sizes: number[]; at: number } {
  const sizes: number[] = [];
  let at = 1;
  for (let size = 0; sizes.length < count;) {
    if (at >= data.length) throw invalidLacing();
    const byte = data[at++];
    size += byte;
    if (byte === 255) continue;
    sizes.push(size);
    size = 0;
  }
  return { sizes, at };
}

/** The first is a variable-size integer, the others differences to the one before, moved so as to be positive. */
function ebmlSizes(data: Uint8Array, count: number): { sizes: number[]; at: number } {
  const sizes: number[] = [];
  let at = 1;
  for (let size = 0; sizes.length < count;) {
    const length = vintLength(data[at] ?? 0);
    if (length > 8 || at + length > data.length) throw invalidLacing();
    const value = readSize(data.subarray(at, at + length)) ?? NaN;
    size = sizes.length === 0 ? value : size + value - (2 ** (7 * length - 1) - 1);
    sizes.push(size);
    at += length;
  }
  return { sizes, at };
}

function invalidLacing() {
  return invalidBytes("must be WebM: the sizes in a block do not fit it");
}
