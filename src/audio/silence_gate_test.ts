import assert from "@std/assert";
import { AudioLedger, type CodedFrame } from "../domain/mod.ts";
import { SilenceGate } from "./silence_gate.ts";

function gate(preRollMs = 400) {
  const ledger = new AudioLedger();
  return { ledger, gate: new SilenceGate({ ledger, preRollMs }) };
}

function opus(index: number, bytes = 34): CodedFrame {
  return {
    kind: "coded",
    startMs: 20 * index,
    durationMs: 20,
    payload: new Uint8Array(bytes),
    receivedAtMs: 20 * index,
  };
}

function without(kind: "lost" | "silence", startMs: number, durationMs: number): CodedFrame {
  return { kind, startMs, durationMs, receivedAtMs: startMs };
}

/** Holds frames without a voice; returns which were judged. */
function judged(target: SilenceGate, frames: CodedFrame[], stirring = false): number[] {
  return frames.flatMap((frame, i) => {
    if (target.hold(frame) !== "judge") return [];
    target.noVoice(stirring);
    return [i];
  });
}

const prime = (target: SilenceGate) => assert.deepEqual(judged(target, many(3)), []);

const many = (count: number, bytes?: number) => Array.from({ length: count }, (_, i) => opus(i, bytes));

Deno.test("Three packets prime the decoder, then one in five of 20 ms is judged; after a voice again", () => {
  const { gate: target } = gate();
  for (let voice = 0; voice < 2; voice++) {
    const attention = many(15).map((frame) => {
      const given = target.hold(frame);
      if (given === "judge") target.noVoice(false);
      return given[0];
    });
    assert.equal(attention.join(""), "pppjssssjssssj".padEnd(15, "s"));
    target.release();
  }
});

Deno.test("Packets without audio in them are never decoded, and the first with audio is judged at once", () => {
  const { gate: target } = gate();
  prime(target);
  assert.deepEqual(judged(target, many(50, 2)), []);
  assert.deepEqual(judged(target, many(1)), [0]);
});

Deno.test("A payload clearly larger than silence is judged at once, and so are the next", () => {
  const { gate: target } = gate();
  judged(target, many(24));
  assert.deepEqual(judged(target, [opus(0), opus(1, 40), opus(2, 70), ...many(8)]), [2, 3, 4, 5, 10]);
});

Deno.test("A packet that was nearly a voice has the next ones judged too", () => {
  const { gate: target } = gate();
  prime(target);
  assert.deepEqual(judged(target, many(1), true), [0]);
  assert.deepEqual(judged(target, many(10)), [0, 1, 2, 3, 8]);
});

Deno.test("The gate keeps 400 ms and counts what it drops as silent", () => {
  const { gate: target, ledger } = gate();
  judged(target, many(100));
  assert.equal(ledger.silent, 80);
  const held = target.release();
  assert.deepEqual([held.length, held[0].startMs], [20, 1_600]);
  target.clear();
  assert.equal(ledger.silent, 80, "what was handed over is somebody else's to count");
  judged(target, many(3));
  target.clear();
  assert.equal(ledger.silent, 83);
  assert.deepEqual(target.release(), []);
});

Deno.test("What is held never begins with a pause, and a long pause leaves nothing of what was before", () => {
  const { gate: target, ledger } = gate();
  target.hold(without("lost", 0, 20));
  target.hold(without("silence", 20, 300));
  assert.deepEqual(target.release(), []);
  judged(target, many(10));
  target.hold(without("lost", 200, 20));
  target.hold(without("silence", 220, 300));
  const last = opus(26);
  target.hold(last);
  const kinds = target.release().map((f) => f.kind);
  assert.deepEqual(kinds, ["coded", "coded", "coded", "lost", "silence", "coded"]);
  assert.equal(ledger.silent, 7);
  judged(target, many(10));
  target.hold(without("silence", 200, 3_600_000));
  assert.equal(ledger.silent, 17);
  target.hold(last);
  assert.deepEqual(target.release().map(({ startMs }) => startMs), [last.startMs]);
});

Deno.test("Without pre-roll only the newest packet is kept", () => {
  const { gate: target, ledger } = gate(0);
  judged(target, many(10));
  assert.equal(ledger.silent, 9);
  assert.equal(target.release().length, 1);
});

Deno.test("However short the frames, the number held is bounded", () => {
  const { gate: target } = gate();
  for (let i = 0; i < 1_000; i++) target.hold({ ...opus(i), durationMs: 0 });
  assert.equal(target.release().length, 161);
});
