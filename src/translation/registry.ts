/** Which translation providers there are, by the name in TRANSLATION_PROVIDER. */
import { type Clock, ConfigError, type Log, type Meter, type Ocs, type Translator } from "../domain/mod.ts";
import type { Scope, TlsOptions } from "../flow/mod.ts";
import { deeplTranslator } from "./deepl.ts";
import { TranslationDesk } from "./desk.ts";
import { libreTranslateTranslator } from "./libretranslate.ts";
import { taskProcessingTranslator } from "./nextcloud.ts";

/** Of each provider its own part; the others need not be there. */
export interface TranslationSettings {
  libretranslate?: { url: string; apiKey?: string };
  deepl?: { url: string; key: string };
  nextcloud?: { ocs: Ocs; appId: string };
  /** Of the providers that are web services. */
  tls?: TlsOptions;
  clock: Clock;
}

/** What a provider does behind its answers ends with the scope. */
type Owned = TranslationSettings & { scope: Scope };

export interface TranslationProvider {
  /** What a call may take, ms. */
  readonly timeoutMs: number;
  /** Undefined when its settings are not there. */
  create(settings: Owned): Translator | undefined;
}

/** Web services answer within one second; who waits longer than three is reading the next sentence. */
const WEB_SERVICE_TIMEOUT_MS = 3_000;
/** A task waits for Nextcloud's background workers, which take seconds on a good day. */
const TASK_TIMEOUT_MS = 10_000;

export const TRANSLATION_PROVIDERS = {
  libretranslate: {
    timeoutMs: WEB_SERVICE_TIMEOUT_MS,
    create: ({ libretranslate, tls }) =>
      libretranslate && libreTranslateTranslator({ ...libretranslate, tls }),
  },
  deepl: {
    timeoutMs: WEB_SERVICE_TIMEOUT_MS,
    create: ({ deepl, tls }) => deepl && deeplTranslator({ ...deepl, tls }),
  },
  nextcloud: {
    timeoutMs: TASK_TIMEOUT_MS,
    create: ({ nextcloud, scope, clock }) =>
      nextcloud && taskProcessingTranslator({ ...nextcloud, scope, clock }),
  },
} as const satisfies Record<string, TranslationProvider>;

export type TranslationProviderName = keyof typeof TRANSLATION_PROVIDERS;
const NAMES = Object.keys(TRANSLATION_PROVIDERS) as readonly TranslationProviderName[];

/** The provider of that name. Throws ConfigError when there is none, or its settings are not there. */
export function createTranslator(name: string, settings: Owned): Translator {
  const translator = providerOf(name)?.create(settings);
  if (translator) return translator;
  throw new ConfigError([{
    variable: "TRANSLATION_PROVIDER",
    problem: `unknown, or without its settings; the known ones are ${NAMES.join(", ")}`,
    example: NAMES[0],
  }]);
}

/** A desk before the provider of that name, working until the scope ends. */
export function openTranslations(
  name: TranslationProviderName,
  options: Owned & { log: Log; meter: Meter },
): TranslationDesk {
  const { scope, clock, log, meter } = options;
  const translator = createTranslator(name, options);
  const { timeoutMs } = TRANSLATION_PROVIDERS[name];
  return new TranslationDesk({ translator, timeoutMs, scope, clock, log, meter });
}

function providerOf(name: string): TranslationProvider | undefined {
  return Object.hasOwn(TRANSLATION_PROVIDERS, name)
    ? TRANSLATION_PROVIDERS[name as TranslationProviderName]
    : undefined;
}
