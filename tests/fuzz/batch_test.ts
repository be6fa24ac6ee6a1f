/** The fuzzer on parts with a fault each. */
import assert from "@std/assert";
import fc from "fast-check";
import { defineTarget } from "./batch.ts";
import { decodeInputs, encodeInputs } from "./kept.ts";
import { changedBytes, changedJson } from "./mutations.ts";
import type { World } from "./target.ts";

const numbers = (open: () => World<number>) =>
  defineTarget({ name: "test", about: "", inputs: fc.nat(10_000), open });
const ignore = { countsSockets: false, onInput: () => {}, onShrinking: () => {} };

Deno.test("An input that fails is made as small as can be, and the same seed has it again", async () => {
  const target = numbers(() => ({
    run(input) {
      if (input >= 1_234) throw new Error("too much");
    },
    close() {},
  }));
  const failure = await target.batch(7, 1_000, ignore) ?? assert.fail("clean");
  assert.deepEqual([failure.inputs, failure.isRepeatable], [[1_234], true]);
  assert.match(String(failure.error), /too much/);
  assert.equal((await target.batch(7, 1_000, ignore))?.taken, failure.taken);
  await assert.rejects(target.replay([1_234]), /too much/);
  await target.replay([1_233]);
});

Deno.test("Of inputs that fail together those are left out that make no difference", async () => {
  const target = numbers(() => {
    let multiples = 0;
    return {
      run(input) {
        if (input % 5 === 0) multiples++;
        if (multiples === 3) throw new Error("remembers three");
      },
      close() {},
    };
  });
  const { inputs } = await target.batch(1, 1_000, ignore) ?? assert.fail("clean");
  assert.equal(inputs.length, 3);
  assert.ok(inputs.every((input: unknown) => Number(input) % 5 === 0));
});

Deno.test("What is left at the end is a failure, of the input that left it", async () => {
  const target = numbers(() => {
    const left: number[] = [];
    return {
      run: (input) => void (input > 9_000 && left.push(input)),
      close: () => assert.deepEqual(left, []),
    };
  });
  const { inputs } = await target.batch(1, 200, ignore) ?? assert.fail("clean");
  assert.equal(inputs.length, 1);
  assert.ok(Number(inputs[0]) > 9_000);
});

Deno.test("An unhandled rejection is a failure, and so is an exception of a callback", async () => {
  const faults = [
    () => void Promise.reject(new Error("stray")),
    () =>
      queueMicrotask(() => {
        throw new Error("stray");
      }),
  ];
  for (const fault of faults) {
    const target = numbers(() => ({ run: (input) => void (input > 9_000 && fault()), close() {} }));
    const { error } = await target.batch(1, 200, ignore) ?? assert.fail("clean");
    assert.match(String((error as Error).cause), /stray/);
  }
});

Deno.test("Kept inputs come back as they were", () => {
  const inputs = [{ bytes: Uint8Array.of(0, 255), text: "\ud800\u0000", list: [null, 1.5, "x"] }, "alone"];
  assert.deepEqual(decodeInputs(encodeInputs(inputs)), inputs);
});

Deno.test("A change leaves its sample as it is, and is the same each time", () => {
  const sample = { list: [{ a: 1 }], text: "x" };
  const bytes = Uint8Array.of(1, 2, 3);
  for (let kind = 0; kind < 32; kind++) {
    for (let at = 0; at < 5; at++) {
      const change = [[kind, at, 12_345 + kind * at], [kind, at, 77]] as const;
      const json = () => JSON.stringify(changedJson(sample, change, [sample], ["list", "__proto__"]));
      assert.equal(json(), json());
      assert.deepEqual(changedBytes(bytes, change), changedBytes(bytes, change));
    }
  }
  assert.deepEqual([sample, bytes], [{ list: [{ a: 1 }], text: "x" }, Uint8Array.of(1, 2, 3)]);
});
