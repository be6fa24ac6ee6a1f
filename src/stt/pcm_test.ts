import assert from "@std/assert";
import { toInt16 } from "./pcm.ts";

Deno.test("Samples become 16-bit little-endian, louder ones are clipped", () => {
  const bytes = toInt16(Float32Array.of(0, 1 / 32_768, -1, 1, -1.5, 1.5));
  assert.deepEqual([...bytes], [0, 0, 1, 0, 0, 0x80, 0xff, 0x7f, 0, 0x80, 0xff, 0x7f]);
  assert.equal(toInt16(new Float32Array(0)).length, 0);
});
