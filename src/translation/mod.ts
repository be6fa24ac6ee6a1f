/** Translation of captions: a folder per provider, one registry, and the service in front of them. */
export { TRANSLATION_REASONS } from "./errors.ts";
export type { TranslationProvider, TranslatorParts } from "./provider.ts";
export { createTranslator, openTranslations, TRANSLATION_PROVIDERS } from "./registry.ts";
export { TranslationService } from "./service.ts";
