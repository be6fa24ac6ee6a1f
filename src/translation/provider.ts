/** What a translation provider is, and what the service lends it. */
import type { Clock, Provider, Translator } from "../domain/mod.ts";
import type { Scope, TlsOptions } from "../flow/mod.ts";

/** Requests to Nextcloud's OCS API as its ExApp. */
export interface Ocs {
  /** `data` of the reply's envelope is undefined where it has none. Rejects with UpstreamError, or the signal's reason. */
  request(request: {
    method: "GET" | "POST" | "DELETE";
    path: string;
    body?: unknown;
    timeoutMs: number;
    signal: AbortSignal;
  }): Promise<{ status: number; data: unknown }>;
}

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
