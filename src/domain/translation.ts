/** The ports to translation: what a provider does, and what the rest of the house asks for. */
import type { Language } from "./captions.ts";
import { TiroError } from "./errors.ts";

/** Translation failed. Not retryable means that the provider will not work until somebody changes something. */
export class TranslationError extends TiroError {}

export interface TranslationLanguages {
  /** What can be translated from. */
  origin: readonly Language[];
  /** What can be translated to. */
  target: readonly Language[];
}

export interface TranslationRequest {
  text: string;
  originId: string;
  targetId: string;
}

/** A translation provider. One attempt a call; bounds, retries and caching are its caller's. */
export interface Translator {
  /** Name in TRANSLATION_PROVIDER, logs and metrics. */
  readonly name: string;
  /** Rejects with TranslationError, or the signal's reason. */
  languages(signal: AbortSignal): Promise<TranslationLanguages>;
  /** Rejects with TranslationError, or the signal's reason. */
  translate(request: TranslationRequest, signal: AbortSignal): Promise<string>;
}

/** Why captions are not translated, or not all: the provider refuses them, or does not answer as it should. */
export type TranslationTrouble = "translator_refused" | "translator_unreachable";

/** Translation as sessions and routes use it: answers from what is known, and never waits for the provider. */
export interface Translations {
  /** False when no provider is configured, or the one there is was switched off by a fatal error. */
  readonly isAvailable: boolean;
  /** Absent while every translation asked for is made. */
  readonly trouble?: TranslationTrouble;
  /** Throws TranslationError: not retryable without a working provider, retryable while its languages are not known yet. */
  languages(): TranslationLanguages;
  /**
   * The provider's id for a target, in any spelling. Throws InvalidRequestError for the same or an unsupported pair;
   * what `languages` throws.
   */
  resolveTarget(originId: string, targetId: string): string;
  /** Bounded in time and number, one call per distinct request. Rejects with TranslationError. */
  translate(request: TranslationRequest): Promise<string>;
}
