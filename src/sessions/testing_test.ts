/** A speaker, captions and translations for the tests of this module. */
import type {
  Caption,
  ExpectedWords,
  SpeakerTrouble,
  TranslationRequest,
  Translations,
} from "../domain/mod.ts";
import type { Speaks } from "./speakers.ts";

export class FakeSpeaker implements Speaks {
  isReceiving = false;
  trouble: SpeakerTrouble | undefined;
  readonly languages: string[] = [];
  readonly words: ExpectedWords[] = [];
  isDisposed = false;
  /** Signals of the drains so far. */
  readonly drains: AbortSignal[] = [];
  readonly #drained = Promise.withResolvers<void>();

  setLanguage(languageId: string): void {
    this.languages.push(languageId);
  }

  setWords(words: ExpectedWords): void {
    this.words.push(words);
  }

  /** Ends when the test says so, or the signal does. */
  drain(signal: AbortSignal): Promise<void> {
    this.drains.push(signal);
    signal.addEventListener("abort", () => this.#drained.resolve(), { once: true });
    return this.#drained.promise;
  }

  finishDrain(): void {
    this.#drained.resolve();
  }

  failDrain(error: unknown): void {
    this.#drained.reject(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true;
    return Promise.resolve();
  }
}

export function caption(text: string, { speakerId = "ben", final = true }: Partial<Caption> = {}): Caption {
  return {
    ...{ speakerId, text, final, utterance: 0, revision: 0, languageId: "en", receivedAtMs: 0 },
    spoken: { startMs: 0, endMs: 1_000 },
  };
}

/** Translations that arrive when the test says so. */
export class FakeTranslations implements Translations {
  readonly isAvailable = true;
  readonly requests: { request: TranslationRequest; answer: (text: string) => void }[] = [];

  languages() {
    return { origin: [], target: [] };
  }

  resolveTarget(_originId: string, targetId: string): string {
    return targetId;
  }

  translate(request: TranslationRequest): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.requests.push({ request, answer: resolve });
    return promise;
  }
}
