/** Translation of captions: a folder per provider, one registry, and the service in front of them. */
export { TranslationService, type TranslationServiceOptions } from "./service.ts";
export { TRANSLATION_REASONS } from "./health.ts";
export type { TranslationProvider, TranslatorParts } from "./provider.ts";
export { createTranslator, openTranslations, TRANSLATION_PROVIDERS } from "./registry.ts";
