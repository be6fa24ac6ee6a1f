import assert from "@std/assert";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { type Inbox, type TimedCore, timedSource } from "./timed_source.ts";

/** Passes even numbers on at once and holds an odd one until 100 ms later, or until the end. */
class HoldOdd implements TimedCore<number, string> {
  #held: { value: number; atMs: number }[] = [];
  received = 0;
  inputsWanted = 1;
  patienceMs = 1_000;
  dueCalls: number[] = [];

  receive(input: number, nowMs: number): readonly string[] {
    this.received++;
    if (input < 0) throw new Error("negative");
    if (input % 2 === 0) return [`${input}@${nowMs}`];
    this.#held.push({ value: input, atMs: nowMs + 100 });
    return [];
  }
  due(nowMs: number): readonly string[] {
    this.dueCalls.push(nowMs);
    const out = this.#held.filter((held) => held.atMs <= nowMs);
    this.#held = this.#held.filter((held) => held.atMs > nowMs);
    if (out.some((held) => held.value === 13)) throw new Error("unlucky");
    return out.map((held) => `${held.value} due@${nowMs}`);
  }
  nextDeadline(): number | undefined {
    return this.#held[0]?.atMs;
  }
  flush(nowMs: number): readonly string[] {
    return this.#held.map((held) => `${held.value} flushed@${nowMs}`);
  }
}

/** A queue in the test's hands. */
class Queue implements Inbox<number> {
  onArrival = () => {};
  ended = false;
  readonly waiting: number[] = [];
  get size(): number {
    return this.waiting.length;
  }
  push(...items: number[]): void {
    for (const item of items) {
      this.waiting.push(item);
      this.onArrival();
    }
  }
  end(): void {
    this.ended = true;
    this.onArrival();
  }
  take(): number | undefined {
    return this.waiting.shift();
  }
}

async function setup({ inputsWanted = 1 } = {}) {
  const [clock, core, queue] = [new FakeClock(1_000), new HoldOdd(), new Queue()];
  core.inputsWanted = inputsWanted;
  const reader = timedSource(queue, core, clock).getReader();
  await settle(); // a stream is asked for nothing in the turn that makes it
  return { clock, core, queue, reader };
}

Deno.test("Outputs come out in order with the clock's time", async () => {
  const { clock, queue, reader } = await setup();
  const first = reader.read();
  queue.push(2);
  assert.deepEqual(await first, { done: false, value: "2@1000" });
  await clock.advance(5);
  const second = reader.read();
  queue.push(4);
  assert.deepEqual(await second, { done: false, value: "4@1005" });
  await reader.cancel();
});

Deno.test("An item goes through the core in the call that brings it, while the reader waits", async () => {
  const { core, queue, reader } = await setup();
  const read = reader.read();
  queue.push(2);
  assert.equal(core.received, 1);
  queue.push(4);
  assert.equal(core.received, 1, "nobody has asked for this one");
  assert.deepEqual(queue.waiting, [4]);
  assert.equal((await read).value, "2@1000");
  assert.equal((await reader.read()).value, "4@1000");
  await reader.cancel();
});

Deno.test("Fewer items than the core wants wait, until they are enough, or one has waited long enough, or the end", async () => {
  const { clock, core, queue, reader } = await setup({ inputsWanted: 3 });
  const first = reader.read();
  queue.push(1, 3);
  await clock.advance(999);
  assert.equal(core.received, 0);
  queue.push(4);
  assert.equal(core.received, 3);
  assert.equal((await first).value, "4@1999");

  await clock.advance(100); // lets go of the odd ones
  for (const value of ["1", "3"]) assert.equal((await reader.read()).value?.split(" ")[0], value);
  const second = reader.read();
  await settle();
  queue.push(6);
  await clock.advance(999);
  assert.equal(core.received, 3);
  await clock.advance(1);
  assert.equal((await second).value, "6@3099");

  const third = reader.read();
  await settle();
  queue.push(8);
  assert.equal(clock.pending, 1);
  queue.end();
  assert.equal((await third).value, "8@3099");
  assert.equal((await reader.read()).done, true);
  assert.equal(clock.pending, 0);
});

Deno.test("What came while nobody asked counts too", async () => {
  const { core, queue, reader } = await setup({ inputsWanted: 2 });
  queue.push(2, 4);
  assert.equal(core.received, 0);
  assert.equal((await reader.read()).value, "2@1000");
  assert.deepEqual(queue.waiting, [4]);
  const read = reader.read();
  queue.push(6);
  assert.equal((await read).value, "4@1000");
  await reader.cancel();
});

Deno.test("The core is called when its deadline has come, without input and not before", async () => {
  const { clock, core, queue, reader } = await setup();
  const read = reader.read();
  queue.push(1);
  assert.equal(clock.pending, 1);
  await clock.advance(99);
  assert.deepEqual(core.dueCalls, []);
  await clock.advance(1);
  assert.deepEqual(core.dueCalls, [1_100]);
  assert.deepEqual(await read, { done: false, value: "1 due@1100" });
  assert.equal(clock.pending, 0);
  await reader.cancel();
});

Deno.test("There is never more than one timer, and it follows the earliest deadline", async () => {
  const { clock, core, queue, reader } = await setup();
  const reads = [reader.read(), reader.read(), reader.read()];
  queue.push(1);
  await clock.advance(50);
  queue.push(3, 5);
  assert.equal(clock.pending, 1);
  await clock.advance(100);
  assert.deepEqual(core.dueCalls, [1_100, 1_150]);
  assert.deepEqual((await Promise.all(reads)).map((r) => r.value), [
    "1 due@1100",
    "3 due@1150",
    "5 due@1150",
  ]);
  assert.equal(clock.pending, 0);
  await reader.cancel();
});

Deno.test("A deadline already past is due at once", async () => {
  const [clock, queue] = [new FakeClock(1_000), new Queue()];
  let waiting = false;
  const reader = timedSource<number, string>(queue, {
    inputsWanted: 1,
    patienceMs: 0,
    receive: () => (waiting = true, []),
    due: (nowMs) => (waiting = false, [`due@${nowMs}`]),
    nextDeadline: () => waiting ? 400 : undefined,
    flush: () => [],
  }, clock).getReader();
  const read = reader.read();
  queue.push(1);
  await clock.advance(0);
  assert.equal((await read).value, "due@1000");
  await reader.cancel();
});

Deno.test("What nobody asks for stays in the queue, and in the end nothing of 1,000 inputs is lost", async () => {
  const { clock, core, queue, reader } = await setup();
  for (let input = 0; input < 1_000; input++) queue.push(input);
  queue.end();
  await clock.advance(60_000);
  assert.equal(core.received, 0);

  const numbers: number[] = [];
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    numbers.push(parseInt(read.value));
  }
  assert.equal(core.received, 1_000);
  assert.deepEqual(numbers.toSorted((a, b) => a - b), Array.from({ length: 1_000 }, (_, i) => i));
  assert.equal(clock.pending, 0);
});

Deno.test("While the reader is stalled the timer adds no more than the core already held", async () => {
  const { clock, core, queue, reader } = await setup();
  const first = reader.read();
  queue.push(1, 3);
  await clock.advance(100);
  assert.equal((await first).value, "1 due@1100");
  queue.push(5, 7, 9);
  await clock.advance(60_000);
  assert.equal(core.received, 2, "an unread output keeps further input waiting");
  assert.equal(clock.pending, 0);
  const rest = [reader.read(), reader.read(), reader.read(), reader.read()];
  await clock.advance(100);
  assert.deepEqual((await Promise.all(rest)).map((read) => read.value?.split(" ")[0]), ["3", "5", "7", "9"]);
  await reader.cancel();
});

Deno.test("The end of input flushes what is held and disarms the timer", async () => {
  const { clock, core, queue, reader } = await setup();
  const read = reader.read();
  queue.push(1);
  queue.end();
  assert.deepEqual(await read, { done: false, value: "1 flushed@1000" });
  assert.equal((await reader.read()).done, true);
  assert.equal(clock.pending, 0);
  await clock.advance(1_000);
  assert.deepEqual(core.dueCalls, []);
});

Deno.test("Cancelling disarms the timer and takes nothing more", async () => {
  const { clock, core, queue, reader } = await setup();
  const read = reader.read();
  queue.push(1);
  assert.equal(clock.pending, 1);
  await reader.cancel("enough");
  assert.equal(clock.pending, 0);
  assert.equal((await read).done, true);
  queue.push(2);
  await clock.advance(1_000);
  assert.deepEqual(core.dueCalls, []);
  assert.deepEqual(queue.waiting, [2]);
});

Deno.test("Aborting a pipeline disarms the source", async () => {
  const [clock, queue] = [new FakeClock(), new Queue()];
  const controller = new AbortController();
  const seen: string[] = [];
  const piped = timedSource(queue, new HoldOdd(), clock)
    .pipeTo(new WritableStream({ write: (chunk) => void seen.push(chunk) }), { signal: controller.signal });
  await settle();
  queue.push(1);
  assert.equal(clock.pending, 1);
  const reason = new Error("room closed");
  const failed = assert.rejects(piped, reason);
  controller.abort(reason);
  await failed;
  await settle();
  assert.equal(clock.pending, 0);
  assert.deepEqual(seen, []);
});

Deno.test("A core that throws on input fails the reader, takes no more and leaves no timer", async () => {
  const { clock, queue, reader } = await setup();
  const failed = assert.rejects(reader.read(), /negative/);
  queue.push(1);
  assert.equal(clock.pending, 1);
  queue.push(-1);
  await failed;
  assert.equal(clock.pending, 0);
  queue.push(2);
  assert.deepEqual(queue.waiting, [2]);
});

Deno.test("A core that throws when due fails the reader and leaves no timer", async () => {
  const { clock, queue, reader } = await setup();
  const failed = assert.rejects(reader.read(), /unlucky/);
  queue.push(13, 15);
  await clock.advance(100);
  await failed;
  assert.equal(clock.pending, 0);
});

Deno.test("A core that throws at the end fails the reader", async () => {
  const queue = new Queue();
  const reader = timedSource<number, string>(queue, {
    inputsWanted: 1,
    patienceMs: 0,
    receive: () => [],
    due: () => [],
    nextDeadline: () => undefined,
    flush: () => {
      throw new Error("no end");
    },
  }).getReader();
  const failed = assert.rejects(reader.read(), /no end/);
  queue.end();
  await failed;
});
