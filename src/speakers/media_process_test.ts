/** Real processes of this program. */
import assert from "@std/assert";
import { AudioLedger } from "../domain/mod.ts";
import { Scope, systemClock } from "../flow/mod.ts";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { childProcesses } from "../../tests/fakes/processes.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { PROMPT_SOCKETS, spawnMediaProcess, WAITING_BYTES_MAX } from "./media_process.ts";
import { WorkerError } from "./plain_error.ts";
import type { ToWorker } from "./protocol.ts";
import { WorkerHost } from "./worker_host.ts";
import { SETTINGS } from "./worker_host_testing_test.ts";

/** A process takes seconds to start beside other work. */
const DEADLINE_MS = 60_000;

const ECHO = new URL("../../tests/fakes/echo_worker.ts", import.meta.url).pathname;

/** The echo's messages, one after the other; `onMessage` may throw. */
function echo(onMessage: (type: string) => void = () => {}) {
  const received: string[] = [];
  let look = () => {};
  const ended = Promise.withResolvers<string>();
  const worker = spawnMediaProcess({
    message: ({ type }) => {
      received.push(type);
      look();
      onMessage(type);
    },
    broken: (error) => ended.resolve(`${error}`),
  }, { module: ECHO });
  return {
    received,
    /** With the error reported. */
    ended: ended.promise,
    send: (type: string) => worker.send({ type } as unknown as ToWorker),
    async until(type: string): Promise<void> {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const timer = setTimeout(
        () => reject(new Error(`no "${type}" after ${received.join(", ")}`)),
        DEADLINE_MS,
      );
      look = () => received.includes(type) && resolve();
      look();
      await promise.finally(() => clearTimeout(timer));
    },
    [Symbol.asyncDispose]: () => worker.end(),
  };
}

Deno.test("A handler of a worker's messages that throws receives the next one", async () => {
  using errors = new CaughtInternalErrors();
  await using worker = echo((type) => {
    if (type === "one") throw new Error("in the handler");
  });
  worker.send("one");
  await worker.until("one");
  worker.send("two");
  await worker.until("two");
  assert.deepEqual(errors.kinds, ["worker_message"]);
});

Deno.test("A worker whose handler, promise or timer throws receives the next message", async () => {
  await using worker = echo();
  worker.send("throw");
  await worker.until("survived worker_message");
  worker.send("reject");
  await worker.until("survived rejection");
  worker.send("timer");
  await worker.until("survived callback");
  worker.send("two");
  await worker.until("two");
});

Deno.test("A worker in an endless loop is ended all the same", async () => {
  await using worker = echo();
  worker.send("one");
  await worker.until("one");
  worker.send("loop");
});

Deno.test("Signals to the whole process group leave a worker to the service, which ends it", async () => {
  const marker = "--seed=8128"; // a flag of no other worker
  const ready = Promise.withResolvers<void>();
  const broken = Promise.withResolvers<never>();
  let beats = 0;
  const beaten = Promise.withResolvers<void>();
  const worker = spawnMediaProcess({
    message: ({ type }) => {
      if (type === "ready") ready.resolve();
      if (type === "beat" && ++beats === 2) beaten.resolve();
    },
    broken: broken.reject,
  }, { flags: [marker] });
  try {
    await Promise.race([ready.promise, broken.promise]);
    worker.send({ type: "start", settings: SETTINGS });
    const [pid] = childProcesses(marker);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) Deno.kill(pid, signal);
    beats = 0; // the first may have been under way
    await Promise.race([beaten.promise, broken.promise]);
  } finally {
    await worker.end();
  }
});

/** More than a pipe takes: its write is under way until the worker ends. */
const LARGE = "-".repeat(8 * 1024 * 1024);

for (const other of [[], [LARGE]]) {
  const name = other.length > 0 ? ", also with a write under way" : "";
  Deno.test(`What a worker wrote before it ended is received before its end is reported${name}`, async () => {
    await using worker = echo((type) => {
      if (type !== "one") return;
      // This process is busy until the worker has ended.
      const late = performance.now() + DEADLINE_MS;
      while (childProcesses(ECHO).length > 0 && performance.now() < late);
    });
    for (const type of ["one", "burst", ...other]) worker.send(type);
    assert.equal(await worker.ended, "Error: it ended (0)");
    assert.deepEqual([worker.received.length, worker.received.at(-1)], [32, "burst"]);
  });
}

Deno.test("A worker that is killed with a write under way is reported with the signal", async () => {
  await using worker = echo();
  worker.send("one");
  await worker.until("one");
  worker.send("loop");
  worker.send(LARGE);
  for (const pid of childProcesses(ECHO)) Deno.kill(pid, "SIGKILL");
  assert.equal(await worker.ended, "Error: it ended (SIGKILL)");
});

Deno.test("A worker that does not read is ended, and reported as that", async () => {
  await using worker = echo();
  worker.send("one");
  await worker.until("one");
  worker.send("loop");
  for (let sent = 0; sent < WAITING_BYTES_MAX; sent += LARGE.length) worker.send(LARGE);
  assert.equal(await worker.ended, "Error: Cannot write to a process: it does not read");
});

Deno.test("A worker that cannot load the package for Opus keeps the host from starting, and its error says what to do", async () => {
  const scope = new Scope("host");
  const module = new URL("../../tests/fakes/opusless_worker.ts", import.meta.url).pathname;
  const starting = WorkerHost.start({
    workers: 1,
    settings: { ...SETTINGS, opus: "libopus-wasm" },
    spawn: (on) => spawnMediaProcess(on, { module }),
    ...{ ledger: new AudioLedger(), scope, clock: systemClock, log: new FakeLog(), meter: new FakeMeter() },
  });
  const error = await starting.then(() => undefined, (error) => error);
  await scope[Symbol.asyncDispose]();
  assert.ok(error instanceof WorkerError, `${error}`);
  const { cause } = error;
  assert.ok(cause instanceof WorkerError, `${cause}`);
  assert.equal(cause.code, "opus_load");
  assert.match(cause.message, /unset MEDIA_OPUS to use the built-in decoder$/);
});

Deno.test("A worker that ends without being asked is reported", async () => {
  await using worker = echo();
  worker.send("stop");
  await worker.ended;
});

/** A program that always has something else to do: prints how many turns each of some bytes took through a socket. */
const BUSY = `
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const [to, from] = await Promise.all([Deno.connect(listener.addr), listener.accept()]);
let turns = 0;
let isBusy = true;
const turn = () => {
  turns++;
  if (isBusy) setImmediate(turn);
};
turn();
const taken = [];
for (let byte = 0; byte < 20; byte++) {
  const read = from.read(new Uint8Array(1));
  await new Promise((resolve) => setImmediate(resolve)); // it waits for the socket by now
  await to.write(new Uint8Array(1));
  const sentAt = turns;
  await read;
  taken.push(turns - sentAt);
}
isBusy = false;
for (const resource of [to, from, listener]) resource.close();
console.log(JSON.stringify(taken));
`;

Deno.test("A busy worker reads what arrived within a few ticks", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `data:text/javascript,${encodeURIComponent(BUSY)}`],
    env: PROMPT_SOCKETS,
  }).output();
  const taken: number[] = JSON.parse(new TextDecoder().decode(stdout));
  assert.equal(taken.length, 20);
  assert.ok(Math.max(...taken) <= 10, `${taken} turns`);
});
