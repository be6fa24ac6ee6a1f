import assert from "@std/assert";
import { tokensOf } from "./tokens.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("An entry of the tokenizer becomes a line with its bytes in Base64 and its number", () => {
  const tokenizer = Uint8Array.of(5, 60, 117, 110, 107, 62, 1, 0, 0, 3, 226, 150, 129);
  assert.equal(text(tokensOf(tokenizer)), "PHVuaz4= 0\nAA== 1\n 2\n4paB 3\n");
});

Deno.test("A length of 128 and more takes two bytes, the lower seven bits first", () => {
  const entry = new Uint8Array(300).fill(97);
  const tokenizer = Uint8Array.of(300 % 128 + 128, Math.floor(300 / 128), ...entry, 1, 98);
  assert.equal(text(tokensOf(tokenizer)), `${entry.toBase64()} 0\nYg== 1\n`);
});

Deno.test("A tokenizer that ends within an entry is refused", () => {
  for (const cut of [[2, 97], [200], [200, 1, 97]]) {
    assert.throws(() => tokensOf(Uint8Array.from(cut)), /ends within an entry/);
  }
  assert.equal(tokensOf(new Uint8Array()).length, 0);
});
