/** A translation provider, and what the service passes to it. */
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
  /** Owns work that a provider continues after its answers. */
  scope: Scope;
  clock: Clock;
  tls?: TlsOptions;
  /** Absent where the service is no ExApp. */
  nextcloud?: { ocs: Ocs; appId: string };
}

export interface TranslationProvider<Settings = unknown>
  extends Provider<Translator, TranslatorParts, Settings> {
  /** `timeoutMs`: what a call may take. */
  readonly features: { timeoutMs: number };
}

/** Web services answer within one second; after three the next sentence is being read. */
export const WEB_SERVICE = { timeoutMs: 3_000 };
