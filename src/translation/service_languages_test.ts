/** The languages of a translation service's provider: how they are listed and matched. */
import assert from "@std/assert";
import { InvalidRequestError, TranslationError } from "../domain/mod.ts";
import { settle } from "../../tests/fakes/clock.ts";
import { statusError } from "./errors.ts";
import { AS_WRITTEN, LANGUAGES, withService } from "./service_testing_test.ts";

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
