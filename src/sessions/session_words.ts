/**
 * Names and terms to expect in one session. Speakers get a changed list at most every few seconds: people join in bursts,
 * and a recogniser takes it with its next session only.
 */
import type { Clock, ExpectedWords, SpeechToText } from "../domain/mod.ts";

/** What the recognisers take: nothing else is kept. */
export interface WordsTaken {
  words: boolean;
  /** Of participants; only where the recogniser is local. */
  names: boolean;
}

/** What these recognisers take together; each session still gets what its own takes. */
export function wordsTakenBy(recognisers: readonly Pick<SpeechToText, "features">[]): WordsTaken {
  return {
    words: recognisers.some(({ features }) => features.words),
    names: recognisers.some(({ features }) => features.words && features.isLocal),
  };
}

/** 500 speakers with 16 KB each are 8 MB to the media workers. */
const APART_MS = 5_000;

export class SessionWords implements Disposable {
  #words: ExpectedWords = {};
  #sentAtMs = -Infinity;
  #timer: Disposable | undefined;
  /** What the speakers have, for comparison. */
  #sent = "{}";

  constructor(
    private readonly taken: WordsTaken,
    private readonly clock: Clock,
    /** To all speakers. */
    private readonly send: (words: ExpectedWords) => void,
  ) {}

  get current(): ExpectedWords {
    return this.#words;
  }

  /** Replaces those that are given. */
  set({ session, names }: Pick<ExpectedWords, "session" | "names">): void {
    const { taken } = this;
    this.#words = {
      ...this.#words,
      ...(taken.words && session && { session }),
      ...(taken.names && names && { names }),
    };
    const dueMs = this.#sentAtMs + APART_MS - this.clock.now();
    if (dueMs <= 0) this.#flush();
    else this.#timer ??= this.clock.timer(dueMs, () => this.#flush());
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #flush(): void {
    this.#timer = undefined;
    const text = JSON.stringify(this.#words);
    if (text === this.#sent) return;
    this.#sent = text;
    this.#sentAtMs = this.clock.now();
    this.send(this.#words);
  }
}
