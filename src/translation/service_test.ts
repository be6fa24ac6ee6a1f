import assert from "@std/assert";
import { languageOf, LIMITS } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { statusError, translationError } from "./errors.ts";
import {
  AS_WRITTEN,
  LANGUAGES,
  makeService,
  rejection,
  TIMEOUT_MS,
  withService,
} from "./service_testing_test.ts";

Deno.test("Concurrent requests for one translation share a call, and later ones are cached", () =>
  withService(async ({ ask, translator, outcomes }) => {
    const asked = [ask("hello"), ask("hello"), ask("hello", "ar"), ask("hello")];
    await settle();
    assert.deepEqual(translator.calls.map(({ targetId }) => targetId), ["de", "ar"]);
    translator.calls[0].resolve("  hallo\n Welt ");
    translator.calls[1].resolve("مرحبا");
    await settle();
    assert.deepEqual(asked.map(({ outcome }) => outcome), [
      "hallo Welt",
      "hallo Welt",
      "مرحبا",
      "hallo Welt",
    ]);
    const later = ask("hello");
    await settle();
    assert.equal(later.outcome, "hallo Welt");
    assert.equal(translator.calls.length, 2);
    assert.deepEqual([outcomes("ok"), outcomes("cached")], [2, 3]);
  }));

Deno.test("Some calls run at once, a bounded number is queued, and more are refused", () =>
  withService(async ({ ask, translator, meter, outcomes }) => {
    const most = LIMITS.translationsAtOnce + LIMITS.translationQueue;
    const asked = Array.from({ length: most }, (_, i) => ask(`n${i}`));
    const refused = ask("one too many");
    await settle();
    assert.equal(translator.calls.length, LIMITS.translationsAtOnce);
    assert.equal(meter.gauges.get("tiro_translation_queue")!(), most);
    assert.equal(refused.outcome, "translation_refused");
    assert.equal(outcomes("refused"), 1);
    for (let i = 0; i < most; i++) {
      assert.ok(translator.inFlight <= LIMITS.translationsAtOnce);
      translator.calls[i].resolve(`t${i}`);
      await settle();
    }
    assert.deepEqual(asked.map(({ outcome }) => outcome), asked.map((_, i) => `t${i}`));
    assert.equal(meter.gauges.get("tiro_translation_queue")!(), 0);
  }));

Deno.test("A call times out after 3 s, and so does a queued one", () =>
  withService(async ({ ask, translator, clock, outcomes }) => {
    const asked = Array.from({ length: LIMITS.translationsAtOnce + 1 }, (_, i) => ask(`n${i}`));
    await clock.advance(TIMEOUT_MS - 10);
    assert.ok(asked.every(({ outcome }) => outcome === undefined));
    translator.calls[0].resolve("in time");
    await clock.advance(20);
    assert.deepEqual(asked.map(({ outcome }) => outcome), [
      "in time",
      ...Array(LIMITS.translationsAtOnce - 1).fill("translation_timeout"),
      undefined,
    ]);
    assert.ok(translator.calls[1].signal.aborted, "the provider is aborted");
    assert.equal(outcomes("timeout"), LIMITS.translationsAtOnce - 1);
    await clock.advance(TIMEOUT_MS);
    assert.equal(asked.at(-1)!.outcome, "translation_timeout");

    const stuck = Array.from({ length: LIMITS.translationsAtOnce }, (_, i) => ask(`stuck${i}`));
    await clock.advance(TIMEOUT_MS / 2);
    const queued = ask("queued");
    translator.list = () => Promise.reject(new Error("never"));
    await clock.advance(TIMEOUT_MS / 2 + 10);
    assert.ok(stuck.every(({ outcome }) => outcome === "translation_timeout"));
    assert.equal(queued.outcome, undefined, "it was sent");
    translator.calls.at(-1)!.resolve("after all");
    await settle();
    assert.equal(queued.outcome, "after all");
  }));

Deno.test("A call that fails is not retried or cached, and affects no other", () =>
  withService(async ({ ask, translator, service, outcomes, meter }) => {
    for (const error of [statusError(503), statusError(400), new Error("a bug")]) {
      const asked = ask("hello");
      await settle();
      translator.calls.at(-1)!.reject(error);
      await settle();
      assert.match(asked.outcome!, /^translation_(server|unsupported|protocol)$/);
      assert.ok(service.isAvailable);
    }
    assert.equal(translator.calls.length, 3);
    assert.equal(outcomes("failed"), 3);
    assert.equal(meter.counted("transcription_errors_total", "translation_server"), 1);
  }));

Deno.test("A translation is delivered without control characters and overrides", () =>
  withService(async ({ ask, translator }) => {
    const asked = ask("hello");
    await settle();
    translator.calls[0].resolve("hal\0lo\u202e \u009bWelt\ud83d\n");
    await settle();
    assert.equal(asked.outcome, "hallo Welt");
  }));

Deno.test("A provider's languages are bounded in number, and those whose id is no tag are left out", () =>
  withService(({ service }) => {
    const { origin, target } = service.languages();
    assert.deepEqual([origin.length, target.length], [1, 1_000]);
    assert.equal(target[0].name.length, 100);
    return Promise.resolve();
  }, (translator) => {
    const many = Array.from({ length: 5_000 }, (_, at) => languageOf(`l${at}`, "x".repeat(10_000)));
    const target = [languageOf("y".repeat(200_000), "long"), languageOf("d\u202ee", "turned"), ...many];
    translator.list = () => Promise.resolve({ origin: [languageOf("en", "English")], target });
  }));

Deno.test("An empty or endless translation is an error", () =>
  withService(async ({ ask, translator }) => {
    const asked = [ask("hello"), ask("world")];
    await settle();
    translator.calls[0].resolve(" \n ");
    translator.calls[1].resolve("x".repeat(8_001));
    await settle();
    assert.deepEqual(asked.map(({ outcome }) => outcome), ["translation_protocol", "translation_protocol"]);
  }));

Deno.test("What cannot be translated, or needs no translation, sends no request", () =>
  withService(async ({ ask, translator }) => {
    const asked = [ask("hello", "tlh"), ask("hello", "de", "fr"), ask("hello", "en_GB", "en")];
    await settle();
    assert.deepEqual(asked.map(({ outcome }) => outcome), Array(3).fill("translation_unsupported"));
    assert.equal(translator.calls.length, 0);
  }, (translator) => translator.list = () => Promise.resolve(AS_WRITTEN)));

Deno.test("Any language can be translated by a provider that detects it", () =>
  withService(
    ({ service }) => {
      assert.equal(service.resolveTarget("tlh", "de"), "de");
      return Promise.resolve();
    },
    (translator) => {
      const origin = [...LANGUAGES.origin, languageOf("detect_language", "Detect language")];
      translator.list = () => Promise.resolve({ ...LANGUAGES, origin });
    },
  ));

Deno.test("Shutdown ends every translation, queued or in flight", async () => {
  const { scope, ask, translator, service } = await makeService();
  const asked = Array.from({ length: LIMITS.translationsAtOnce + 3 }, (_, i) => ask(`n${i}`));
  await settle();
  await scope[Symbol.asyncDispose]();
  await settle();
  assert.ok(asked.every(({ outcome }) => outcome === "translation_refused"));
  assert.ok(translator.calls.every(({ signal }) => signal.aborted));
  assert.equal(
    await rejection(service.translate({ text: "x", originId: "en", targetId: "de" })),
    "translation_refused",
  );
});

Deno.test("No speech and no message of the provider is logged", () =>
  withService(async ({ ask, translator, log }) => {
    ask("a secret garden");
    await settle();
    translator.calls[0].reject(
      translationError("the provider refused the credentials", "translation_unauthorized"),
    );
    await settle();
    assert.ok(!JSON.stringify(log.lines).includes("secret garden"));
  }));
