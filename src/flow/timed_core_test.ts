import assert from "@std/assert";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { type Inbox, runCore, type TimedCore } from "./timed_core.ts";

/** Outputs even numbers at once and holds an odd one until 100 ms later, or until the end. */
class HoldOdd implements TimedCore<number> {
  #held: { value: number; atMs: number }[] = [];
  readonly outputs: string[] = [];
  received = 0;
  inputsWanted = 1;
  patienceMs = 1_000;
  dueCalls: number[] = [];

  receive(input: number, nowMs: number): void {
    this.received++;
    if (input < 0) throw new Error("negative");
    if (input % 2 === 0) this.outputs.push(`${input}@${nowMs}`);
    else this.#held.push({ value: input, atMs: nowMs + 100 });
  }
  due(nowMs: number): void {
    this.dueCalls.push(nowMs);
    const out = this.#held.filter((held) => held.atMs <= nowMs);
    this.#held = this.#held.filter((held) => held.atMs > nowMs);
    if (out.some((held) => held.value === 13)) throw new Error("unlucky");
    this.outputs.push(...out.map((held) => `${held.value} due@${nowMs}`));
  }
  nextDeadline(): number | undefined {
    return this.#held[0]?.atMs;
  }
  flush(): void {
    this.outputs.push(...this.#held.map((held) => `${held.value} flushed`));
  }
}

/** A queue controlled by the test. */
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

function setup({ inputsWanted = 1, waiting = [] as number[] } = {}) {
  const [clock, core, queue] = [new FakeClock(1_000), new HoldOdd(), new Queue()];
  core.inputsWanted = inputsWanted;
  queue.push(...waiting);
  const ending = new AbortController();
  const run = runCore(queue, core, ending.signal, clock);
  const cancel = async () => {
    const failed = assert.rejects(run, /enough/);
    ending.abort(new Error("enough"));
    await failed;
  };
  return { clock, core, queue, run, cancel };
}

Deno.test("Outputs come out in order with the clock's time", async () => {
  const { clock, core, queue, cancel } = setup();
  queue.push(2);
  assert.deepEqual(core.outputs, ["2@1000"]);
  await clock.advance(5);
  queue.push(4);
  assert.deepEqual(core.outputs, ["2@1000", "4@1005"]);
  await cancel();
});

Deno.test("An item goes through the core in the call that brings it", async () => {
  const { core, queue, cancel } = setup();
  queue.push(2);
  assert.equal(core.received, 1);
  queue.push(4);
  assert.equal(core.received, 2);
  assert.deepEqual(queue.waiting, []);
  await cancel();
});

Deno.test("Fewer items than the core wants wait, until they are enough, or one has waited long enough, or the end", async () => {
  const { clock, core, queue, run } = setup({ inputsWanted: 3 });
  queue.push(1, 3);
  await clock.advance(999);
  assert.equal(core.received, 0);
  queue.push(4);
  assert.equal(core.received, 3);
  assert.deepEqual(core.outputs.splice(0), ["4@1999"]);

  await clock.advance(100); // releases the odd ones
  assert.deepEqual(core.outputs.splice(0).map((output) => output.split(" ")[0]), ["1", "3"]);
  queue.push(6);
  await clock.advance(999);
  assert.equal(core.received, 3);
  await clock.advance(1);
  assert.deepEqual(core.outputs.splice(0), ["6@3099"]);

  queue.push(8);
  assert.equal(clock.pending, 1);
  queue.end();
  assert.deepEqual(core.outputs, ["8@3099"]);
  await run;
  assert.equal(clock.pending, 0);
});

Deno.test("What arrived before the start counts too", async () => {
  const enough = setup({ inputsWanted: 2, waiting: [2, 4] });
  assert.deepEqual(enough.core.outputs, ["2@1000", "4@1000"]);
  await enough.cancel();

  const { core, queue, cancel } = setup({ inputsWanted: 2, waiting: [2] });
  assert.equal(core.received, 0);
  queue.push(6);
  assert.deepEqual(core.outputs, ["2@1000", "6@1000"]);
  await cancel();
});

Deno.test("The core is called when its deadline has come, without input and not before", async () => {
  const { clock, core, queue, cancel } = setup();
  queue.push(1);
  assert.equal(clock.pending, 1);
  await clock.advance(99);
  assert.deepEqual(core.dueCalls, []);
  await clock.advance(1);
  assert.deepEqual(core.dueCalls, [1_100]);
  assert.deepEqual(core.outputs, ["1 due@1100"]);
  assert.equal(clock.pending, 0);
  await cancel();
});

Deno.test("There is never more than one timer, and it follows the earliest deadline", async () => {
  const { clock, core, queue, cancel } = setup();
  queue.push(1);
  await clock.advance(50);
  queue.push(3, 5);
  assert.equal(clock.pending, 1);
  await clock.advance(100);
  assert.deepEqual(core.dueCalls, [1_100, 1_150]);
  assert.deepEqual(core.outputs, ["1 due@1100", "3 due@1150", "5 due@1150"]);
  assert.equal(clock.pending, 0);
  await cancel();
});

Deno.test("A deadline already past is due at once", async () => {
  const [clock, queue, ending] = [new FakeClock(1_000), new Queue(), new AbortController()];
  const outputs: string[] = [];
  let waiting = false;
  const run = runCore<number>(
    queue,
    {
      inputsWanted: 1,
      patienceMs: 0,
      receive: () => void (waiting = true),
      due: (nowMs) => {
        waiting = false;
        outputs.push(`due@${nowMs}`);
      },
      nextDeadline: () => waiting ? 400 : undefined,
      flush: () => {},
    },
    ending.signal,
    clock,
  );
  queue.push(1);
  await clock.advance(0);
  assert.deepEqual(outputs, ["due@1000"]);
  ending.abort();
  await assert.rejects(run);
});

Deno.test("In the end nothing of 1,000 inputs is lost", async () => {
  const waiting = Array.from({ length: 1_000 }, (_, i) => i);
  const { clock, core, queue, run } = setup({ waiting });
  queue.end();
  await run;
  assert.equal(core.received, 1_000);
  assert.deepEqual(core.outputs.map((output) => parseInt(output)).toSorted((a, b) => a - b), waiting);
  assert.equal(clock.pending, 0);
});

Deno.test("The end of input flushes what is held and disarms the timer", async () => {
  const { clock, core, queue, run } = setup();
  queue.push(1);
  queue.end();
  assert.deepEqual(core.outputs, ["1 flushed"]);
  await run;
  assert.equal(clock.pending, 0);
  await clock.advance(1_000);
  assert.deepEqual(core.dueCalls, []);
});

Deno.test("Aborting disarms the timers and takes nothing more", async () => {
  for (const inputsWanted of [1, 2]) {
    const { clock, core, queue, cancel } = setup({ inputsWanted });
    queue.push(1);
    assert.equal(clock.pending, 1);
    await cancel();
    await settle();
    assert.equal(clock.pending, 0);
    const { received } = core;
    queue.push(2);
    await clock.advance(1_000);
    assert.deepEqual(core.dueCalls, []);
    assert.deepEqual(core.outputs, []);
    assert.deepEqual(queue.waiting.at(-1), 2);
    assert.equal(core.received, received);
  }
});

Deno.test("Nothing is taken for a signal that is aborted already", async () => {
  const [clock, core, queue] = [new FakeClock(), new HoldOdd(), new Queue()];
  queue.push(1);
  await assert.rejects(
    runCore(queue, core, AbortSignal.abort(new Error("room closed")), clock),
    /room closed/,
  );
  queue.push(2);
  assert.deepEqual([core.received, queue.waiting, clock.pending], [0, [1, 2], 0]);
});

Deno.test("A core that throws on input fails, takes no more and leaves no timer", async () => {
  const { clock, queue, run } = setup();
  const failed = assert.rejects(run, /negative/);
  queue.push(1);
  assert.equal(clock.pending, 1);
  queue.push(-1);
  await failed;
  assert.equal(clock.pending, 0);
  queue.push(2);
  assert.deepEqual(queue.waiting, [2]);
});

Deno.test("A core that throws when due fails and leaves no timer", async () => {
  const { clock, queue, run } = setup();
  const failed = assert.rejects(run, /unlucky/);
  queue.push(13, 15);
  await clock.advance(100);
  await failed;
  assert.equal(clock.pending, 0);
});

Deno.test("A core that throws at the end fails", async () => {
  const { core, queue, run } = setup();
  core.flush = () => {
    throw new Error("no end");
  };
  const failed = assert.rejects(run, /no end/);
  queue.end();
  await failed;
});
