import assert from "@std/assert";
import { BoundedQueue } from "./bounded_queue.ts";

async function drain<T>(queue: BoundedQueue<T>): Promise<T[]> {
  const items: T[] = [];
  for (let item = await queue.next(); item !== undefined; item = await queue.next()) items.push(item);
  return items;
}

Deno.test("A full queue refuses an item and keeps its own", async () => {
  const queue = new BoundedQueue<number>({ capacity: 2 });
  assert.deepEqual([1, 2, 3, 4].map((item) => queue.push(item)), [true, true, false, false]);
  assert.equal(queue.dropped, 2);
  assert.equal(await queue.next(), 1);
  assert.equal(queue.push(5), true);
  queue.close();
  assert.deepEqual(await drain(queue), [2, 5]);
});

Deno.test("Bytes are a second bound; an item larger than it is taken alone", async () => {
  const of = (text: string) => text.length;
  const queue = new BoundedQueue<string>({ capacity: 9, bytes: { max: 5, of } });
  assert.deepEqual(["aaa", "bb", "c"].map((item) => queue.push(item)), [true, true, false]);
  assert.deepEqual([queue.bytes, queue.size, queue.dropped], [5, 2, 1]);
  assert.equal(await queue.next(), "aaa");
  assert.deepEqual([queue.push("ddd"), queue.bytes], [true, 5]);
  queue.close({ clear: true });
  assert.equal(queue.bytes, 0);
});

Deno.test("Items keep their order while the ring wraps many times", async () => {
  const queue = new BoundedQueue<number>({ capacity: 4 });
  const read: number[] = [];
  let pushed = 0;
  for (let round = 0; round < 50; round++) {
    for (let burst = 0; burst < 1 + round % 4; burst++) assert.equal(queue.push(pushed++), true);
    while (queue.size > 0) read.push((await queue.next())!);
  }
  assert.deepEqual(read, Array.from({ length: pushed }, (_, i) => i));
  assert.equal(queue.dropped, 0);
});

Deno.test("A waiting reader gets the next item at once, and it is not queued", async () => {
  const queue = new BoundedQueue<string>({ capacity: 1 });
  const waiting = queue.next();
  assert.equal(queue.push("to the reader"), true);
  assert.equal(queue.size, 0);
  assert.equal(queue.push("queued"), true);
  assert.equal(await waiting, "to the reader");
  assert.equal(await queue.next(), "queued");
});

Deno.test("A queue has one reader", async () => {
  const queue = new BoundedQueue<number>({ capacity: 1 });
  const waiting = queue.next();
  await assert.rejects(async () => await queue.next(), /it has one reader/);
  queue.push(7);
  assert.equal(await waiting, 7);
});

Deno.test("Closing lets the reader finish what is queued; later pushes are refused and not counted", async () => {
  const queue = new BoundedQueue<number>({ capacity: 2 });
  queue.push(1);
  queue.close();
  assert.equal(queue.push(2), false);
  assert.equal(queue.dropped, 0);
  assert.deepEqual(await drain(queue), [1]);
});

Deno.test("Closing with an error reaches the reader after what is queued, and a waiting reader at once", async () => {
  const error = new Error("peer is gone");
  const queued = new BoundedQueue<number>({ capacity: 2 });
  queued.push(1);
  queued.close({ error });
  assert.equal(await queued.next(), 1);
  await assert.rejects(queued.next(), error);

  const empty = new BoundedQueue<number>({ capacity: 2 });
  const waiting = empty.next();
  empty.close({ error });
  await assert.rejects(waiting, error);
});

Deno.test("Clearing drops what is queued", async () => {
  const queue = new BoundedQueue<number>({ capacity: 2 });
  queue.push(1);
  queue.close({ clear: true });
  assert.equal(queue.size, 0);
  assert.equal(await queue.next(), undefined);
});

Deno.test("The first close wins", async () => {
  const queue = new BoundedQueue<number>({ capacity: 1 });
  queue.close();
  queue.close({ error: new Error("too late") });
  assert.equal(await queue.next(), undefined);
});

Deno.test("As a stream it pulls only on demand, ends with the queue and fails with its error", async () => {
  const queue = new BoundedQueue<number>({ capacity: 3 });
  const reader = queue.readable().getReader();
  for (let item = 1; item <= 5; item++) queue.push(item);
  assert.equal(queue.size, 3, "the stream itself holds nothing");
  assert.deepEqual(await reader.read(), { done: false, value: 1 });
  queue.close();
  assert.deepEqual(await reader.read(), { done: false, value: 2 });
  assert.deepEqual(await reader.read(), { done: false, value: 3 });
  assert.equal((await reader.read()).done, true);

  const failing = new BoundedQueue<number>({ capacity: 1 });
  const error = new Error("overflow");
  const pending = failing.readable().getReader().read();
  failing.close({ error });
  await assert.rejects(pending, error);
});

Deno.test("Cancelling the stream closes and clears the queue, even with a pending read", async () => {
  const idle = new BoundedQueue<number>({ capacity: 2 });
  const readable = idle.readable();
  idle.push(1);
  await readable.cancel();
  assert.equal(idle.size, 0);
  assert.equal(idle.push(2), false);

  const reading = new BoundedQueue<number>({ capacity: 2 });
  const reader = reading.readable().getReader();
  const pending = reader.read();
  await reader.cancel();
  assert.equal((await pending).done, true);
  assert.equal(reading.push(1), false);
});

Deno.test("A capacity must be a positive integer", () => {
  for (const capacity of [0, -1, 1.5, NaN]) {
    assert.throws(() => new BoundedQueue({ capacity }), RangeError);
  }
});
