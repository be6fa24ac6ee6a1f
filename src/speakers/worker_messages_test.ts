/** Real threads: on Deno 2.9.6 an exception in the handler of a worker's messages ends receiving that worker. */
import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import type { ToWorker } from "./protocol.ts";
import { spawnMediaWorker } from "./worker_host.ts";

/** A thread takes seconds to start beside other work. */
const DEADLINE_MS = 60_000;

/** The echo's messages, one after the other; `onMessage` may throw. */
function echo(onMessage: (type: string) => void = () => {}) {
  const received: string[] = [];
  let look = () => {};
  const ended = Promise.withResolvers<void>();
  const worker = spawnMediaWorker({
    message: ({ type }) => {
      received.push(type);
      look();
      onMessage(type);
    },
    broken: () => ended.resolve(),
  }, new URL("../../tests/fakes/echo_worker.ts", import.meta.url));
  return {
    received,
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
    async [Symbol.asyncDispose](): Promise<void> {
      worker.terminate();
      await ended.promise;
    },
  };
}

Deno.test("A handler of a worker's messages that throws receives the next one", async () => {
  using errors = new CaughtInternalErrors();
  await using thread = echo((type) => {
    if (type === "one") throw new Error("in the handler");
  });
  thread.send("one");
  await thread.until("one");
  thread.send("two");
  await thread.until("two");
  assert.deepEqual(errors.kinds, ["worker_message"]);
});

Deno.test("A worker whose handler, promise or timer throws receives the next message", async () => {
  await using thread = echo();
  thread.send("throw");
  await thread.until("survived worker_message");
  thread.send("reject");
  await thread.until("survived rejection");
  thread.send("timer");
  await thread.until("survived callback");
  thread.send("two");
  await thread.until("two");
});
