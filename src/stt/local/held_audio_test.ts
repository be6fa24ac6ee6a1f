import assert from "@std/assert";
import { HeldAudio } from "./held_audio.ts";

const ramp = (from: number, count: number) => Float32Array.from({ length: count }, (_, at) => from + at);

Deno.test("Positions are those of the session, whatever was forgotten", () => {
  const held = new HeldAudio();
  for (let at = 0; at < 100_000; at += 500) {
    held.push(ramp(at, 500));
    held.forget(at - 6_000);
    const from = Math.max(0, at - 5_000);
    assert.deepEqual(held.copy(from, at + 500, 0), ramp(from, at + 500 - from));
  }
});

Deno.test("A copy has zeros before and after it", () => {
  const held = new HeldAudio();
  held.push(ramp(1, 10));
  assert.deepEqual([...held.copy(2, 5, 2)], [0, 0, 3, 4, 5, 0, 0]);
});

Deno.test("Memory is what the longest segment takes, and little once that is forgotten", () => {
  const held = new HeldAudio();
  held.push(new Float32Array(150_000));
  assert.equal(held.capacity, 262_144);
  held.forget(146_000);
  assert.equal(held.capacity, 8_192);
  assert.equal(held.copy(146_000, 150_000, 0).length, 4_000);
});
