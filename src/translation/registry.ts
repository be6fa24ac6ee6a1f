/** The translation providers, by their names in TRANSLATION_PROVIDER. */
import {
  ConfigError,
  findProvider,
  type Log,
  type Meter,
  type ProviderChoice,
  type Translator,
} from "../domain/mod.ts";
import { deepl } from "./deepl/provider.ts";
import { libretranslate } from "./libretranslate/provider.ts";
import { nextcloud } from "./nextcloud/provider.ts";
import type { TranslationProvider, TranslatorParts } from "./provider.ts";
import { TranslationService } from "./service.ts";

export const TRANSLATION_PROVIDERS: readonly TranslationProvider[] = [
  libretranslate,
  deepl,
  nextcloud,
];

/** Throws ConfigError for an unknown name, or a provider that cannot be used here. */
export function createTranslator({ provider, settings }: ProviderChoice, parts: TranslatorParts): Translator {
  return providerOf(provider).create(settings, parts);
}

/** The service in front of the chosen provider, until the scope ends. */
export function openTranslations(
  choice: ProviderChoice,
  options: TranslatorParts & { log: Log; meter: Meter },
): TranslationService {
  const { timeoutMs } = providerOf(choice.provider).features;
  return new TranslationService({ ...options, timeoutMs, translator: createTranslator(choice, options) });
}

function providerOf(name: string): TranslationProvider {
  const found = findProvider(TRANSLATION_PROVIDERS, name);
  if (found) return found;
  const names = TRANSLATION_PROVIDERS.map(({ name }) => name);
  throw new ConfigError([{
    variable: "TRANSLATION_PROVIDER",
    problem: `unknown provider; the known ones are ${names.join(", ")}`,
    example: names[0],
  }]);
}
