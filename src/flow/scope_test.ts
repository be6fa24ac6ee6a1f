import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { Scope } from "./scope.ts";

/** A task that ends when told to, and says when it did. */
function untilTold(signal: AbortSignal, onEnd: () => void): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      onEnd();
      resolve();
    }, { once: true });
  });
}

Deno.test("Disposing a scope waits until its tasks have ended", async () => {
  const scope = new Scope("session");
  const told = Promise.withResolvers<void>();
  const mayEnd = Promise.withResolvers<void>();
  let ended = false;
  scope.run(async (signal) => {
    await untilTold(signal, told.resolve);
    await mayEnd.promise;
    ended = true;
  });
  let disposed = false;
  const disposing = scope[Symbol.asyncDispose]().then(() => disposed = true);
  await told.promise;
  assert.equal(disposed, false);
  assert.equal(scope.size, 1);
  mayEnd.resolve();
  await disposing;
  assert.equal(ended, true);
  assert.equal(scope.size, 0);
});

Deno.test("Children are disposed before the scope's own cleanups run", async () => {
  const order: string[] = [];
  const parent = new Scope("server");
  parent.defer(() => void order.push("server"));
  const child = parent.child("session");
  child.defer(() => void order.push("session"));
  child.child("speaker").defer(() => void order.push("speaker"));
  await parent[Symbol.asyncDispose]();
  assert.deepEqual(order, ["speaker", "session", "server"]);
  assert.equal(parent.size, 0);
});

Deno.test("Cleanups run after the tasks, newest first, one at a time", async () => {
  const order: string[] = [];
  const scope = new Scope("session");
  scope.run((signal) => untilTold(signal, () => order.push("task")));
  scope.defer(() => void order.push("first"));
  scope.defer(async () => {
    order.push("second begins");
    await Promise.resolve();
    order.push("second ends");
  });
  scope.use({ [Symbol.dispose]: () => void order.push("disposable") });
  scope.use({
    [Symbol.asyncDispose]: () => {
      order.push("async disposable");
      return Promise.resolve();
    },
  });
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(order, [
    "task",
    "async disposable",
    "disposable",
    "second begins",
    "second ends",
    "first",
  ]);
});

Deno.test("What a task defers while it is being aborted is cleaned up too", async () => {
  const scope = new Scope("session");
  let closed = false;
  scope.run(async (signal) => {
    await untilTold(signal, () => {});
    scope.use({ [Symbol.dispose]: () => void (closed = true) });
  });
  await scope[Symbol.asyncDispose]();
  assert.equal(closed, true);
});

Deno.test("What a cleanup defers is cleaned up too", async () => {
  const scope = new Scope("session");
  let closed = false;
  scope.defer(() => scope.defer(() => void (closed = true)));
  await scope[Symbol.asyncDispose]();
  assert.equal(closed, true);
});

Deno.test("A scope that has ended throws for new resources instead of leaking them", async () => {
  const scope = new Scope("session");
  await scope[Symbol.asyncDispose]();
  assert.throws(() => scope.defer(() => {}), /Cannot defer to scope "session": it has ended/);
  assert.throws(() => scope.use({ [Symbol.dispose]: () => {} }), /it has ended/);
});

Deno.test("A failing task aborts its own scope and its children, and reports the reason to the owner", async () => {
  const parent = new Scope("server");
  const session = parent.child("session");
  const speaker = session.child("speaker");
  const neighbour = parent.child("other session");
  let speakerEnded = false;
  speaker.run((signal) => untilTold(signal, () => speakerEnded = true));
  const failure = new Error("signalling lost");
  session.run(() => Promise.reject(failure));
  assert.equal(await session.failed, failure);
  assert.equal(session.signal.aborted, true);
  assert.equal(session.signal.reason, failure);
  assert.equal(speaker.signal.reason, failure);
  assert.equal(speakerEnded, true);
  assert.equal(parent.signal.aborted, false);
  assert.equal(neighbour.signal.aborted, false);
  await parent[Symbol.asyncDispose]();
});

Deno.test("A task's error is passed to its owner, or is an internal error without a reader", async () => {
  using errors = new CaughtInternalErrors();
  const fail = () => Promise.reject(new Error("from a task"));
  await using watched = new Scope("watched");
  const failed = watched.failed;
  watched.run(fail);
  assert.match(String(await failed), /from a task/);
  assert.deepEqual(errors.kinds, []);

  const unwatched = new Scope("unwatched");
  unwatched.run(fail);
  unwatched.run((signal) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
  );
  await new Promise((resolve) => unwatched.signal.addEventListener("abort", resolve));
  await unwatched[Symbol.asyncDispose]();
  assert.deepEqual(errors.kinds, ["task"], "once, and not for a task that was aborted");
});

Deno.test("A task that throws before its first await fails its scope, not its caller", async () => {
  await using scope = new Scope("session");
  const failure = new Error("at once");
  scope.run(() => {
    throw failure;
  });
  assert.equal(await scope.failed, failure);
  assert.equal(scope.signal.aborted, true);
});

Deno.test("An error of an aborted task is not a failure", async () => {
  const scope = new Scope("session");
  let failed = false;
  scope.failed.then(() => failed = true);
  scope.run(async (signal) => {
    await untilTold(signal, () => {});
    throw new Error("socket closed under me");
  });
  await scope[Symbol.asyncDispose]();
  assert.equal(failed, false);
});

Deno.test("A task that has ended leaves nothing behind", async () => {
  await using scope = new Scope("session");
  const ended = Promise.withResolvers<void>();
  scope.run(() => ended.promise);
  assert.equal(scope.size, 1);
  ended.resolve();
  await ended.promise;
  for (let turn = 0; turn < 10 && scope.size > 0; turn++) await Promise.resolve();
  assert.equal(scope.size, 0);
  assert.equal(scope.signal.aborted, false);
});

Deno.test("Disposing twice cleans up once, and both wait for the end", async () => {
  const scope = new Scope("session");
  let cleanups = 0;
  const mayEnd = Promise.withResolvers<void>();
  scope.defer(async () => {
    await mayEnd.promise;
    cleanups++;
  });
  const first = scope[Symbol.asyncDispose]();
  const second = scope[Symbol.asyncDispose]();
  mayEnd.resolve();
  await Promise.all([first, second]);
  await scope[Symbol.asyncDispose]();
  assert.equal(cleanups, 1);
});

Deno.test("A scope may be disposed while it fails", async () => {
  const scope = new Scope("session");
  const failure = new Error("lost");
  let cleanups = 0;
  scope.defer(() => void cleanups++);
  const mayFail = Promise.withResolvers<void>();
  scope.run(() => mayFail.promise);
  mayFail.reject(failure);
  scope.failed.then(() => scope[Symbol.asyncDispose]());
  await scope[Symbol.asyncDispose]();
  assert.equal(cleanups, 1);
  assert.equal(scope.size, 0);
});

Deno.test("A child that is disposed first is removed from its parent", async () => {
  const parent = new Scope("server");
  const child = parent.child("session");
  let cleanups = 0;
  child.defer(() => void cleanups++);
  assert.equal(parent.size, 1);
  await child[Symbol.asyncDispose]();
  assert.equal(parent.size, 0);
  assert.equal(parent.signal.aborted, false);
  await parent[Symbol.asyncDispose]();
  assert.equal(cleanups, 1);
});

Deno.test("An aborted scope refuses children and tasks with the reason", async () => {
  const parent = new Scope("server");
  const reason = new Error("draining");
  parent.abort(reason);
  assert.throws(() => parent.child("session"), reason);
  let ran = false;
  assert.throws(() =>
    parent.run(() => {
      ran = true;
      return Promise.resolve();
    }), reason);
  assert.equal(ran, false);
  await parent[Symbol.asyncDispose]();
});

Deno.test("Every cleanup runs though some fail, and disposing throws the failures", async () => {
  const scope = new Scope("session");
  const one = new Error("one");
  const two = new Error("two");
  let last = false;
  scope.defer(() => void (last = true));
  scope.defer(() => {
    throw one;
  });
  await assert.rejects(scope[Symbol.asyncDispose](), one);
  assert.equal(last, true);

  const parent = new Scope("server");
  parent.defer(() => Promise.reject(one));
  parent.child("session").defer(() => Promise.reject(two));
  const error = await parent[Symbol.asyncDispose]().then(() => undefined, (error: AggregateError) => error);
  assert.deepEqual(error?.errors, [two, one]);
  assert.equal(error?.message, 'Cannot close scope "server" cleanly');
});
