/**
 * Delays the responses to repeated wrong credentials. Valid ones are never delayed, whoever shares their address: behind
 * a proxy all clients have the same. A client that does not wait for responses is not slowed by this; against it the
 * configuration demands a secret that is hard to guess. Pure: time is an argument.
 */
import { Budget, LIMITS } from "../domain/mod.ts";

export class Guesses {
  /** Least recently used first. */
  readonly #sources = new Map<string, Budget>();
  readonly #all = perMinute(LIMITS.guessesFreeOfAll);

  /** Counts wrong credentials from `source`. Returns the delay of the response, ms. `nowMs` is monotonic. */
  wrong(source: string, nowMs: number): number {
    const own = this.#sources.get(source) ?? perMinute(LIMITS.guessesFree);
    this.#sources.delete(source);
    this.#sources.set(source, own);
    if (this.#sources.size > LIMITS.guessSources) {
      const [oldest] = this.#sources.keys();
      this.#sources.delete(oldest);
    }
    // Both are spent, so that many addresses use up the common budget.
    const isFree = [own.spend(nowMs), this.#all.spend(nowMs)].every(Boolean);
    return isFree ? 0 : LIMITS.guessHoldMs;
  }

  get size(): number {
    return this.#sources.size;
  }
}

function perMinute(count: number): Budget {
  return new Budget(count / 60, count);
}
