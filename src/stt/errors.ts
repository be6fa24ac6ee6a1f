/** Errors of speech-to-text sessions, as the port's SttError. No message carries text, addresses or credentials. */
import { type Language, SttError } from "../domain/mod.ts";

export function cannotOpen(problem: string, code: string, retryable: boolean, cause?: unknown): SttError {
  return new SttError(`Cannot open STT session: ${problem}`, { code, retryable, cause });
}

export function sessionFailed(problem: string, code: string, retryable = true): SttError {
  return new SttError(`Cannot continue STT session: ${problem}`, { code, retryable });
}

export function sessionEnded(): SttError {
  return new SttError("Cannot write to STT session: it has ended", { code: "stt_over", retryable: true });
}

export function requireLanguage(provider: string, languages: readonly Language[], languageId: string): void {
  if (languages.some(({ id }) => id === languageId)) return;
  throw cannotOpen(`"${provider}" does not know the language`, "stt_language", false);
}
