import assert from "@std/assert";
import { ConfigError } from "../domain/mod.ts";
import { Scope, systemClock } from "../flow/mod.ts";
import { createTranslator, TRANSLATION_PROVIDERS } from "./registry.ts";

const shared = { clock: systemClock, scope: new Scope("test") };

Deno.test("A provider is made by its name, from its settings", () => {
  const settings = {
    libretranslate: { url: "http://127.0.0.1:1" },
    deepl: { url: "http://127.0.0.1:1", key: "key" },
    nextcloud: { ocs: { request: () => Promise.reject(new Error("unused")) }, appId: "app" },
    ...shared,
  };
  for (const name of Object.keys(TRANSLATION_PROVIDERS)) {
    assert.equal(createTranslator(name, settings).name, name);
  }
});

Deno.test("An unknown provider, or one without its settings, is a fault of the configuration", () => {
  assert.throws(() => createTranslator("toString", shared), ConfigError);
  for (const name of ["babelfish", ...Object.keys(TRANSLATION_PROVIDERS)]) {
    assert.throws(
      () => createTranslator(name, shared),
      (error: unknown) => error instanceof ConfigError && error.faults[0].variable === "TRANSLATION_PROVIDER",
    );
  }
});
