/** Numbers of EBML: variable-size integers (RFC 8794, section 4) and unsigned ones (section 7.2). Inexact past 2^53. */

/** Bytes of the variable-size integer that begins with this one; 9 for none. */
export function vintLength(first: number): number {
  return Math.clz32(first) - 24 + 1;
}

/** The value of a whole variable-size integer; undefined for the one that means "unknown". */
export function readSize(vint: Uint8Array): number | undefined {
  const marker = 1 << 8 - vint.length;
  const first = vint[0] & marker - 1;
  const isUnknown = first === marker - 1 && vint.subarray(1).every((byte) => byte === 0xff);
  return isUnknown ? undefined : readUint(vint.subarray(1), first);
}

/** Big-endian; of no bytes 0. */
export function readUint(bytes: Uint8Array, high = 0): number {
  let value = high;
  for (const byte of bytes) value = value * 256 + byte;
  return value;
}
