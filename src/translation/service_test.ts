import assert from "@std/assert";
import {
  InvalidRequestError,
  LIMITS,
  TranslationError,
  type TranslationLanguages,
  type TranslationRequest,
  type Translator,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { TranslationService } from "./service.ts";
import { statusError, translationError, unreadableAnswer } from "./errors.ts";
import { languageOf } from "./languages.ts";

const TIMEOUT_MS = 3_000;
const LANGUAGES: TranslationLanguages = {
  origin: [languageOf("en", "English"), languageOf("de", "German")],
  target: [languageOf("de", "German"), languageOf("ar", "Arabic")],
};

interface Call extends TranslationRequest, PromiseWithResolvers<string> {
  signal: AbortSignal;
}

/** Answers when the test says so. */
class FakeTranslator implements Translator {
  readonly name = "fake";
  readonly calls: Call[] = [];
  checks = 0;
  inFlight = 0;
  list: () => Promise<TranslationLanguages> = () => Promise.resolve(LANGUAGES);

  languages(): Promise<TranslationLanguages> {
    this.checks++;
    return this.list();
  }
  async translate(request: TranslationRequest, signal: AbortSignal): Promise<string> {
    const answer = Promise.withResolvers<string>();
    this.calls.push({ ...request, ...answer, signal });
    this.inFlight++;
    try {
      return await answer.promise;
    } finally {
      this.inFlight--;
    }
  }
}

async function withService(
  test: (world: World) => Promise<void>,
  prepare?: (translator: FakeTranslator) => void,
) {
  const world = await makeService(prepare);
  await test(world);
  for (const call of world.translator.calls) call.reject(new Error("the test is over"));
  await world.scope[Symbol.asyncDispose]();
  assert.equal(world.clock.pending, 0, "no timer outlives the service");
  assert.equal(world.meter.gauges.size + world.meter.gaugesBy.size, 0);
}

async function makeService(prepare: (translator: FakeTranslator) => void = () => {}) {
  const clock = new FakeClock();
  const scope = new Scope("service");
  const meter = new FakeMeter();
  const log = new FakeLog();
  const translator = new FakeTranslator();
  prepare(translator);
  const service = new TranslationService({ translator, timeoutMs: TIMEOUT_MS, scope, clock, log, meter });
  await settle();
  /** The outcome, once there is one. */
  const ask = (text: string, targetId = "de", originId = "en") => {
    const asked: { outcome?: string } = {};
    service.translate({ text, originId, targetId }).then(
      (translated) => asked.outcome = translated,
      (error: TranslationError) => asked.outcome = error.code,
    );
    return asked;
  };
  const gauge = () => meter.gaugesBy.get("tiro_translation_resting")!();
  const outcomes = (outcome: string) => meter.counted("tiro_translations_total", outcome);
  return { clock, scope, meter, log, translator, service, ask, outcomes, gauge };
}
type World = Awaited<ReturnType<typeof makeService>>;

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

Deno.test("Languages are listed in the background, repeatedly until known, then once an hour", () =>
  withService(
    async ({ translator, clock, service, log }) => {
      assert.ok(service.isAvailable, "not known to be broken");
      assert.throws(() => service.languages(), { code: "translation_languages_unknown", retryable: true });
      assert.throws(() => service.resolveTarget("en", "de"), { code: "translation_languages_unknown" });
      await clock.advance(20_000);
      const checks = translator.checks;
      assert.ok(checks >= 4 && checks <= 8, `${checks} checks in 20 s`);
      translator.list = () => Promise.resolve({ origin: [], target: [] });
      await clock.advance(60_000);
      assert.throws(() => service.languages(), TranslationError, "a server that has none yet");
      translator.list = () => Promise.resolve(LANGUAGES);
      await clock.advance(60_000);
      assert.deepEqual(service.languages(), LANGUAGES);
      const known = translator.checks;
      translator.list = () => Promise.reject(statusError(503));
      await clock.advance(60 * 60_000 + 500);
      assert.ok(translator.checks > known);
      assert.deepEqual(service.languages(), LANGUAGES, "known languages stay");
      assert.ok(service.isAvailable);
      const warnings = log.lines.filter(({ level }) => level === "warn");
      assert.equal(warnings.length, 2, "logged once per outage");
    },
    (translator) => translator.list = () => Promise.reject(statusError(503)),
  ));

Deno.test("No request is sent to a provider whose languages are not known", () =>
  withService(
    async ({ ask, translator, outcomes }) => {
      const asked = ask("hello", "de_DE");
      await settle();
      assert.deepEqual([asked.outcome, translator.calls.length], ["translation_languages_unknown", 0]);
      assert.equal(outcomes("refused"), 1);
    },
    (translator) => translator.list = () => Promise.reject(statusError(503)),
  ));

Deno.test("Languages that do not arrive within 10 s are requested again", () =>
  withService(
    async ({ translator, clock, service }) => {
      translator.list = () => Promise.resolve(LANGUAGES);
      await clock.advance(9_990);
      assert.equal(translator.checks, 1);
      await clock.advance(1_100);
      assert.deepEqual(service.languages(), LANGUAGES);
    },
    (translator) => translator.list = () => new Promise(() => {}),
  ));

Deno.test("A provider that is broken from the start is disabled", () =>
  withService(
    ({ service }) => {
      assert.equal(service.isAvailable, false);
      assert.throws(() => service.languages(), { code: "translation_no_provider", retryable: false });
      return Promise.resolve();
    },
    (translator) => translator.list = () => Promise.reject(statusError(412)),
  ));

Deno.test("A pair is checked against the provider's languages", () =>
  withService(({ service }) => {
    service.resolveTarget("en", "ar");
    service.resolveTarget("en-gb", "de");
    for (const [originId, targetId] of [["de", "de"], ["en", "tlh"], ["en", "en"], ["tlh", "de"]]) {
      assert.throws(
        () => service.resolveTarget(originId, targetId),
        InvalidRequestError,
        `${originId} ${targetId}`,
      );
    }
    return Promise.resolve();
  }));

const AS_WRITTEN: TranslationLanguages = {
  origin: ["EN", "pt", "zh-Hans"].map((id) => languageOf(id, id)),
  target: ["de", "en-gb", "pt-br", "zh-Hans", "zh-Hant"].map((id) => languageOf(id, id)),
};

Deno.test("Languages match in any spelling, and are requested in the provider's", () =>
  withService(async ({ service, ask, translator }) => {
    const cases = [
      ["en_US", "de_DE", "EN", "de"],
      ["en", "DE", "EN", "de"],
      ["pt_BR", "en", "pt", "en-gb"],
      ["zh_CN", "pt_BR", "zh-Hans", "pt-br"],
      ["zh", "zh_TW", "zh-Hans", "zh-Hant"],
    ];
    for (const [spoken, wanted, , target] of cases) {
      assert.equal(service.resolveTarget(spoken, wanted), target);
    }
    for (const [spoken, wanted, origin, target] of cases) {
      ask("hello", wanted, spoken);
      await settle();
      const { originId, targetId, resolve } = translator.calls.at(-1)!;
      assert.deepEqual([originId, targetId], [origin, target]);
      resolve("hallo");
      await settle();
    }
  }, (translator) => translator.list = () => Promise.resolve(AS_WRITTEN)));

Deno.test("An unknown language is refused with the list of known ones", () =>
  withService(({ service }) => {
    const refusal = (originId: string, targetId: string) => {
      try {
        return service.resolveTarget(originId, targetId);
      } catch (error) {
        if (!(error instanceof InvalidRequestError)) throw error;
        return `${error.field}: ${error.message}`;
      }
    };
    assert.equal(
      refusal("en", "tlh"),
      "translationTargetId: not a language the provider translates to; known are de, en-gb, pt-br, zh-Hans, zh-Hant",
    );
    assert.equal(
      refusal("fr", "de"),
      "languageId: the provider does not translate the language spoken; known are EN, pt, zh-Hans",
    );
    for (const same of ["en", "EN", "en_GB", "en-gb"]) {
      assert.equal(refusal("en", same), "translationTargetId: the language spoken needs no translation");
    }
    return Promise.resolve();
  }, (translator) => translator.list = () => Promise.resolve(AS_WRITTEN)));

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

async function rejection(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => "nothing", (error: unknown) => error);
  return error instanceof TranslationError ? error.code : String(error);
}
