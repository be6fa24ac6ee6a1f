/** What a translation service does when its provider fails, is busy or refuses a pair. */
import assert from "@std/assert";
import { LIMITS, type TranslationLanguages } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { statusError, unreadableAnswer } from "./errors.ts";
import { LANGUAGES, rejection, TIMEOUT_MS, withService, type World } from "./service_testing_test.ts";

Deno.test("A busy provider gets no request for 5 s, queued ones included", () =>
  withService(async ({ ask, translator, clock, service }) => {
    const asked = Array.from({ length: LIMITS.translationsAtOnce + 2 }, (_, i) => ask(`n${i}`));
    await settle();
    translator.calls[0].reject(statusError(429));
    await settle();
    assert.equal(translator.calls.length, LIMITS.translationsAtOnce);
    assert.deepEqual(asked.slice(-2).map(({ outcome }) => outcome), ["translation_busy", "translation_busy"]);
    assert.equal(
      await rejection(service.translate({ text: "x", originId: "en", targetId: "de" })),
      "translation_busy",
    );
    assert.ok(service.isAvailable);
    await clock.advance(5_000);
    ask("again");
    await settle();
    assert.equal(translator.calls.at(-1)!.text, "again");
  }));

for (const status of [403, 412, 456]) {
  Deno.test(`A fatal error (${status}) disables the provider until its languages can be listed again`, () =>
    withService(async ({ ask, translator, clock, service, log }) => {
      const known = ask("known");
      await settle();
      translator.calls[0].resolve("bekannt");
      await settle();
      const asked = Array.from({ length: LIMITS.translationsAtOnce + 1 }, (_, i) => ask(`n${i}`));
      await settle();
      const { code } = statusError(status);
      translator.calls[1].reject(statusError(status));
      await settle();
      assert.equal(service.isAvailable, false);
      assert.equal(asked.at(-1)!.outcome, code, "queued ones are rejected");
      assert.throws(() => service.languages(), { code, retryable: false });
      assert.throws(() => service.resolveTarget("en", "de"), { code, retryable: false });
      const calls = translator.calls.length;
      assert.equal(ask("known").outcome, undefined);
      assert.equal(await rejection(service.translate({ text: "x", originId: "en", targetId: "de" })), code);
      assert.equal(translator.calls.length, calls, "no request is sent");
      assert.equal(known.outcome, "bekannt");

      translator.list = () => Promise.reject(statusError(status));
      assert.equal(translator.checks, 1);
      await clock.advance(3 * 60_000 + 100);
      assert.equal(translator.checks, 4, "one check a minute");
      assert.equal(service.isAvailable, false);
      translator.list = () => Promise.resolve(LANGUAGES);
      // Some list their languages for everyone: what was refused is tried once before it counts as working.
      await clock.advance(60_000);
      assert.equal(service.isAvailable, false);
      assert.equal(service.trouble, "translator_refused");
      const trial = translator.calls.at(-1)!;
      assert.deepEqual([trial.text, trial.originId, trial.targetId], ["Hello", "en", "de"]);
      trial.reject(statusError(status));
      await clock.advance(60_000);
      assert.equal(service.isAvailable, false);
      translator.calls.at(-1)!.resolve("Hallo");
      await settle();
      assert.ok(service.isAvailable);
      assert.equal(service.trouble, undefined);
      assert.deepEqual(service.languages(), LANGUAGES);
      assert.deepEqual(log.lines.map(({ level, message }) => `${level}: ${message}`), [
        "info: translation available",
        "warn: translation disabled",
        "info: translation available",
      ]);
      ask("again");
      await settle();
      assert.equal(translator.calls.at(-1)!.text, "again");
    }));
}

Deno.test("A check that began before a fatal error does not enable the provider again", () =>
  withService(async ({ ask, translator, clock, service }) => {
    const list = Promise.withResolvers<TranslationLanguages>();
    translator.list = () => list.promise;
    await clock.advance(60 * 60_000);
    assert.equal(translator.checks, 2);
    ask("hello");
    await settle();
    translator.calls[0].reject(statusError(403));
    await settle();
    list.resolve(LANGUAGES);
    await settle();
    assert.equal(service.isAvailable, false);
    translator.list = () => Promise.resolve(LANGUAGES);
    await clock.advance(60_000);
    translator.calls.at(-1)!.resolve("Hallo");
    await settle();
    assert.ok(service.isAvailable);
  }));

/** So many captions of a pair fail, one after the other. */
async function failing(
  { ask, translator }: Pick<World, "ask" | "translator">,
  error: Error,
  times: number,
  targetId = "de",
): Promise<void> {
  for (let n = 0; n < times; n++) {
    ask(`failing ${n} ${Math.random()}`, targetId);
    await settle();
    translator.calls.at(-1)!.reject(error);
    await settle();
  }
}

Deno.test("A refused pair is suspended after three captions, and retried once after each growing wait", () =>
  withService(async (world) => {
    const { ask, translator, clock, service, log, gauge } = world;
    await failing(world, statusError(400), 2);
    assert.deepEqual([service.trouble, gauge()], [undefined, {}]);
    await failing(world, statusError(400), 1);
    assert.deepEqual([service.trouble, gauge()], ["translator_refused", { pair_refused: 1 }]);
    const calls = () => translator.calls.length;
    const atOnce = async () => {
      const asked = ask("at once");
      await settle();
      return asked.outcome;
    };
    assert.equal(await atOnce(), "translation_unsupported");
    assert.equal(calls(), 3, "no request is sent");
    // Nobody is offered what does not work; the provider's other pairs do.
    assert.throws(() => service.resolveTarget("en", "de"), {
      field: "translationTargetId",
      message: "the provider refuses to translate the language spoken into this one",
    });
    assert.equal(service.resolveTarget("en", "ar"), "ar");
    assert.ok(service.isAvailable);
    const arabic = ask("hello", "ar");
    await settle();
    translator.calls.at(-1)!.resolve("مرحبا");
    await settle();
    assert.equal(arabic.outcome, "مرحبا");

    await clock.advance(59_900);
    assert.equal(await atOnce(), "translation_unsupported");
    await clock.advance(200);
    assert.equal(service.resolveTarget("en", "de"), "de", "it is offered again");
    const probe = ask("probe");
    await settle();
    assert.deepEqual([calls(), probe.outcome], [5, undefined]);
    assert.equal(await atOnce(), "translation_unsupported", "one probe at a time");
    translator.calls.at(-1)!.reject(statusError(400));
    await clock.advance(119_900);
    assert.equal(await atOnce(), "translation_unsupported");
    assert.equal(calls(), 5);
    await clock.advance(200);
    ask("works");
    await settle();
    translator.calls.at(-1)!.resolve("geht");
    await settle();
    assert.deepEqual([service.trouble, gauge()], [undefined, {}]);
    ask("again");
    await settle();
    assert.equal(translator.calls.at(-1)!.text, "again");
    assert.deepEqual(log.lines.slice(1), [
      {
        level: "warn",
        message: "language pair suspended",
        fields: { provider: "fake", origin: "en", target: "de", code: "translation_unsupported" },
      },
      {
        level: "info",
        message: "language pair resumed",
        fields: { provider: "fake", origin: "en", target: "de" },
      },
    ]);
  }));

for (const error of [statusError(503), unreadableAnswer(), new Error("a bug")]) {
  Deno.test(`A pair that keeps failing (${error.message}) is suspended for seconds: originals do not wait for it`, () =>
    withService(async (world) => {
      const { ask, translator, clock, service, gauge } = world;
      await failing(world, error, 3);
      assert.deepEqual([service.trouble, gauge()], ["translator_unreachable", { pair_failing: 1 }]);
      assert.equal(service.resolveTarget("en", "de"), "de", "it resumes automatically");
      const asked = ask("at once");
      await clock.advance(9_900);
      ask("at once too");
      await settle();
      assert.match(asked.outcome!, /^translation_(server|protocol)$/);
      assert.equal(translator.calls.length, 3);
      await clock.advance(200);
      ask("probe");
      await settle();
      assert.equal(translator.calls.at(-1)!.text, "probe");
    }));
}

Deno.test("A provider that does not answer delays three captions, then none", () =>
  withService(async ({ ask, translator, clock, service }) => {
    for (let n = 0; n < 3; n++) {
      ask(`n${n}`);
      await clock.advance(TIMEOUT_MS + 10);
    }
    const asked = ask("at once");
    await settle();
    assert.equal(asked.outcome, "translation_timeout");
    assert.equal(translator.calls.length, 3);
    assert.equal(service.trouble, "translator_unreachable");
  }));

Deno.test("Captions that fail together are one failure, which suspends no pair", () =>
  withService(async ({ ask, translator, clock, service }) => {
    for (let n = 0; n < 4; n++) ask(`n${n}`);
    await clock.advance(TIMEOUT_MS + 10);
    assert.equal(service.trouble, undefined);
    ask("still asked");
    await settle();
    assert.equal(translator.calls.at(-1)!.text, "still asked");
  }));

Deno.test("A pair that is no longer requested is no trouble once its wait is over", () =>
  withService(async (world) => {
    const { ask, clock, service, gauge } = world;
    await failing(world, statusError(400), 3);
    await clock.advance(60_100);
    assert.deepEqual([service.trouble, gauge()], [undefined, {}]);
    ask("somebody does");
    await settle();
    assert.deepEqual(
      [service.trouble, gauge()],
      ["translator_refused", { pair_refused: 1 }],
      "while it is tried",
    );
  }));

Deno.test("A wait begins with the last failure, in-flight requests included", () =>
  withService(async ({ ask, translator, clock }) => {
    for (let n = 0; n < 4; n++) ask(`n${n}`);
    await settle();
    for (const call of translator.calls.slice(0, 3)) call.reject(statusError(400));
    await clock.advance(2_000);
    translator.calls[3].reject(statusError(400));
    await clock.advance(59_000);
    ask("still resting");
    await settle();
    assert.equal(translator.calls.length, 4);
    await clock.advance(1_100);
    ask("probe");
    await settle();
    assert.equal(translator.calls.length, 5);
  }));

Deno.test("A probe that is never sent leaves the next request to be one", () =>
  withService(async (world) => {
    const { ask, translator, clock } = world;
    await failing(world, statusError(400), 3);
    await clock.advance(60_000);
    for (let n = 0; n < LIMITS.translationsAtOnce; n++) ask(`busy ${n}`, "ar");
    const waiting = ask("never sent");
    await settle();
    translator.calls.at(-1)!.reject(statusError(429));
    await settle();
    assert.equal(waiting.outcome, "translation_busy");
    for (const call of translator.calls) call.resolve("done");
    await clock.advance(5_000);
    ask("probe");
    await settle();
    assert.equal(translator.calls.at(-1)!.text, "probe");
  }));

Deno.test("A text too long for the provider affects that text alone, and a success resets the failures", () =>
  withService(async (world) => {
    const { ask, translator, service } = world;
    await failing(world, statusError(413), 4);
    assert.equal(service.trouble, undefined);
    await failing(world, statusError(400), 2);
    ask("works");
    await settle();
    translator.calls.at(-1)!.resolve("geht");
    await settle();
    await failing(world, statusError(400), 2);
    assert.equal(service.trouble, undefined);
    ask("still asked");
    await settle();
    assert.equal(translator.calls.at(-1)!.text, "still asked");
  }));
