/**
 * The notice viewers see while somebody speaks and nothing recognises it, so that they know that words are missing. It is
 * a partial, so the first caption replaces it; it is never final and in no metric.
 */
import type { Clock } from "../domain/mod.ts";

/** Some sentences take as long to arrive. */
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

/** In the language spoken; in English for a language without a text. */
export function waitingText(languageId: string): string {
  const [language] = languageId.toLowerCase().split(/[-_]/);
  return Object.hasOwn(TEXTS, language) ? TEXTS[language] : TEXTS.en;
}

/** Shows the notice once, ten seconds after speech began to wait. */
export class WaitingNotice {
  #timer: Disposable | undefined;
  #isWaiting = false;

  constructor(private readonly clock: Clock, private readonly show: () => void) {}

  waits(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#timer = this.clock.timer(NOTICE_AFTER_MS, () => {
      this.#timer = undefined;
      this.show();
    });
  }

  /** A session is open, or no speech waits. */
  over(): void {
    this.#isWaiting = false;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
