/**
 * The notice viewers see while somebody speaks and nothing recognises it, so that they know that words are missing. It is
 * a partial, so the first caption replaces it; it is never final and in no metric.
 */
import type { Clock } from "../domain/mod.ts";

/** Some sentences take as long to arrive. */
const NOTICE_AFTER_MS = 10_000;

const TEXTS: Readonly<Record<string, string>> = {
  ar: "… (لا توجد تسميات توضيحية بعد)",
  br: "… (istitl ebet c'hoazh)",
  ca: "… (encara sense subtítols)",
  cs: "… (zatím bez titulků)",
  de: "… (noch keine Untertitel)",
  en: "… (no captions yet)",
  eo: "… (ankoraŭ neniuj subtekstoj)",
  es: "… (todavía sin subtítulos)",
  fa: "… (هنوز زیرنویسی نیست)",
  fr: "… (pas encore de sous-titres)",
  hi: "… (अभी कोई कैप्शन नहीं)",
  it: "… (ancora nessun sottotitolo)",
  ja: "… (まだ字幕がありません)",
  kk: "… (әзірге субтитр жоқ)",
  ko: "… (아직 자막 없음)",
  nl: "… (nog geen ondertiteling)",
  pl: "… (jeszcze brak napisów)",
  pt: "… (ainda sem legendas)",
  ru: "… (субтитров пока нет)",
  te: "… (ఇంకా శీర్షికలు లేవు)",
  tg: "… (ҳоло субтитр нест)",
  tr: "… (henüz altyazı yok)",
  uk: "… (субтитрів ще немає)",
  uz: "… (hali subtitr yo‘q)",
  vi: "… (chưa có phụ đề)",
  zh: "… (暂无字幕)",
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
