import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { UnavailableError } from "../domain/mod.ts";
import { guarded, InternalError, reportInternalError } from "./internal_errors.ts";

const SENT = "what a peer sent";

Deno.test("A guarded callback gets its arguments; what it throws is reported, and its caller continues", () => {
  using errors = new CaughtInternalErrors();
  const got: [number, string][] = [];
  const callback = guarded("udp", (count: number, text: string) => {
    got.push([count, text]);
    if (count === 1) throw new TypeError(SENT);
  });
  callback(1, "one");
  callback(2, "two");
  assert.deepEqual(got, [[1, "one"], [2, "two"]]);
  assert.deepEqual(errors.kinds, ["udp"]);
});

Deno.test("An internal error has the place where it was thrown, and nothing of the message", () => {
  for (
    const thrown of [new TypeError(SENT), new SyntaxError(SENT, { cause: new Error(SENT) }), SENT, { SENT }]
  ) {
    const { message, stack, cause } = new InternalError("timer", thrown);
    assert.ok(!`${message}${stack}${cause}`.includes(SENT), message);
  }
  const { message, stack } = new InternalError("timer", new TypeError(SENT));
  assert.match(message, /^Cannot finish a callback: TypeError at internal_errors_test\.ts:\d+:\d+$/);
  assert.match(stack!, /^ {4}at .*internal_errors_test\.ts/m);
  const own = new UnavailableError("Cannot do it: no room", "busy");
  assert.match(
    new InternalError("timer", own).message,
    /UnavailableError \(busy\): Cannot do it: no room at/,
  );
});

Deno.test("An internal error that is thrown again is reported unchanged", () => {
  using errors = new CaughtInternalErrors();
  const first = new InternalError("speaker", new Error(SENT));
  reportInternalError("udp", first);
  assert.deepEqual(errors.caught, [first]);
});

Deno.test(
  "A signal's listener that throws receives the next signal",
  { ignore: Deno.build.os === "windows" },
  async () => {
    using errors = new CaughtInternalErrors();
    let received = 0;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const listener = guarded("signal", () => {
      received++;
      if (received === 3) resolve();
      else Deno.kill(Deno.pid, "SIGUSR2");
      throw new Error(SENT);
    });
    Deno.addSignalListener("SIGUSR2", listener);
    Deno.kill(Deno.pid, "SIGUSR2");
    const deadline = setTimeout(() => reject(new Error(`${received} received`)), 10_000);
    await promise.finally(() => clearTimeout(deadline));
    Deno.removeSignalListener("SIGUSR2", listener);
    assert.deepEqual(errors.kinds, ["signal", "signal", "signal"]);
  },
);
