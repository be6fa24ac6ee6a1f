import assert from "@std/assert";
import type { CodedFrame } from "../domain/mod.ts";
import { FrameRing } from "./frame_ring.ts";

function frame(number: number): CodedFrame {
  const times = { startMs: number * 20, durationMs: 20, receivedAtMs: number };
  if (number % 7 === 3) return { kind: "lost", ...times };
  if (number % 7 === 5) return { kind: "silence", ...times };
  return { kind: "coded", ...times, payload: new Uint8Array(number * 31 % 200).fill(number) };
}

/** What of a place for frames is a frame. */
const plain = (found: CodedFrame) => {
  const times = { startMs: found.startMs, durationMs: found.durationMs, receivedAtMs: found.receivedAtMs };
  return found.kind === "coded"
    ? { kind: found.kind, ...times, payload: found.payload.slice() }
    : { kind: found.kind, ...times };
};

Deno.test("Frames come out as they went in, whatever comes and goes", () => {
  const ring = new FrameRing();
  const kept: CodedFrame[] = [];
  let seed = 1;
  for (let number = 0; number < 5_000; number++) {
    ring.push(frame(number));
    kept.push(frame(number));
    seed = seed * 48_271 % 0x7fff_ffff;
    for (let go = seed % (kept.length > 30 ? 40 : 3); go > 0 && kept.length > 0; go--) {
      assert.deepEqual(plain(ring.oldest!), kept.shift());
      ring.shift();
    }
    assert.equal(ring.size, kept.length);
    assert.deepEqual([...ring].map(plain), kept);
    if (number % 1_000 !== 999) continue;
    ring.clear();
    kept.length = 0;
    assert.equal(ring.oldest, undefined);
  }
});

Deno.test("What is kept is a copy", () => {
  const ring = new FrameRing();
  const payload = Uint8Array.of(1, 2, 3);
  ring.push({ kind: "coded", startMs: 0, durationMs: 20, receivedAtMs: 0, payload });
  payload.fill(9);
  const [kept] = ring;
  assert.deepEqual(kept.kind === "coded" && kept.payload, Uint8Array.of(1, 2, 3));
});
