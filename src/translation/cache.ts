/** The most recently used translations, bounded in number and characters. Holds speech: memory only, never written. */
export class TranslationCache {
  /** Least recently used first: a Map keeps the order of insertion. */
  readonly #entries = new Map<string, string>();
  #chars = 0;

  /** `chars` bounds keys and translations together. */
  constructor(private readonly bounds: { entries: number; chars: number }) {}

  get(key: string): string | undefined {
    const text = this.#entries.get(key);
    if (text === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, text);
    return text;
  }

  set(key: string, text: string): void {
    this.#remove(key);
    this.#entries.set(key, text);
    this.#chars += key.length + text.length;
    for (const [oldest] of this.#entries) {
      if (this.#entries.size <= this.bounds.entries && this.#chars <= this.bounds.chars) return;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    const text = this.#entries.get(key);
    if (text === undefined) return;
    this.#entries.delete(key);
    this.#chars -= key.length + text.length;
  }
}
