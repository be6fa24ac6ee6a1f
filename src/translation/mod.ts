/** Translation of captions: a folder per provider, one registry, and the desk that stands before them. */
export { type DeskOptions, TranslationDesk } from "./desk.ts";
export { TRANSLATION_REASONS } from "./health.ts";
export type { TranslationProvider, TranslatorParts } from "./provider.ts";
export { createTranslator, openTranslations, TRANSLATION_PROVIDERS } from "./registry.ts";
