/** The ports to translation: of a provider, and of the service that uses it. */
import type { Language } from "./captions.ts";
import { TiroError } from "./errors.ts";

/** Translation failed. Not retryable: the provider will not work until somebody changes something. */
export class TranslationError extends TiroError {}

export interface TranslationLanguages {
  origin: readonly Language[];
  target: readonly Language[];
}

export interface TranslationRequest {
  text: string;
  originId: string;
  targetId: string;
}

/** A translation provider. One attempt each; the user of this port bounds, retries and caches. */
export interface Translator {
  /** Name in TRANSLATION_PROVIDER, logs and metrics. */
  readonly name: string;
  /** Rejects with TranslationError, or the signal's reason. */
  languages(signal: AbortSignal): Promise<TranslationLanguages>;
  /** Rejects with TranslationError, or the signal's reason. */
  translate(request: TranslationRequest, signal: AbortSignal): Promise<string>;
}

/** Why not all captions are translated. */
export type TranslationTrouble = "translator_refused" | "translator_unreachable";

/** Translation for sessions and routes. Only `translate` waits for the provider. */
export interface Translations {
  /** False after a fatal error of the provider. */
  readonly isAvailable: boolean;
  /** Absent while translations work. */
  readonly trouble?: TranslationTrouble;
  /** Throws TranslationError: not retryable without a working provider, retryable until its languages are known. */
  languages(): TranslationLanguages;
  /**
   * The provider's id for a target, in any spelling. Throws InvalidRequestError for the same or an unsupported pair;
   * what `languages` throws.
   */
  resolveTarget(originId: string, targetId: string): string;
  /** Bounded in time and number, one provider request per distinct text. Rejects with TranslationError. */
  translate(request: TranslationRequest): Promise<string>;
}
