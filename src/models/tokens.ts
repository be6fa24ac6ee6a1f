/**
 * `tokens.txt`, which sherpa-onnx reads, made of `tokenizer.bin`, which Moonshine's authors publish. An entry of the
 * binary is its length and its bytes; a length of 128 and more takes two bytes, the lower seven bits first. A line of the
 * text is the entry in Base64, a space and its number: `--tokens` of sherpa-onnx' script generate_tokens.py.
 */

/** Throws where the binary ends within an entry. */
export function tokensOf(tokenizer: Uint8Array): Uint8Array<ArrayBuffer> {
  const lines: string[] = [];
  for (let at = 0; at < tokenizer.length;) {
    let length = tokenizer[at++];
    if (length >= 128) {
      if (at >= tokenizer.length) throw cut();
      length = tokenizer[at++] * 128 + length - 128;
    }
    if (at + length > tokenizer.length) throw cut();
    const entry = tokenizer.subarray(at, at + length);
    lines.push(`${entry.toBase64()} ${lines.length}\n`);
    at += length;
  }
  return new TextEncoder().encode(lines.join(""));
}

function cut(): Error {
  return new Error("Cannot make tokens.txt: the tokenizer ends within an entry");
}
