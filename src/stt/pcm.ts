/** Audio in the format that most recognisers take. */

/** Float32 in [-1, 1] to 16-bit little-endian, the byte order of every machine Deno runs on. Louder is clipped. */
export function toInt16(samples: Float32Array): Uint8Array<ArrayBuffer> {
  const pcm = new Int16Array(samples.length);
  for (let at = 0; at < samples.length; at++) {
    pcm[at] = Math.max(-32_768, Math.min(32_767, Math.round(samples[at] * 32_768)));
  }
  return new Uint8Array(pcm.buffer);
}
