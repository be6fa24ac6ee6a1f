/** The translation app installed in Nextcloud; the service must be an ExApp to use it. */
import { ConfigError } from "../../domain/mod.ts";
import type { TranslationProvider } from "../provider.ts";
import { taskProcessingTranslator } from "./translator.ts";

export const nextcloud: TranslationProvider<Record<string, never>> = {
  name: "nextcloud",
  // A task waits for Nextcloud's background workers, which take seconds on a good day.
  features: { timeoutMs: 10_000 },
  variables: [],
  requires: ["APP_SECRET"],
  settings: () => ({}),
  create(_settings, { nextcloud, scope, clock }) {
    if (nextcloud) return taskProcessingTranslator({ ...nextcloud, scope, clock });
    throw new ConfigError([{
      variable: "TRANSLATION_PROVIDER",
      problem: "nextcloud needs APP_SECRET: only an ExApp may schedule its tasks",
      example: "libretranslate",
    }]);
  },
};
