import assert from "@std/assert";
import { ConfigError } from "../domain/mod.ts";
import { Scope, systemClock } from "../flow/mod.ts";
import { createTranslator, TRANSLATION_PROVIDERS } from "./registry.ts";

const parts = { clock: systemClock, scope: new Scope("test") };
/** Of each provider, what it is made from. */
const SETTINGS: Record<string, unknown> = {
  libretranslate: { url: "http://127.0.0.1:1" },
  deepl: { url: "http://127.0.0.1:1", key: "key" },
  nextcloud: {},
};
const nextcloud = { ocs: { request: () => Promise.reject(new Error("unused")) }, appId: "app" };

Deno.test("A provider is made by its name, from its settings", () => {
  assert.deepEqual(TRANSLATION_PROVIDERS.map(({ name }) => name), Object.keys(SETTINGS));
  for (const { name: provider } of TRANSLATION_PROVIDERS) {
    const choice = { provider, settings: SETTINGS[provider] };
    assert.equal(createTranslator(choice, { ...parts, nextcloud }).name, provider);
  }
});

const isFault = (error: unknown) =>
  error instanceof ConfigError && error.faults[0].variable === "TRANSLATION_PROVIDER";

Deno.test("An unknown provider, or one without what it needs, is a fault of the configuration", () => {
  for (const provider of ["babelfish", "toString"]) {
    assert.throws(() => createTranslator({ provider, settings: {} }, parts), isFault);
  }
  assert.throws(() => createTranslator({ provider: "nextcloud", settings: {} }, parts), isFault);
  for (const provider of TRANSLATION_PROVIDERS.filter(({ variables }) => variables.length > 0)) {
    assert.throws(() => provider.settings({}), ConfigError);
  }
});
