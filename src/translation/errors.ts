/**
 * The ways a translation fails, as the port's TranslationError. No message carries text, addresses or answers.
 *
 * An error that is not retryable is fatal: the provider is of no use until somebody changes something. There are two
 * exceptions: `translation_unsupported` concerns one language pair, `translation_too_long` one text.
 */
import { TranslationError, type TranslationTrouble, UpstreamError } from "../domain/mod.ts";

const RETRYABLE = {
  translation_unauthorized: false,
  translation_quota: false,
  translation_no_provider: false,
  translation_unsupported: false,
  translation_too_long: false,
  translation_busy: true,
  translation_unreachable: true,
  translation_server: true,
  translation_protocol: true,
  translation_timeout: true,
  translation_refused: true,
  translation_languages_unknown: true,
} as const;

/** Why captions are not translated: each code with its meaning for the operator. */
export const TRANSLATION_REASONS: Record<TranslationTrouble, string> = {
  translator_refused:
    "the translator refuses all captions, or some languages; the log names them and the cause",
  translator_unreachable: "the translator is unreachable or fails: captions are sent in the spoken language",
};

export function translationError(cause: string, code: keyof typeof RETRYABLE): TranslationError {
  return new TranslationError(`Cannot translate: ${cause}`, { code, retryable: RETRYABLE[code] });
}

/** Whether the provider is to be disabled until a check succeeds. */
export function isFatal(error: unknown): error is TranslationError {
  return error instanceof TranslationError && !error.retryable && error.code !== "translation_unsupported" &&
    !isAboutText(error);
}

export function isAboutText({ code }: TranslationError): boolean {
  return code === "translation_too_long";
}

/** The error for a status other than 200. 456 and 529 are DeepL's own, 412 TaskProcessing's. */
export function statusError(status: number): TranslationError {
  if (status === 401 || status === 403) {
    return translationError("the provider refused the credentials", "translation_unauthorized");
  }
  if (status === 412) return translationError("there is no provider", "translation_no_provider");
  if (status === 413) return textTooLong();
  if (status === 429 || status === 529) {
    return translationError("the provider asks to wait", "translation_busy");
  }
  if (status === 456) return translationError("the provider's quota is used up", "translation_quota");
  if (status >= 400 && status < 500) {
    return translationError(`the provider refused the request with ${status}`, "translation_unsupported");
  }
  return translationError(`the provider answered ${status}`, "translation_server");
}

export function textTooLong(): TranslationError {
  return translationError("the text is too long for the provider", "translation_too_long");
}

export function unreadableAnswer(): TranslationError {
  return translationError("the provider's response cannot be read", "translation_protocol");
}

/** A failed call as TranslationError; the reason of an aborted signal is returned as it is. */
export function callError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof TranslationError) return error;
  if (error instanceof UpstreamError && error.code === "throttled") return statusError(429);
  if (error instanceof UpstreamError && !error.retryable) return statusError(401);
  return translationError("the provider is out of reach", "translation_unreachable");
}
