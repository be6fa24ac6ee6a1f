/**
 * Splits an Opus packet of several frames (RFC 6716, section 3.2) into packets of one frame each. Packets of RTP fit into a
 * datagram; recorders make larger ones: 60 ms at 256 kbit/s are 1,920 bytes. A frame has 1,275 at most.
 */

const FRAME_BYTES_MAX = 1_275;
const FRAMES_MAX = 48;

/** Undefined for a packet that breaks a rule of section 3.4. */
export function splitOpusPacket(payload: Uint8Array): Uint8Array[] | undefined {
  const frames = framesOf(payload);
  if (!frames || frames.some(({ length }) => length > FRAME_BYTES_MAX)) return undefined;
  return frames.map((frame) => {
    const packet = new Uint8Array(1 + frame.length);
    packet[0] = payload[0] & 0xfc; // one frame
    packet.set(frame, 1);
    return packet;
  });
}

function framesOf(payload: Uint8Array): Uint8Array[] | undefined {
  switch (payload[0] & 3) {
    case 0:
      return [payload.subarray(1)];
    case 1:
      return cut(payload.subarray(1), Array(2).fill((payload.length - 1) / 2));
    case 2: {
      const first = sizeAt(payload, 1);
      if (!first) return undefined;
      const data = payload.subarray(1 + first.bytes);
      return cut(data, [first.size, data.length - first.size]);
    }
    default:
      return countedFrames(payload);
  }
}

/** Code 3: the number of frames, padding, and their sizes where they differ. */
function countedFrames(payload: Uint8Array): Uint8Array[] | undefined {
  if (payload.length < 2) return undefined;
  const count = payload[1] & 0x3f;
  if (count === 0 || count > FRAMES_MAX) return undefined;
  const isVariable = (payload[1] & 0x80) !== 0;
  let at = 2;
  let padding = 0;
  for (let byte = (payload[1] & 0x40) !== 0 ? 255 : 0; byte === 255;) {
    if (at >= payload.length) return undefined;
    byte = payload[at++];
    padding += Math.min(byte, 254);
  }
  const sizes: number[] = [];
  while (isVariable && sizes.length < count - 1) {
    const next = sizeAt(payload, at);
    if (!next) return undefined;
    sizes.push(next.size);
    at += next.bytes;
  }
  if (at + padding > payload.length) return undefined;
  const data = payload.subarray(at, payload.length - padding);
  if (!isVariable) return cut(data, Array(count).fill(data.length / count));
  return cut(data, [...sizes, data.length - sizes.reduce((sum, size) => sum + size, 0)]);
}

/** A size of one or two bytes (section 3.2.1). */
function sizeAt(payload: Uint8Array, at: number): { size: number; bytes: number } | undefined {
  if (at >= payload.length) return undefined;
  if (payload[at] < 252) return { size: payload[at], bytes: 1 };
  return at + 1 < payload.length ? { size: payload[at] + 4 * payload[at + 1], bytes: 2 } : undefined;
}

/** Undefined where the sizes are not those of the data. */
function cut(data: Uint8Array, sizes: readonly number[]): Uint8Array[] | undefined {
  if (sizes.some((size) => !Number.isInteger(size) || size < 0)) return undefined;
  let at = 0;
  const frames = sizes.map((size) => data.subarray(at, at += size));
  return at <= data.length ? frames : undefined;
}
