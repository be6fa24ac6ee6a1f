import assert from "@std/assert";
import { type SpeechToText, SttError } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog } from "../../tests/fakes/telemetry.ts";
import { sttWaker } from "./waker.ts";

function setup(answer?: (signal: AbortSignal) => Promise<void>) {
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
    ...answer && {
      wake: (signal) => {
        woken++;
        return answer(signal);
      },
    },
  };
  const wake = sttWaker({ stt, scope, clock, log });
  return {
    clock,
    log,
    scope,
    wake,
    woken: () => woken,
    lines: () => log.lines.map(({ message }) => message),
  };
}

Deno.test("Speech-to-text is woken once for concurrent requests, and again when it may sleep", async () => {
  const cold = Promise.withResolvers<void>();
  const { clock, scope, wake, woken, lines } = setup(() => cold.promise);
  await using _scope = scope;
  for (let asked = 0; asked < 5; asked++) wake();
  await clock.advance(40_000);
  wake();
  assert.equal(woken(), 1);
  cold.resolve();
  await settle();
  assert.deepEqual(lines(), ["speech-to-text starting", "speech-to-text started"]);
  wake();
  assert.equal(woken(), 1, "it is awake");
  await clock.advance(60_000);
  wake();
  await settle();
  assert.equal(woken(), 2);
  assert.equal(lines().length, 2, "nothing is logged while it is awake");
  assert.equal(clock.pending, 0);
});

Deno.test("A failure is logged, and the next request tries again", async () => {
  const failure = new SttError("Cannot open: test", { code: "stt_unreachable", retryable: true });
  const { log, scope, wake, woken } = setup(() => Promise.reject(failure));
  await using _scope = scope;
  for (let asked = 0; asked < 2; asked++) {
    wake();
    await settle();
  }
  assert.equal(woken(), 2);
  assert.deepEqual(log.lines[0].fields, {
    provider: "fake",
    code: "stt_unreachable",
    check: "the address of speech-to-text, in the variables of STT_PROVIDER",
  });
  assert.equal(scope.signal.aborted, false);
});

Deno.test("Disposing the scope ends the request, and a provider that never sleeps gets none", async () => {
  const aborted = Promise.withResolvers<unknown>();
  const { clock, scope, wake } = setup((signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => {
        aborted.resolve(signal.reason);
        reject(signal.reason);
      });
    })
  );
  wake();
  await settle();
  await scope[Symbol.asyncDispose]();
  await aborted.promise;
  wake();
  assert.equal(clock.pending, 0);

  const awake = setup();
  await using _scope = awake.scope;
  awake.wake();
  assert.equal(awake.scope.size, 0);
});
