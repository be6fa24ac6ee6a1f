import assert from "@std/assert";
import type { CodedFrame } from "../domain/mod.ts";
import { FrameQueue } from "./frame_queue.ts";

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
  const queue = new FrameQueue();
  const kept: CodedFrame[] = [];
  let seed = 1;
  for (let number = 0; number < 5_000; number++) {
    queue.push(frame(number));
    kept.push(frame(number));
    seed = seed * 48_271 % 0x7fff_ffff;
    for (let go = seed % (kept.length > 30 ? 40 : 3); go > 0 && kept.length > 0; go--) {
      assert.deepEqual(plain(queue.at(0)), kept.shift());
      queue.shift();
    }
    assert.equal(queue.size, kept.length);
    assert.deepEqual(Array.from(kept, (_, index) => queue.at(index)).map(plain), kept);
    if (number % 1_000 !== 999) continue;
    queue.clear();
    kept.length = 0;
    assert.equal(queue.size, 0);
  }
});

Deno.test("What is kept is a copy", () => {
  const queue = new FrameQueue();
  const payload = Uint8Array.of(1, 2, 3);
  queue.push({ kind: "coded", startMs: 0, durationMs: 20, receivedAtMs: 0, payload });
  payload.fill(9);
  const kept = queue.at(0);
  assert.deepEqual(kept.kind === "coded" && kept.payload, Uint8Array.of(1, 2, 3));
});
