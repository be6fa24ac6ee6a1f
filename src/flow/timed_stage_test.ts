import assert from "@std/assert";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { type TimedCore, timedStage } from "./timed_stage.ts";

/** Passes even numbers on at once and holds an odd one until 100 ms later, or until the end. */
class HoldOdd implements TimedCore<number, string> {
  #held: { value: number; atMs: number }[] = [];
  received = 0;
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

function setup() {
  const clock = new FakeClock(1_000);
  const core = new HoldOdd();
  const stage = timedStage(core, clock);
  return { clock, core, stage, writer: stage.writable.getWriter(), reader: stage.readable.getReader() };
}

Deno.test("Outputs come out in order with the clock's time", async () => {
  const { clock, writer, reader } = setup();
  const first = reader.read();
  await writer.write(2);
  assert.deepEqual(await first, { done: false, value: "2@1000" });
  await clock.advance(5);
  const second = reader.read();
  await writer.write(4);
  assert.deepEqual(await second, { done: false, value: "4@1005" });
  await reader.cancel();
});

Deno.test("The core is called when its deadline has come, without input and not before", async () => {
  const { clock, core, writer, reader } = setup();
  const read = reader.read();
  await writer.write(1);
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
  const { clock, core, writer, reader } = setup();
  const reads = [reader.read(), reader.read(), reader.read()];
  await writer.write(1);
  await clock.advance(50);
  await writer.write(3);
  await writer.write(5);
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
  const clock = new FakeClock(1_000);
  let waiting = false;
  const stage = timedStage<number, string>({
    receive: () => (waiting = true, []),
    due: (nowMs) => (waiting = false, [`due@${nowMs}`]),
    nextDeadline: () => waiting ? 400 : undefined,
    flush: () => [],
  }, clock);
  const reader = stage.readable.getReader();
  const read = reader.read();
  await stage.writable.getWriter().write(1);
  await clock.advance(0);
  assert.equal((await read).value, "due@1000");
  await reader.cancel();
});

Deno.test("A stalled reader stalls the writer, and in the end nothing of 1,000 inputs is lost", async () => {
  const { clock, core, writer, reader } = setup();
  let written = 0;
  const writing = (async () => {
    for (let input = 0; input < 1_000; input++) {
      await writer.write(input);
      written++;
    }
    await writer.close();
  })();
  await clock.advance(60_000);
  assert.ok(core.received <= 1, `the core took ${core.received} inputs nobody reads`);
  assert.ok(written <= 1, `${written} writes were let through`);

  const numbers: number[] = [];
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    numbers.push(parseInt(read.value));
  }
  await writing;
  assert.equal(core.received, 1_000);
  assert.deepEqual(numbers.toSorted((a, b) => a - b), Array.from({ length: 1_000 }, (_, i) => i));
  assert.equal(clock.pending, 0);
});

Deno.test("While the reader is stalled the timer adds no more than the core already held", async () => {
  const { clock, core, writer, reader } = setup();
  const first = reader.read();
  await writer.write(1);
  await writer.write(3);
  await clock.advance(100);
  assert.equal((await first).value, "1 due@1100");
  const stalled = [5, 7, 9].map((input) => writer.write(input));
  await clock.advance(60_000);
  assert.equal(core.received, 2, "an unread output keeps further input waiting");
  assert.equal(clock.pending, 0);
  const rest = [reader.read(), reader.read(), reader.read()];
  await clock.advance(100);
  assert.deepEqual((await Promise.all(rest)).map((read) => read.value?.split(" ")[0]), ["3", "5", "7"]);
  await reader.cancel();
  await Promise.allSettled(stalled);
});

Deno.test("The end of input flushes what is held and disarms the timer", async () => {
  const { clock, core, writer, reader } = setup();
  const read = reader.read();
  await writer.write(1);
  await writer.close();
  assert.deepEqual(await read, { done: false, value: "1 flushed@1000" });
  assert.equal((await reader.read()).done, true);
  assert.equal(clock.pending, 0);
  await clock.advance(1_000);
  assert.deepEqual(core.dueCalls, []);
});

Deno.test("Cancelling the readable side disarms the timer and ends the writer", async () => {
  const { clock, core, writer, reader } = setup();
  const read = reader.read();
  await writer.write(1);
  assert.equal(clock.pending, 1);
  await reader.cancel("enough");
  assert.equal(clock.pending, 0);
  assert.equal((await read).done, true);
  await assert.rejects(writer.write(2));
  await clock.advance(1_000);
  assert.deepEqual(core.dueCalls, []);
});

Deno.test("Aborting the writable side disarms the timer and fails the reader with the reason", async () => {
  const { clock, core, writer, reader } = setup();
  const read = reader.read();
  await writer.write(1);
  const reason = new Error("speaker left");
  const failed = assert.rejects(read, reason);
  await writer.abort(reason);
  await failed;
  assert.equal(clock.pending, 0);
  await clock.advance(1_000);
  assert.deepEqual(core.dueCalls, []);
});

Deno.test("An abort behind a stalled write takes effect when the reader goes", async () => {
  const { clock, writer, reader } = setup();
  const first = reader.read();
  await writer.write(1);
  await writer.write(3);
  await clock.advance(100); // both are out, one is unread
  await first;
  const stalled = writer.write(5);
  const aborted = writer.abort(new Error("speaker left"));
  await settle();
  await reader.cancel();
  await Promise.allSettled([stalled, aborted]);
  assert.equal(clock.pending, 0);
});

Deno.test("Aborting a pipeline disarms the stages in its middle", async () => {
  const clock = new FakeClock();
  const controller = new AbortController();
  const { signal } = controller;
  const source = new ReadableStream<number>({
    start(control) {
      control.enqueue(1);
    },
  });
  const seen: string[] = [];
  const piped = source
    .pipeThrough(timedStage(new HoldOdd(), clock), { signal })
    .pipeTo(new WritableStream({ write: (chunk) => void seen.push(chunk) }), { signal });
  await settle();
  assert.equal(clock.pending, 1);
  const reason = new Error("room closed");
  const failed = assert.rejects(piped, reason);
  controller.abort(reason);
  await failed;
  await settle();
  assert.equal(clock.pending, 0);
  assert.deepEqual(seen, []);
});

Deno.test("A core that throws on input fails both sides and leaves no timer", async () => {
  const { clock, writer, reader } = setup();
  const failed = assert.rejects(reader.read(), /negative/);
  await writer.write(1);
  assert.equal(clock.pending, 1);
  await assert.rejects(writer.write(-1), /negative/);
  await failed;
  assert.equal(clock.pending, 0);
});

Deno.test("A core that throws when due fails both sides and leaves no timer", async () => {
  const { clock, writer, reader } = setup();
  const failed = assert.rejects(reader.read(), /unlucky/);
  await writer.write(13);
  await writer.write(15);
  await clock.advance(100);
  await failed;
  await assert.rejects(writer.write(2), /unlucky/);
  assert.equal(clock.pending, 0);
});
