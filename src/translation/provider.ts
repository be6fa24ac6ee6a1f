/** What a translation provider is, and what the service lends it. */
import type { Clock, Ocs, Provider, Translator } from "../domain/mod.ts";
import type { Scope, TlsOptions } from "../flow/mod.ts";

export interface TranslatorParts {
  /** Ends what a provider still does behind its answers. */
  scope: Scope;
  clock: Clock;
  tls?: TlsOptions;
  /** Nextcloud, and whose app we are there; absent where the service is no ExApp. */
  nextcloud?: { ocs: Ocs; appId: string };
}

export interface TranslatorFeatures {
  /** What a call may take, ms. */
  timeoutMs: number;
}

/** Its languages are asked of the server. */
export interface TranslationProvider<Settings = unknown>
  extends Provider<Translator, TranslatorParts, Settings> {
  readonly features: TranslatorFeatures;
}

/** Web services answer within one second; who waits longer than three is reading the next sentence. */
export const WEB_SERVICE: TranslatorFeatures = { timeoutMs: 3_000 };
