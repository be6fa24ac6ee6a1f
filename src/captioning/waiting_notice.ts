/**
 * What readers see while somebody speaks and nothing can recognise it: a line in place of words, so that they know that
 * words are missing. It is a partial, so the first real caption replaces it; it is never a final and is counted nowhere.
 */
import type { Clock } from "../domain/mod.ts";

/** A session that opens within this needs no notice: readers wait longer for some sentences. */
const NOTICE_AFTER_MS = 10_000;

const TEXTS: Readonly<Record<string, string>> = {
  de: "… (noch keine Untertitel)",
  en: "… (no captions yet)",
  es: "… (todavía sin subtítulos)",
  fr: "… (pas encore de sous-titres)",
  it: "… (ancora nessun sottotitolo)",
  nl: "… (nog geen ondertiteling)",
  pt: "… (ainda sem legendas)",
};

/** The notice in the language that is spoken, in English where it is not known. */
export function waitingText(languageId: string): string {
  const [language] = languageId.toLowerCase().split(/[-_]/);
  return Object.hasOwn(TEXTS, language) ? TEXTS[language] : TEXTS.en;
}

/** When to show it: once, ten seconds after speech began to wait. */
export class WaitingNotice implements Disposable {
  #timer: Disposable | undefined;
  #isWaiting = false;

  constructor(private readonly clock: Clock, private readonly show: () => void) {}

  /** Speech waits for a session. */
  waits(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#timer = this.clock.timer(NOTICE_AFTER_MS, () => {
      this.#timer = undefined;
      this.show();
    });
  }

  /** A session is open, or nothing waits any more. */
  over(): void {
    this.#isWaiting = false;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  [Symbol.dispose](): void {
    this.over();
  }
}
