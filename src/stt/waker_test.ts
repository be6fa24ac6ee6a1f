import assert from "@std/assert";
import { type SpeechToText, SttError } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog } from "../../tests/fakes/telemetry.ts";
import { SttWaker } from "./waker.ts";

function setup(wake?: (signal: AbortSignal) => Promise<void>) {
  const clock = new FakeClock();
  const log = new FakeLog();
  const scope = new Scope("waking");
  let woken = 0;
  const stt: SpeechToText = {
    name: "fake",
    sampleRateHz: 16_000,
    languages: [],
    features: { acknowledges: false, latencyMs: 0 },
    open: () => Promise.reject(new Error("no session is wanted")),
    ...wake && {
      wake: (signal) => {
        woken++;
        return wake(signal);
      },
    },
  };
  const waker = new SttWaker({ stt, scope, clock, log });
  return {
    clock,
    log,
    scope,
    waker,
    woken: () => woken,
    lines: () => log.lines.map(({ message }) => message),
  };
}

Deno.test("A recogniser is woken once however many ask, and again when it may have gone to sleep", async () => {
  const cold = Promise.withResolvers<void>();
  const { clock, scope, waker, woken, lines } = setup(() => cold.promise);
  await using _scope = scope;
  for (let asked = 0; asked < 5; asked++) waker.wake();
  await clock.advance(40_000);
  waker.wake();
  assert.equal(woken(), 1);
  cold.resolve();
  await settle();
  assert.deepEqual(lines(), ["speech-to-text is starting", "speech-to-text has started"]);
  waker.wake();
  assert.equal(woken(), 1, "it is awake");
  await clock.advance(60_000);
  waker.wake();
  await settle();
  assert.equal(woken(), 2);
  assert.equal(lines().length, 2, "nobody needs to know of one that is awake");
  assert.equal(clock.pending, 0);
});

Deno.test("One that cannot be woken is logged and asked again at the next request", async () => {
  const failure = new SttError("Cannot open: test", { code: "stt_unreachable", retryable: true });
  const { log, scope, waker, woken } = setup(() => Promise.reject(failure));
  await using _scope = scope;
  for (let asked = 0; asked < 2; asked++) {
    waker.wake();
    await settle();
  }
  assert.equal(woken(), 2);
  assert.deepEqual(log.lines[0].fields, { provider: "fake", code: "stt_unreachable" });
  assert.equal(scope.signal.aborted, false);
});

Deno.test("Disposing the scope ends the wait, and a provider that never sleeps is left alone", async () => {
  const aborted = Promise.withResolvers<unknown>();
  const { clock, scope, waker } = setup((signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        aborted.resolve(signal.reason);
        reject(signal.reason);
      });
    })
  );
  waker.wake();
  await settle();
  await scope[Symbol.asyncDispose]();
  await aborted.promise;
  waker.wake();
  assert.equal(clock.pending, 0);

  const awake = setup();
  await using _scope = awake.scope;
  awake.waker.wake();
  assert.equal(awake.scope.size, 0);
});
