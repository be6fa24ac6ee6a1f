/**
 * Who shows wrong credentials again and again is answered late. Right ones are never late, whoever else calls from the
 * same address: behind a proxy all have one. So a guesser who does not wait for answers is not slowed by this; what
 * keeps them out is a secret that cannot be guessed, which the configuration sees to. Pure: time is an argument.
 */
import { Budget, LIMITS } from "../domain/mod.ts";

export class Guesses {
  /** Least recently used first. */
  readonly #sources = new Map<string, Budget>();
  readonly #all = perMinute(LIMITS.guessesFreeOfAll);

  /** Wrong credentials came from `source`. For how long to hold the answer, ms. `nowMs` is monotonic. */
  wrong(source: string, nowMs: number): number {
    const own = this.#sources.get(source) ?? perMinute(LIMITS.guessesFree);
    this.#sources.delete(source);
    this.#sources.set(source, own);
    if (this.#sources.size > LIMITS.guessSources) {
      const [oldest] = this.#sources.keys();
      this.#sources.delete(oldest);
    }
    // Both are spent: who calls from many addresses uses up the one of all.
    const isFree = [own.spend(nowMs), this.#all.spend(nowMs)].every(Boolean);
    return isFree ? 0 : LIMITS.guessHoldMs;
  }

  /** Sources remembered. */
  get size(): number {
    return this.#sources.size;
  }
}

function perMinute(count: number): Budget {
  return new Budget(count / 60, count);
}
