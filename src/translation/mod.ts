/** Translation of captions: a file per provider, and the desk that stands before them. */
export { type DeskOptions, TranslationDesk } from "./desk.ts";
export {
  createTranslator,
  openTranslations,
  TRANSLATION_PROVIDERS,
  type TranslationProvider,
  type TranslationProviderName,
  type TranslationSettings,
} from "./registry.ts";
