/**
 * Who shows wrong credentials again and again is answered late. Right ones are never late, whoever else calls from the
 * same address: behind a proxy all have one. So a guesser who does not wait for answers is not slowed by this; what
 * keeps them out is a secret that cannot be guessed, which the configuration sees to. Pure: time is an argument.
 */
import { LIMITS } from "../domain/mod.ts";

/** Wrong credentials lately; some leak out with time. */
interface Bucket {
  level: number;
  atMs: number;
}

const MINUTE_MS = 60_000;

export class Guesses {
  /** Least recently used first. */
  readonly #sources = new Map<string, Bucket>();
  readonly #all: Bucket = { level: 0, atMs: 0 };

  /** Wrong credentials came from `source`. For how long to hold the answer, ms. `nowMs` is monotonic. */
  wrong(source: string, nowMs: number): number {
    const own = this.#sources.get(source) ?? { level: 0, atMs: nowMs };
    this.#sources.delete(source);
    this.#sources.set(source, own);
    if (this.#sources.size > LIMITS.guessSources) {
      const [oldest] = this.#sources.keys();
      this.#sources.delete(oldest);
    }
    // Both are filled: who calls from many addresses fills the one of all.
    const isMany = [
      fill(own, LIMITS.guessesFree, nowMs),
      fill(this.#all, LIMITS.guessesFreeOfAll, nowMs),
    ].some(Boolean);
    return isMany ? LIMITS.guessHoldMs : 0;
  }

  /** Sources remembered. */
  get size(): number {
    return this.#sources.size;
  }
}

/** Puts one in where it has room; whether it had none. */
function fill(bucket: Bucket, free: number, nowMs: number): boolean {
  bucket.level = Math.max(0, bucket.level - (nowMs - bucket.atMs) / MINUTE_MS * free);
  bucket.atMs = nowMs;
  if (bucket.level > free - 1) return true;
  bucket.level++;
  return false;
}
