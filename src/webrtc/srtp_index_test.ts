import assert from "@std/assert";
import { PacketIndex } from "./srtp_index.ts";

/** Takes a packet as a receiver does; the rollover counter it was given, or undefined when it was refused. */
function take(index: PacketIndex, sequence: number): number | undefined {
  const rollovers = index.rolloversOf(sequence);
  if (!index.isNew(rollovers, sequence)) return undefined;
  index.add(rollovers, sequence);
  return rollovers;
}

function started(sequence: number): PacketIndex {
  const index = new PacketIndex();
  assert.equal(take(index, sequence), 0);
  return index;
}

Deno.test("A stream continues over the wrap, with losses and late packets around it", () => {
  const index = started(65_530);
  // 65533, 65535 and 0 come late, 65534 and 2 never.
  const taken = [65_531, 65_532, 1, 65_533, 3, 65_535, 0, 4].map((sequence) => take(index, sequence));
  assert.deepEqual(taken, [0, 0, 1, 0, 1, 0, 1, 1]);
  for (const sequence of [65_531, 65_535, 0, 1, 3]) assert.equal(take(index, sequence), undefined);
  assert.equal(take(index, 65_534), 0);
  assert.equal(take(index, 2), 1);
});

Deno.test("Any loss of less than half the numbers keeps the rollover counter right", () => {
  for (const lost of [1, 31, 32, 33, 63, 64, 65, 1_000, 32_766]) {
    const index = started(40_000);
    let sent = 40_000;
    for (let round = 0; round < 10; round++) {
      sent += lost + 1;
      assert.equal(take(index, sent & 0xffff), sent >> 16, `after a loss of ${lost}`);
    }
  }
});

Deno.test("The last 64 packets are distinguished, older ones are refused", () => {
  for (const start of [1_000, 30, 65_535]) {
    const index = started((start - 100) & 0xffff);
    const forward = (start - 100) >> 16 === start >> 16 ? 0 : 1;
    assert.equal(take(index, start), forward);
    for (let behind = 1; behind < 64; behind++) {
      const sequence = (start - behind) & 0xffff;
      assert.notEqual(take(index, sequence), undefined, `${behind} behind, new`);
      assert.equal(take(index, sequence), undefined, `${behind} behind, again`);
    }
    assert.equal(take(index, (start - 64) & 0xffff), undefined);
    assert.equal(take(index, start), undefined);
  }
});

Deno.test("Received packets stay known while the window moves", () => {
  for (const step of [1, 2, 31, 32, 33, 63]) {
    const index = started(100);
    assert.equal(take(index, 100 + step), 0);
    assert.equal(take(index, 100), undefined, `after a step of ${step}`);
    assert.equal(take(index, 100 + step), undefined);
    assert.equal(take(index, 99 + step), step === 1 ? undefined : 0);
  }
  const index = started(100);
  for (let sequence = 164; sequence < 1_000; sequence += 64) {
    assert.equal(take(index, sequence), 0);
    assert.equal(take(index, sequence - 64), undefined);
    assert.equal(take(index, sequence - 63), 0);
  }
});

Deno.test("Queries change no state", () => {
  const index = started(100);
  for (const sequence of [30_000, 50_000, 65_000, 101]) {
    index.isNew(index.rolloversOf(sequence), sequence);
  }
  assert.equal(take(index, 100), undefined);
  assert.equal(take(index, 99), 0);
  assert.equal(take(index, 101), 0);
});

Deno.test("In the first round a number behind the first packet is one ahead", () => {
  const index = started(3);
  assert.deepEqual([65_530, 65_531, 0, 1].map((sequence) => take(index, sequence)), [0, 0, 1, 1]);
  assert.equal(take(index, 65_530), undefined);
});

Deno.test("In any order no packet is accepted twice and none in the window is refused", () => {
  let state = 7;
  const random = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) / 2 ** 32;
  const index = started(65_000);
  const came = new Set([65_000]);
  let newest = 65_000;
  for (let round = 0; round < 20_000; round++) {
    const ahead = random() < 0.5
      ? 1
      : random() < 0.99
      ? -Math.floor(random() * 80)
      : Math.floor(random() * 20_000);
    const sent = newest + ahead;
    const expected = sent > newest - 64 && !came.has(sent) ? sent >> 16 : undefined;
    assert.equal(take(index, sent & 0xffff), expected);
    came.add(sent);
    newest = Math.max(newest, sent);
  }
  assert.ok(newest > 10 * 65_536, "it wrapped often");
});
